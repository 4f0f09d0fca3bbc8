//! What a Redis server could not do.

/// Why a command has no result. The reasons are parts of a sentence and name no password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// The server is away, or has not answered in time. Whether the command was carried out is unknown.
    #[error("Redis is unavailable: {0}")]
    Unavailable(String),
    /// The server refused the command, as for want of a permission or of memory.
    #[error("Redis refused a command: {0}")]
    Refused(String),
}
