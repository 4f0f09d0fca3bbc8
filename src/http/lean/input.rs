//! The read buffer of a connection. It holds the head of an answer and, mostly, the whole body.

use std::io::{Error, Read};

use super::malformed::malformed;
use crate::net::connection_closed;

/// The longest head of an answer, and the longest line of a chunked body.
const BYTES: usize = 16 * 1024;

pub(super) struct Input {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Input {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; BYTES].into(), start: 0, end: 0 }
    }

    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Takes up to this many of the unread bytes.
    pub(super) fn take(&mut self, bytes: usize) -> &[u8] {
        let from = self.start;
        self.start = from.saturating_add(bytes).min(self.end);
        &self.bytes[from..self.start]
    }

    /// Reads more. Fails if the peer has closed the connection or the buffer is full.
    pub(super) fn fill(&mut self, from: &mut impl Read) -> Result<(), Error> {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.bytes.len() {
            return Err(malformed(format_args!("it has a head or a line longer than {BYTES} bytes")));
        }
        match from.read(&mut self.bytes[self.end..])? {
            0 => Err(connection_closed()),
            read => {
                self.end += read;
                Ok(())
            }
        }
    }
}
