//! The body of an answer, in each of the framings of RFC 9112 section 6.

use std::io::{Error, Read};

use super::head::Framing;
use super::input::Input;
use super::malformed::malformed;

use crate::net::connection_closed;

const MAX_TRAILERS: usize = 16;

/// Why a body could not be read.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// It is longer than the limit.
    TooLong,
    /// It ended early, came too late, or is not framed as its head says.
    Incomplete(Error),
}

impl From<Error> for BodyError {
    fn from(e: Error) -> Self {
        Self::Incomplete(e)
    }
}

/// Reads a body from the connection into the buffer.
pub(super) struct Body<'b, R> {
    pub(super) from: &'b mut R,
    /// Holds what has arrived with the head.
    pub(super) input: &'b mut Input,
    /// Empty at first.
    pub(super) buffer: &'b mut Vec<u8>,
    pub(super) max_bytes: usize,
}

impl<R: Read> Body<'_, R> {
    /// Reads the body to its end.
    pub(super) fn read(&mut self, framing: Framing) -> Result<(), BodyError> {
        match framing {
            Framing::Length(length) => self.read_length(length),
            Framing::Chunked => self.read_chunks(),
            Framing::ToEnd => self.read_to_end(),
        }
    }

    fn read_length(&mut self, length: u64) -> Result<(), BodyError> {
        let length = self.within_limit(length)?;
        self.buffer.reserve_exact(length);
        Ok(self.read_exactly(length)?)
    }

    fn read_chunks(&mut self) -> Result<(), BodyError> {
        loop {
            let size = self.read_chunk_size()?;
            if size == 0 {
                return Ok(self.read_trailers()?);
            }
            let size = self.within_limit(size)?;
            self.read_exactly(size)?;
            while self.input.unread().len() < 2 {
                self.input.fill(self.from)?;
            }
            if self.input.take(2) != b"\r\n" {
                return Err(malformed("a chunk is longer than its size").into());
            }
        }
    }

    fn read_chunk_size(&mut self) -> Result<u64, Error> {
        loop {
            let unread = self.input.unread();
            // httparse reads a line without a digit as size 0, which would end the body.
            let has_digit = unread.first().is_none_or(u8::is_ascii_hexdigit);
            match httparse::parse_chunk_size(unread) {
                Ok(httparse::Status::Complete((bytes, size))) if has_digit => {
                    self.input.take(bytes);
                    return Ok(size);
                }
                Ok(httparse::Status::Partial) if has_digit => self.input.fill(self.from)?,
                _ => return Err(malformed("the size of a chunk is not a number")),
            }
        }
    }

    /// Discards the headers that may follow the last chunk. An empty line ends them.
    fn read_trailers(&mut self) -> Result<(), Error> {
        loop {
            let mut trailers = [httparse::EMPTY_HEADER; MAX_TRAILERS];
            match httparse::parse_headers(self.input.unread(), &mut trailers).map_err(malformed)? {
                httparse::Status::Complete((bytes, _)) => {
                    self.input.take(bytes);
                    return Ok(());
                }
                httparse::Status::Partial => self.input.fill(self.from)?,
            }
        }
    }

    fn read_to_end(&mut self) -> Result<(), BodyError> {
        self.buffer.extend_from_slice(self.input.take(self.max_bytes + 1));
        let one_more = (self.max_bytes + 1).saturating_sub(self.buffer.len()) as u64;
        self.from.take(one_more).read_to_end(self.buffer)?;
        if self.buffer.len() > self.max_bytes { Err(BodyError::TooLong) } else { Ok(()) }
    }

    /// Takes what has arrived from the input and the rest directly from the connection.
    fn read_exactly(&mut self, bytes: usize) -> Result<(), Error> {
        let arrived = self.input.take(bytes);
        self.buffer.extend_from_slice(arrived);
        let missing = bytes - arrived.len();
        if missing > 0 && self.from.take(missing as u64).read_to_end(self.buffer)? < missing {
            return Err(connection_closed());
        }
        Ok(())
    }

    fn within_limit(&self, bytes: u64) -> Result<usize, BodyError> {
        let left = self.max_bytes - self.buffer.len();
        usize::try_from(bytes).ok().filter(|bytes| *bytes <= left).ok_or(BodyError::TooLong)
    }
}
