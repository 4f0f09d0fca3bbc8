//! Events, answers and pushed data as far as they are kept and shown.

use bytes::Bytes;
use serde::{Serialize, Serializer};

use super::limits::{PAYLOAD_BYTES, PUSH_BYTES};

/// An event, kept whole while the memory limit allows it, so that it can be sent again. In JSON: its beginning as text.
#[derive(Debug, Default)]
pub(super) struct EventPayload {
    kept: Bytes,
    bytes: usize,
}

impl EventPayload {
    /// Shares the bytes; nothing is copied.
    pub(super) fn new(payload: &Bytes) -> Self {
        Self { kept: payload.clone(), bytes: payload.len() }
    }

    /// The whole payload, unless it was shortened.
    pub(super) fn whole(&self) -> Option<Bytes> {
        (self.kept.len() == self.bytes).then(|| self.kept.clone())
    }

    /// How many bytes are kept beyond what is shown.
    pub(super) fn surplus(&self) -> usize {
        self.kept.len().saturating_sub(PAYLOAD_BYTES)
    }

    /// Keeps only what is shown.
    pub(super) fn shorten(&mut self) {
        if self.surplus() > 0 {
            // A copy: a slice would hold on to the whole.
            self.kept = Bytes::copy_from_slice(&self.kept[..PAYLOAD_BYTES]);
        }
    }
}

impl Serialize for EventPayload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&shown_payload(&self.kept))
    }
}

/// An answer as far as it is shown.
pub(super) fn shown_payload(payload: &[u8]) -> String {
    cut(payload, PAYLOAD_BYTES)
}

/// Pushed data as far as it is shown.
pub(super) fn shown_push(data: &[u8]) -> String {
    cut(data, PUSH_BYTES)
}

/// The beginning of a text, never ending within a character.
pub(super) fn cut(text: &[u8], limit_bytes: usize) -> String {
    if text.len() <= limit_bytes {
        return String::from_utf8_lossy(text).into_owned();
    }
    let mut end = limit_bytes;
    while end > 0 && text[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    String::from_utf8_lossy(&text[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_never_falls_within_a_character() {
        assert_eq!(cut("aé".as_bytes(), 2), "a");
        assert_eq!(cut("aé".as_bytes(), 3), "aé");
        assert_eq!(cut(&[0xff; 4], 4), "\u{fffd}".repeat(4));
        assert_eq!(cut(&[0x80; 4], 2), "");
    }

    #[test]
    fn a_shortened_event_is_no_longer_whole() {
        let mut payload = EventPayload::new(&Bytes::from(vec![b'x'; PAYLOAD_BYTES + 1]));
        assert_eq!(payload.surplus(), 1);
        assert!(payload.whole().is_some());
        payload.shorten();
        assert_eq!((payload.surplus(), payload.whole()), (0, None));
    }
}
