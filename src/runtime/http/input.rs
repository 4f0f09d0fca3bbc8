//! What has been read from the connection and not yet been taken: a head and, of most answers, the whole body.

use std::io::{Error, Read};

use super::broken;
use crate::socket::closed;

/// No head of an answer, and no line of a chunked body, may be longer.
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

    /// Takes this much of it, or as much as there is.
    pub(super) fn take(&mut self, bytes: usize) -> &[u8] {
        let from = self.start;
        self.start = from.saturating_add(bytes).min(self.end);
        &self.bytes[from..self.start]
    }

    /// Waits for more. It is an error if the peer has ended, or if what is there leaves no room.
    pub(super) fn fill(&mut self, from: &mut impl Read) -> Result<(), Error> {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.bytes.len() {
            return Err(broken(format_args!("it has a head or a line longer than {BYTES} bytes")));
        }
        match from.read(&mut self.bytes[self.end..])? {
            0 => Err(closed()),
            read => {
                self.end += read;
                Ok(())
            }
        }
    }
}
