//! An authenticated connection to a Redis server. Each exchange of commands and replies has its own deadline.

use std::io::{BufReader, Error, Read, Write};
use std::time::{Duration, Instant};

use super::resp::{self, Reply};
use super::url::RedisUrl;
use crate::net::DeadlineStream;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The size of the read buffer.
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

/// An open connection.
pub(super) struct RedisConnection(BufReader<Box<dyn Stream>>);

/// Why a connection cannot be opened.
pub(super) enum OpenError {
    Io(Error),
    /// The server refuses the user or the password, or requires one.
    Credentials(String),
    /// The server refuses the database.
    Database(String),
}

impl From<Error> for OpenError {
    fn from(e: Error) -> Self {
        Self::Io(e)
    }
}

impl RedisConnection {
    /// Connects, authenticates and selects the database.
    pub(super) fn open(url: &RedisUrl, deadline: Instant) -> Result<Self, OpenError> {
        let deadline = deadline.min(Instant::now() + CONNECT_TIMEOUT);
        let tcp = DeadlineStream::connect(&url.host, url.port, Some(deadline))?;
        let mut connection = Self(BufReader::with_capacity(BUFFER_BYTES, stream(url, tcp)?));
        if let Some(credentials) = &url.credentials {
            let mut commands = Commands::default();
            match &credentials.user {
                Some(user) => commands.push([&b"AUTH"[..], user.as_bytes(), credentials.password.as_bytes()]),
                None => commands.push([&b"AUTH"[..], credentials.password.as_bytes()]),
            }
            connection.run(&commands, deadline, OpenError::Credentials)?;
        }
        if url.database != 0 {
            let mut commands = Commands::default();
            commands.push([&b"SELECT"[..], url.database.to_string().as_bytes()]);
            connection.run(&commands, deadline, OpenError::Database)?;
        }
        Ok(connection)
    }

    fn run(
        &mut self,
        commands: &Commands,
        deadline: Instant,
        refused: impl Fn(String) -> OpenError,
    ) -> Result<(), OpenError> {
        match self.exchange(commands, deadline)?.pop() {
            Some(Reply::Refusal(sentence)) => Err(refused(sentence)),
            _ => Ok(()),
        }
    }

    /// Sends the commands together and reads a reply to each.
    pub(super) fn exchange(&mut self, commands: &Commands, deadline: Instant) -> Result<Vec<Reply>, Error> {
        let stream = self.0.get_mut();
        stream.tcp().set_deadline(Some(deadline));
        stream.write_all(&commands.bytes)?;
        stream.flush()?;
        (0..commands.count).map(|_| resp::read_reply(&mut self.0)).collect()
    }
}

/// TCP, or TLS over it.
trait Stream: Read + Write + Send {
    fn tcp(&mut self) -> &mut DeadlineStream;
}

impl Stream for DeadlineStream {
    fn tcp(&mut self) -> &mut DeadlineStream {
        self
    }
}

#[cfg(feature = "tls")]
impl Stream for rustls::StreamOwned<rustls::ClientConnection, DeadlineStream> {
    fn tcp(&mut self) -> &mut DeadlineStream {
        &mut self.sock
    }
}

#[cfg(feature = "tls")]
fn stream(url: &RedisUrl, tcp: DeadlineStream) -> Result<Box<dyn Stream>, Error> {
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
fn stream(_: &RedisUrl, tcp: DeadlineStream) -> Result<Box<dyn Stream>, Error> {
    Ok(Box::new(tcp))
}
