//! A data frame, which clients that receive the same share.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use bytestring::ByteString;

/// A data frame of either direction. Clones share the payload, and its compressed forms once there are any.
#[derive(Debug, Clone)]
pub struct Frame(Arc<Content>);

#[derive(Debug)]
struct Content {
    payload: Payload,
    /// For clients with a small window, and for those with the full one; `None` where that saves nothing.
    compressed: [OnceLock<Option<Bytes>>; 2],
    /// Made for whoever wants to know what the payload was compressed to.
    size: OnceLock<CompressedSize>,
}

/// The bytes that a frame's payload was last compressed to; 0 as long as it was not. It outlives the frame.
#[derive(Debug, Clone, Default)]
pub(crate) struct CompressedSize(Arc<AtomicUsize>);

impl CompressedSize {
    fn set(&self, compressed: &Bytes) {
        self.0.store(compressed.len(), Ordering::Relaxed);
    }

    pub(crate) fn bytes(&self) -> Option<usize> {
        Some(self.0.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Payload {
    Text(ByteString),
    Binary(Bytes),
}

impl Frame {
    /// A text frame.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(Payload::Text(text.into().into()))
    }

    /// A text frame that shares these bytes; `None` if they are not UTF-8.
    pub(super) fn shared_text(bytes: Bytes) -> Option<Self> {
        Some(Self::new(Payload::Text(ByteString::try_from(bytes).ok()?)))
    }

    /// A binary frame; in JSON its bytes are in Base64.
    #[must_use]
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::new(Payload::Binary(bytes.into()))
    }

    fn new(payload: Payload) -> Self {
        Self(Arc::new(Content { payload, compressed: Default::default(), size: OnceLock::new() }))
    }

    /// The text; `None` of a binary frame.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.0.payload {
            Payload::Text(text) => Some(text),
            Payload::Binary(_) => None,
        }
    }

    /// The payload's bytes.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        match &self.0.payload {
            Payload::Text(text) => text.as_bytes(),
            Payload::Binary(bytes) => bytes,
        }
    }

    /// The number of bytes of its payload.
    #[must_use]
    pub fn len(&self) -> usize {
        self.payload().len()
    }

    /// Whether its payload is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The payload, which is still shared with the clones.
    pub(crate) fn into_payload(self) -> Bytes {
        match &self.0.payload {
            Payload::Text(text) => text.clone().into_bytes(),
            Payload::Binary(bytes) => bytes.clone(),
        }
    }

    /// The payload as it is compressed for a window, by the first of all clones that needs it. Others wait for it.
    pub(crate) fn compressed(
        &self,
        has_full_window: bool,
        compress: impl FnOnce(&[u8]) -> Option<Bytes>,
    ) -> Option<Bytes> {
        // What the bench compares with.
        if cfg!(compress_each) {
            return compress(self.payload());
        }
        let form = &self.0.compressed[usize::from(has_full_window)];
        let compressed = form.get_or_init(|| compress(self.payload())).clone();
        if let (Some(compressed), Some(size)) = (&compressed, self.0.size.get()) {
            size.set(compressed);
        }
        compressed
    }

    /// What the payload is compressed to, now or later.
    pub(crate) fn compressed_size(&self) -> CompressedSize {
        let size = self.0.size.get_or_init(CompressedSize::default);
        if let Some(compressed) = self.0.compressed.iter().find_map(|form| form.get()?.as_ref()) {
            size.set(compressed);
        }
        size.clone()
    }
}

impl PartialEq for Frame {
    fn eq(&self, other: &Self) -> bool {
        self.0.payload == other.0.payload
    }
}

impl Eq for Frame {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_compressed_once_for_each_window_and_tells_its_size_to_whoever_asks() {
        let frame = Frame::text("a long text");
        let before = frame.compressed_size();
        let mut calls = 0;
        for has_full_window in [true, false, true, true, false] {
            let compressed = frame.clone().compressed(has_full_window, |payload| {
                calls += 1;
                Some(Bytes::copy_from_slice(&payload[..3]))
            });
            assert_eq!(compressed.as_deref(), Some(&b"a l"[..]));
        }
        assert_eq!(calls, 2);
        assert_eq!((before.bytes(), frame.compressed_size().bytes()), (Some(3), Some(3)));
        let noise = Frame::text("x");
        assert_eq!(
            (noise.compressed(true, |_| None), noise.compressed(true, |_| panic!("again"))),
            (None, None)
        );
        assert_eq!(noise.compressed_size().bytes(), None);
    }
}
