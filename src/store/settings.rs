//! Settings of the store.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::redis::RedisUrl;
use super::room_name::RoomName;
use crate::net::TrustedRoots;

/// Settings of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreSettings {
    pub(crate) url: StoreUrl,
    /// The room that `WS_ROOM` names.
    pub(crate) default_room: RoomName,
    /// How long a silent member, a text or a list is kept; `None`: for ever.
    pub(crate) time_to_live: Option<Duration>,
    /// For `rediss://`.
    pub(crate) trusted_roots: TrustedRoots,
}

/// Where rooms are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreUrl {
    /// `dir:/absolute/path`: a directory that exists.
    Dir(PathBuf),
    /// `redis://[user:password@]host[:port][/db]`.
    Redis(RedisUrl),
}

impl StoreSettings {
    pub(crate) const DEFAULT_TIME_TO_LIVE: Duration = Duration::from_hours(24);

    pub(crate) fn for_tests() -> Self {
        Self {
            url: StoreUrl::Dir(PathBuf::new()),
            default_room: RoomName::default(),
            time_to_live: None,
            trusted_roots: TrustedRoots::new(None),
        }
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
