//! An authenticated connection to a Redis server. Each exchange of commands and replies has its own deadline.

use std::io::{BufReader, Error, Write};
use std::time::{Duration, Instant};

use super::resp::{self, Reply};
use super::url::RedisUrl;
use crate::net::{self, Stream, TrustedRoots};

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
    pub(super) fn open(url: &RedisUrl, roots: &TrustedRoots, deadline: Instant) -> Result<Self, OpenError> {
        let deadline = deadline.min(Instant::now() + CONNECT_TIMEOUT);
        let stream = if url.tls {
            roots.connect(&url.host, url.port, Some(deadline))?
        } else {
            net::plain(&url.host, url.port, Some(deadline))?
        };
        let mut connection = Self(BufReader::with_capacity(BUFFER_BYTES, stream));
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

    /// Whether the next exchange can use the connection.
    pub(super) fn is_open(&mut self) -> bool {
        self.0.get_mut().tcp().is_open()
    }

    /// How long ago the server was last heard of.
    pub(super) fn idle(&mut self) -> Duration {
        self.0.get_mut().tcp().idle()
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
