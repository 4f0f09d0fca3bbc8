//! A connection to a Redis server, entered and ready for commands, each exchange with its own deadline.

use std::io::{BufReader, Error, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::resp::{self, Reply};
use super::url::RedisUrl;
use crate::connect;

/// A server that is there takes a connection in far less.
const MAX_CONNECT: Duration = Duration::from_secs(1);

/// Replies are read in pieces of this size.
const BUFFER_BYTES: usize = 16 * 1024;

/// Commands that are sent together.
#[derive(Default)]
pub(super) struct Commands {
    bytes: Vec<u8>,
    count: usize,
}

impl Commands {
    /// Adds a command, its name first.
    pub(super) fn push<'a>(
        &mut self,
        parts: impl IntoIterator<Item = &'a [u8], IntoIter: ExactSizeIterator>,
    ) {
        resp::append_command(&mut self.bytes, parts.into_iter());
        self.count += 1;
    }
}

/// A connection that is kept.
pub(super) struct Line(BufReader<Timed>);

/// Why a connection cannot be had.
pub(super) enum NoLine {
    Io(Error),
    /// The server refuses the user or the password, or wants one.
    Credentials(String),
    Database(String),
}

impl From<Error> for NoLine {
    fn from(e: Error) -> Self {
        Self::Io(e)
    }
}

impl Line {
    /// Connects and enters.
    pub(super) fn open(url: &RedisUrl, deadline: Instant) -> Result<Self, NoLine> {
        let deadline = deadline.min(Instant::now() + MAX_CONNECT);
        let tcp = connect::tcp(&url.host, url.port, Some(deadline))?;
        let stream = stream(url, tcp)?;
        let mut line = Self(BufReader::with_capacity(BUFFER_BYTES, Timed { stream, deadline }));
        if let Some(credentials) = &url.credentials {
            let mut commands = Commands::default();
            match &credentials.user {
                Some(user) => commands.push([&b"AUTH"[..], user.as_bytes(), credentials.password.as_bytes()]),
                None => commands.push([&b"AUTH"[..], credentials.password.as_bytes()]),
            }
            line.enter(&commands, deadline, NoLine::Credentials)?;
        }
        if url.database != 0 {
            let mut commands = Commands::default();
            commands.push([&b"SELECT"[..], url.database.to_string().as_bytes()]);
            line.enter(&commands, deadline, NoLine::Database)?;
        }
        Ok(line)
    }

    fn enter(
        &mut self,
        commands: &Commands,
        deadline: Instant,
        refused: impl Fn(String) -> NoLine,
    ) -> Result<(), NoLine> {
        match self.exchange(commands, deadline)?.pop() {
            Some(Reply::Refusal(sentence)) => Err(refused(sentence)),
            _ => Ok(()),
        }
    }

    /// Sends the commands in one piece and reads a reply to each.
    pub(super) fn exchange(&mut self, commands: &Commands, deadline: Instant) -> Result<Vec<Reply>, Error> {
        let timed = self.0.get_mut();
        timed.deadline = deadline;
        timed.write_all(&commands.bytes)?;
        timed.flush()?;
        (0..commands.count).map(|_| resp::read_reply(&mut self.0)).collect()
    }
}

/// A stream each of whose reads and writes ends at the deadline, however little comes at a time.
struct Timed {
    stream: Box<dyn Stream>,
    deadline: Instant,
}

/// TCP, or TLS over it.
trait Stream: Read + Write + Send {
    fn tcp(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

#[cfg(feature = "tls")]
impl Stream for rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    fn tcp(&self) -> &TcpStream {
        &self.sock
    }
}

#[cfg(feature = "tls")]
fn stream(url: &RedisUrl, tcp: TcpStream) -> Result<Box<dyn Stream>, Error> {
    if !url.tls {
        return Ok(Box::new(tcp));
    }
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let ring = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .map_err(Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let host = url.host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = rustls::pki_types::ServerName::try_from(host).map_err(Error::other)?;
    let session = rustls::ClientConnection::new(config.into(), name).map_err(Error::other)?;
    Ok(Box::new(rustls::StreamOwned::new(session, tcp)))
}

#[cfg(not(feature = "tls"))]
#[allow(clippy::unnecessary_wraps, reason = "with the feature tls it can fail")]
fn stream(_: &RedisUrl, tcp: TcpStream) -> Result<Box<dyn Stream>, Error> {
    Ok(Box::new(tcp))
}

impl Timed {
    fn prepare(&mut self) -> Result<&mut dyn Stream, Error> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        let tcp = self.stream.tcp();
        tcp.set_read_timeout(Some(left))?;
        tcp.set_write_timeout(Some(left))?;
        Ok(&mut *self.stream)
    }
}

impl Read for Timed {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Error> {
        self.prepare()?.read(into).map_err(timed_out)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        self.prepare()?.write(bytes).map_err(timed_out)
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.prepare()?.flush().map_err(timed_out)
    }
}

/// What a socket calls "would block" when its time-out has passed.
fn timed_out(e: Error) -> Error {
    if e.kind() == ErrorKind::WouldBlock { ErrorKind::TimedOut.into() } else { e }
}
