//! A connection to a Redis server, entered and ready for commands, each exchange with its own deadline.

use std::io::{BufReader, Error, Read, Write};
use std::time::{Duration, Instant};

use super::resp::{self, Reply};
use super::url::RedisUrl;
use crate::socket::Socket;

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
pub(super) struct Line(BufReader<Box<dyn Stream>>);

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
        let tcp = Socket::connect(&url.host, url.port, Some(deadline))?;
        let mut line = Self(BufReader::with_capacity(BUFFER_BYTES, stream(url, tcp)?));
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
        let stream = self.0.get_mut();
        stream.socket().begin(Some(deadline));
        stream.write_all(&commands.bytes)?;
        stream.flush()?;
        (0..commands.count).map(|_| resp::read_reply(&mut self.0)).collect()
    }
}

/// TCP, or TLS over it.
trait Stream: Read + Write + Send {
    fn socket(&mut self) -> &mut Socket;
}

impl Stream for Socket {
    fn socket(&mut self) -> &mut Socket {
        self
    }
}

#[cfg(feature = "tls")]
impl Stream for rustls::StreamOwned<rustls::ClientConnection, Socket> {
    fn socket(&mut self) -> &mut Socket {
        &mut self.sock
    }
}

#[cfg(feature = "tls")]
fn stream(url: &RedisUrl, tcp: Socket) -> Result<Box<dyn Stream>, Error> {
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
fn stream(_: &RedisUrl, tcp: Socket) -> Result<Box<dyn Stream>, Error> {
    Ok(Box::new(tcp))
}
