//! What a failure says, however much a function says.

use std::{fmt, ops::Deref};

/// As much is kept of a message.
const LIMIT_BYTES: usize = 4096;

/// A sentence about a failure. Of a longer one than 4 kB the beginning is kept, and its length: a function may quote the
/// whole event in its error, and the log, the timeline and the memory would hold a copy of each.
#[derive(Clone, PartialEq, Eq)]
pub struct FailureMessage(Box<str>);

impl FailureMessage {
    /// A message that should be UTF-8.
    pub(crate) fn of_bytes(message: &[u8]) -> Self {
        if message.len() <= LIMIT_BYTES {
            return Self(String::from_utf8_lossy(message).into());
        }
        // A character is not cut in the middle.
        let is_boundary = |end: &usize| message[*end] & 0xc0 != 0x80;
        let end = (LIMIT_BYTES - 3..=LIMIT_BYTES).rev().find(is_boundary).unwrap_or(LIMIT_BYTES);
        let beginning = String::from_utf8_lossy(&message[..end]);
        Self(format!("{beginning}… (the first {end} of {} bytes)", message.len()).into())
    }
}

impl<T: AsRef<str>> From<T> for FailureMessage {
    fn from(message: T) -> Self {
        Self::of_bytes(message.as_ref().as_bytes())
    }
}

impl Deref for FailureMessage {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FailureMessage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self)
    }
}

impl fmt::Debug for FailureMessage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_and_says_so() {
        assert_eq!(&*FailureMessage::from("it is away"), "it is away");
        let whole = "x".repeat(LIMIT_BYTES);
        assert_eq!(&*FailureMessage::from(&whole), whole);
        let cut = FailureMessage::from("x".repeat(5_000_000));
        assert_eq!(&*cut, format!("{whole}… (the first 4096 of 5000000 bytes)"));
    }

    #[test]
    fn neither_a_cut_nor_rubbish_harms() {
        let cut = FailureMessage::from("é".repeat(LIMIT_BYTES) + "x");
        assert!(cut.starts_with(&("é".repeat(LIMIT_BYTES / 2) + "…")), "{cut}");
        let cut = FailureMessage::from("x".to_owned() + &"é".repeat(LIMIT_BYTES));
        assert!(cut.starts_with("xé") && cut.contains("é… (the first 4095 of 8193 bytes)"), "{cut}");
        let rubbish = FailureMessage::of_bytes(&[0xbf; 2 * LIMIT_BYTES]);
        assert!(rubbish.ends_with("\u{fffd}… (the first 4096 of 8192 bytes)"), "{rubbish}");
    }
}
