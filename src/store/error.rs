//! Why a store failed.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::log_text::excerpt;

/// Why a room, a text or a list could not be read or written.
///
/// ```
/// # use scf_websocket::{Connecting, Context, Decision, Result, StoreError};
/// /// Refuses a client that asks for a room whose name is not allowed, and fails if there is no store.
/// fn enter(client: &Connecting<'_>, context: &mut Context<'_>) -> Result<Decision> {
///     match context.room(client.query("room").unwrap_or("lobby")).join(client.id()) {
///         Ok(()) => Ok(Decision::accept()),
///         Err(StoreError::RoomName { allowed, .. }) => Ok(Decision::refuse(400, allowed)),
///         Err(other) => Err(other)?,
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// `WS_STORE` is not set.
    NotConfigured,
    /// The name of the room is not allowed.
    RoomName {
        /// The name.
        name: String,
        /// What a name may consist of.
        allowed: String,
    },
    /// The text under a key is no whole number, or the sum would leave the range of 64 bits.
    NotANumber {
        /// The key.
        key: String,
    },
    /// The value under a key is not the expected JSON, or cannot be written as JSON.
    Json {
        /// The key.
        key: String,
        /// What the parser or serialiser reports.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// An operation on a directory failed.
    Directory {
        /// The operation, such as `recording a connection`.
        action: &'static str,
        /// The folder.
        folder: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The server cannot be reached.
    Unreachable {
        /// The server, without credentials.
        store: String,
        /// The error of the connection.
        source: io::Error,
    },
    /// The server did not answer before the deadline.
    TimedOut {
        /// The server, without credentials.
        store: String,
    },
    /// The server does not speak the Redis protocol.
    Protocol {
        /// The server, without credentials.
        store: String,
        /// What was received instead.
        source: io::Error,
    },
    /// The server refused the connection or a command.
    Refused {
        /// The server, without credentials.
        store: String,
        /// What the server objects to, and where possible what to set; it continues "the store … ".
        reason: String,
    },
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConfigured => f.write_str(
                "WS_STORE is not set; rooms and stored texts need one: dir:/absolute/path of a directory, or redis://host",
            ),
            Self::RoomName { name, allowed } => {
                write!(f, "the room name {:?} is not allowed; allowed: {allowed}", excerpt(name))
            }
            Self::NotANumber { key } => write!(
                f,
                "nothing can be added to the text {:?}: it is no whole number of 64 bits, or the sum is none",
                excerpt(key)
            ),
            Self::Json { key, .. } => write!(f, "the text {:?} is not the expected JSON", excerpt(key)),
            Self::Directory { action, folder, .. } => {
                write!(f, "{action} in the store's folder {} failed", folder.display())
            }
            Self::Unreachable { store, .. } => write!(f, "the store {store} cannot be reached"),
            Self::TimedOut { store } => write!(f, "the store {store} did not answer in time"),
            Self::Protocol { store, .. } => write!(f, "the store {store} does not speak the Redis protocol"),
            Self::Refused { store, reason } => write!(f, "the store {store} {reason}"),
        }
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Directory { source, .. }
            | Self::Unreachable { source, .. }
            | Self::Protocol { source, .. } => Some(source),
            Self::Json { source, .. } => Some(source.as_ref()),
            Self::NotConfigured
            | Self::RoomName { .. }
            | Self::NotANumber { .. }
            | Self::TimedOut { .. }
            | Self::Refused { .. } => None,
        }
    }
}
