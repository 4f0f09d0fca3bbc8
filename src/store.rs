//! Rooms: which connections there are, kept where all functions of the API find them.
//!
//! [`Room::open`] chooses the store by its URL; the functions then call [`Room::renew`] when a client
//! connects or is heard of, [`Room::renew_and_list`] to push to all, [`Room::remove`] when one has gone.
//! Nothing is opened before the first of these calls.

mod dir;
mod redis;

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[cfg(fuzzing)]
pub(crate) use self::dir::name::check as check_name;
pub use self::redis::RedisUrl;
#[cfg(fuzzing)]
pub(crate) use self::redis::read_replies;

use crate::event::ConnectionId;

/// The settings of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomSettings {
    /// Where it is kept.
    pub store: StoreUrl,
    /// Its name.
    pub name: RoomName,
    /// A connection that was silent for longer is dropped; `None`: never.
    pub time_to_live: Option<Duration>,
}

/// Where rooms are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// `dir:/absolute/path`: a directory that exists.
    Dir(PathBuf),
    /// `redis://[user:password@]host[:port][/db]`.
    Redis(RedisUrl),
}

/// A room's name: part of a path and of a key, and safe in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomName(String);

/// Why the store could not do what it was asked: a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreError(String);

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StoreError {}

/// What a store does. Each call is safe against the same calls of other processes, and doing it twice is
/// doing it once.
pub trait ConnectionStore {
    /// Records the connection as seen now.
    fn renew(&mut self, connection: &str, deadline: Instant) -> Result<(), StoreError>;

    /// Forgets the connections; those that are not known are no fault.
    fn remove(&mut self, connections: &[&str], deadline: Instant) -> Result<(), StoreError>;

    /// Records the connection as seen now, drops those silent for too long, and lists the others.
    fn renew_and_list(&mut self, connection: &str, deadline: Instant) -> Result<Listing, StoreError>;
}

/// Who is in a room.
#[derive(Debug)]
pub struct Listing {
    /// The connection ids, in no order.
    pub connections: Vec<String>,
    /// Why the sender's time could not be renewed, where reading was possible and writing was not.
    pub not_renewed: Option<StoreError>,
}

/// One room in a store.
pub struct Room {
    store: Box<dyn ConnectionStore + Send>,
}

impl Room {
    /// The room of these settings; nothing is opened yet.
    #[must_use]
    pub fn open(settings: &RoomSettings) -> Self {
        let store: Box<dyn ConnectionStore + Send> = match &settings.store {
            StoreUrl::Dir(path) => {
                Box::new(dir::DirStore::new(path.join(&settings.name.0), settings.time_to_live))
            }
            StoreUrl::Redis(url) => {
                Box::new(redis::RedisStore::new(url.clone(), &settings.name.0, settings.time_to_live))
            }
        };
        Self { store }
    }

    /// Records the connection as seen now.
    pub fn renew(&mut self, connection: &ConnectionId<'_>, deadline: Instant) -> Result<(), StoreError> {
        self.store.renew(connection.as_str(), deadline)
    }

    /// Forgets the connections.
    pub fn remove(&mut self, connections: &[&str], deadline: Instant) -> Result<(), StoreError> {
        if connections.is_empty() { Ok(()) } else { self.store.remove(connections, deadline) }
    }

    /// Records the connection as seen now and lists the room, this connection included.
    pub fn renew_and_list(
        &mut self,
        connection: &ConnectionId<'_>,
        deadline: Instant,
    ) -> Result<Listing, StoreError> {
        self.store.renew_and_list(connection.as_str(), deadline)
    }
}

impl StoreUrl {
    /// What a URL of a store looks like.
    pub(crate) const ALLOWED: &str =
        "dir:/absolute/path of a directory, or redis://[user:password@]host[:port][/db]";

    /// Reads a value of `WS_STORE`. The error says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("dir:") {
            let path = PathBuf::from(path);
            return if path.is_absolute() { Ok(Self::Dir(path)) } else { Err(Self::ALLOWED.into()) };
        }
        match RedisUrl::parse(text) {
            Some(Ok(url)) => Ok(Self::Redis(url)),
            Some(Err(why)) => Err(format!("{} ({why})", Self::ALLOWED)),
            None => Err(Self::ALLOWED.into()),
        }
    }
}

impl RoomName {
    const MAX_CHARS: usize = 64;

    /// Reads a value of `WS_ROOM`. The error says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if text.len() <= Self::MAX_CHARS && !matches!(text, "" | "." | "..") && text.chars().all(safe) {
            return Ok(Self(text.to_owned()));
        }
        Err("letters, digits, '.', '_' and '-', at most 64 of them, and not '.' or '..'".into())
    }
}

impl Default for RoomName {
    fn default() -> Self {
        Self("default".into())
    }
}

impl fmt::Display for RoomSettings {
    /// For the log: no password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.store {
            StoreUrl::Dir(path) => write!(f, "store=dir:{}", path.display())?,
            StoreUrl::Redis(url) => write!(f, "store={url}")?,
        }
        write!(f, " room={} store_ttl_s={}", self.name.0, self.time_to_live.map_or(0, |ttl| ttl.as_secs()))
    }
}
