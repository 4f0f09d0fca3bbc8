//! The name of a room.

/// The name of a room. It is safe as part of a path and of a Redis key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct RoomName(String);

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
