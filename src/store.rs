//! Stores: where rooms, and texts of a user's own, are kept so that all instances of the functions share them.
//!
//! [`open`] selects the [`Store`] by its URL: a directory (`dir`) or Redis (`redis`); `memory` is for tests. A store
//! connects at its first call. Members that have been silent for the time to live are dropped when a room is listed.

mod dir;
mod error;
mod memory;
mod redis;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[cfg(fuzzing)]
pub(crate) use self::dir::file_name::check as check_name;
pub use self::error::StoreError;
pub(crate) use self::memory::MemoryStore;
pub(crate) use self::redis::RedisUrl;
#[cfg(fuzzing)]
pub(crate) use self::redis::read_replies;

/// Settings of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreSettings {
    pub(crate) url: StoreUrl,
    /// The room that `WS_ROOM` names.
    pub(crate) default_room: RoomName,
    /// How long a silent member, a text or a list is kept; `None`: for ever.
    pub(crate) time_to_live: Option<Duration>,
}

/// Where rooms are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreUrl {
    /// `dir:/absolute/path`: a directory that exists.
    Dir(PathBuf),
    /// `redis://[user:password@]host[:port][/db]`.
    Redis(RedisUrl),
}

/// The name of a room. It is safe as part of a path and of a Redis key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct RoomName(String);

/// A store of rooms, texts and lists. Every call is idempotent, except that `append` adds an item each time, and safe
/// against concurrent calls of other processes.
pub(crate) trait Store {
    /// Records the connection in the room as seen now.
    fn renew(&mut self, room: &RoomName, connection: &str, deadline: Instant) -> Result<(), StoreError>;

    /// Removes the connections from the room.
    fn remove(&mut self, room: &RoomName, connections: &[&str], deadline: Instant) -> Result<(), StoreError>;

    /// Records a connection as seen now, if one is given, drops the members that were silent for too long, and lists
    /// the others.
    fn list(&mut self, room: &RoomName, seen: Option<&str>, deadline: Instant)
    -> Result<Listing, StoreError>;

    /// The text under this key.
    fn text(&mut self, key: &str, deadline: Instant) -> Result<Option<String>, StoreError>;

    /// Sets or removes the text under this key.
    fn set_text(&mut self, key: &str, text: Option<&str>, deadline: Instant) -> Result<(), StoreError>;

    /// Appends to the list under this key and keeps its last `keep` items.
    fn append(&mut self, key: &str, item: &str, keep: usize, deadline: Instant) -> Result<(), StoreError>;

    /// The items of the list under this key, the oldest first.
    fn items(&mut self, key: &str, deadline: Instant) -> Result<Vec<String>, StoreError>;
}

/// The members of a room.
#[derive(Debug)]
pub(crate) struct Listing {
    /// The connection ids, in no particular order.
    pub(crate) connections: Vec<String>,
    /// Why the given connection could not be recorded, if the store could be read but not written.
    pub(crate) not_renewed: Option<StoreError>,
}

/// The store of these settings; it connects at its first call.
pub(crate) fn open(settings: &StoreSettings) -> Box<dyn Store> {
    match &settings.url {
        StoreUrl::Dir(path) => Box::new(dir::DirStore::new(path.clone(), settings.time_to_live)),
        StoreUrl::Redis(url) => Box::new(redis::RedisStore::new(url.clone(), settings.time_to_live)),
    }
}

impl StoreSettings {
    pub(crate) fn for_tests() -> Self {
        Self { url: StoreUrl::Dir(PathBuf::new()), default_room: RoomName::default(), time_to_live: None }
    }
}

impl StoreUrl {
    /// The allowed forms.
    pub(crate) const ALLOWED: &str =
        "dir:/absolute/path of a directory, or redis://[user:password@]host[:port][/db]";

    /// Parses a value of `WS_STORE`. The error says what is allowed.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
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

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Parses the name of a room. The error says what is allowed.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
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

impl fmt::Display for StoreSettings {
    /// For the log: without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.url {
            StoreUrl::Dir(path) => write!(f, "store=dir:{}", path.display())?,
            StoreUrl::Redis(url) => write!(f, "store={url}")?,
        }
        let ttl_s = self.time_to_live.map_or(0, |ttl| ttl.as_secs());
        write!(f, " room={} store_ttl_s={ttl_s}", self.default_room.as_str())
    }
}
