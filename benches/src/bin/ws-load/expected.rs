//! The payload whose arrival counts as received.

use flate2::{Decompress, FlushDecompress};

use crate::frame::Frame;

/// What ends each compressed message and is not sent (RFC 7692, section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

#[derive(Default)]
pub struct Expected {
    payload: Vec<u8>,
    /// The payload as it was last compressed, so that what is the same is not inflated for each client.
    compressed: Vec<u8>,
}

impl From<&str> for Expected {
    fn from(payload: &str) -> Self {
        Self { payload: payload.into(), compressed: Vec::new() }
    }
}

impl Expected {
    /// Whether this frame brings it, compressed or not.
    pub fn is(&mut self, frame: &Frame<'_>) -> bool {
        if !frame.is_compressed {
            return frame.payload == self.payload;
        }
        if frame.payload == self.compressed {
            return true;
        }
        if self.payload != inflated(frame.payload, self.payload.len()) {
            return false;
        }
        self.compressed = frame.payload.to_vec();
        true
    }
}

/// The first bytes, one more than these.
fn inflated(compressed: &[u8], length: usize) -> Vec<u8> {
    let whole = [compressed, &TAIL].concat();
    let mut inflated = Vec::with_capacity(length + 1);
    // What is no deflate differs from whatever is expected.
    let _ = Decompress::new(false).decompress_vec(&whole, &mut inflated, FlushDecompress::Sync);
    inflated
}
