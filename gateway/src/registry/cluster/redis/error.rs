//! What a Redis server could not do.

use std::{error, fmt};

/// Why a command has no result. The reasons are parts of a sentence and name no password.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedisError {
    /// The server is away, or has not answered in time. Whether the command was carried out is unknown.
    Unavailable(String),
    /// The server refused the command, as for want of a permission or of memory.
    Refused(String),
}

impl fmt::Display for RedisError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(reason) => write!(formatter, "Redis is unavailable: {reason}"),
            Self::Refused(reason) => write!(formatter, "Redis refused a command: {reason}"),
        }
    }
}

impl error::Error for RedisError {}
