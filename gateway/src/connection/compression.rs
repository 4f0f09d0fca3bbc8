//! How frames are compressed for the clients that offer it (permessage-deflate); see docs/compression.md.

/// The settings, by the names of the file's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compression {
    /// The payload that a frame to a client has at least, to be compressed.
    pub min_bytes: usize,
    /// From 1, the fastest, to 9, the smallest.
    pub level: u32,
}

impl Default for Compression {
    fn default() -> Self {
        Self { min_bytes: 512, level: 3 }
    }
}
