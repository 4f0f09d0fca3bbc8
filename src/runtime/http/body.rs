//! The body of an answer, by each of the ways in which HTTP/1.1 tells its end.

use std::io::{Error, Read};

use super::BodyError;
use super::broken;
use super::head::Framing;
use super::input::{Input, closed};

const MAX_TRAILERS: usize = 16;

/// Reads a body to its end and appends it to the buffer.
pub(super) fn read(
    framing: Framing,
    from: &mut impl Read,
    input: &mut Input,
    buffer: &mut Vec<u8>,
    max_bytes: usize,
) -> Result<(), BodyError> {
    match framing {
        Framing::Length(length) => read_length(from, input, buffer, length, max_bytes),
        Framing::Chunked => read_chunks(from, input, buffer, max_bytes),
        Framing::ToEnd => read_to_end(from, input, buffer, max_bytes),
    }
}

fn read_length(
    from: &mut impl Read,
    input: &mut Input,
    buffer: &mut Vec<u8>,
    length: u64,
    max_bytes: usize,
) -> Result<(), BodyError> {
    let length = within(length, max_bytes)?;
    buffer.reserve_exact(length);
    Ok(read_exactly(from, input, buffer, length)?)
}

fn read_chunks(
    from: &mut impl Read,
    input: &mut Input,
    buffer: &mut Vec<u8>,
    max_bytes: usize,
) -> Result<(), BodyError> {
    loop {
        let size = read_chunk_size(from, input)?;
        if size == 0 {
            return Ok(read_trailers(from, input)?);
        }
        let size = within(size, max_bytes - buffer.len())?;
        read_exactly(from, input, buffer, size)?;
        while input.unread().len() < 2 {
            input.fill(from)?;
        }
        if input.take(2) != b"\r\n" {
            return Err(broken("a chunk is longer than its size").into());
        }
    }
}

fn read_chunk_size(from: &mut impl Read, input: &mut Input) -> Result<u64, Error> {
    loop {
        match httparse::parse_chunk_size(input.unread()) {
            Ok(httparse::Status::Complete((bytes, size))) => {
                input.take(bytes);
                return Ok(size);
            }
            Ok(httparse::Status::Partial) => input.fill(from)?,
            Err(_) => return Err(broken("the size of a chunk is no number")),
        }
    }
}

/// Headers may follow the last chunk; nobody asks for them. An empty line ends them.
fn read_trailers(from: &mut impl Read, input: &mut Input) -> Result<(), Error> {
    loop {
        let mut trailers = [httparse::EMPTY_HEADER; MAX_TRAILERS];
        match httparse::parse_headers(input.unread(), &mut trailers).map_err(broken)? {
            httparse::Status::Complete((bytes, _)) => {
                input.take(bytes);
                return Ok(());
            }
            httparse::Status::Partial => input.fill(from)?,
        }
    }
}

fn read_to_end(
    from: &mut impl Read,
    input: &mut Input,
    buffer: &mut Vec<u8>,
    max_bytes: usize,
) -> Result<(), BodyError> {
    buffer.extend_from_slice(input.take(usize::MAX));
    let one_more = (max_bytes + 1).saturating_sub(buffer.len()) as u64;
    from.take(one_more).read_to_end(buffer)?;
    if buffer.len() > max_bytes { Err(BodyError::TooLong) } else { Ok(()) }
}

/// What has arrived is in the input; the rest comes straight from the from.
fn read_exactly(
    from: &mut impl Read,
    input: &mut Input,
    buffer: &mut Vec<u8>,
    bytes: usize,
) -> Result<(), Error> {
    let arrived = input.take(bytes);
    buffer.extend_from_slice(arrived);
    let missing = bytes - arrived.len();
    if missing > 0 && from.take(missing as u64).read_to_end(buffer)? < missing {
        return Err(closed());
    }
    Ok(())
}

fn within(bytes: u64, max_bytes: usize) -> Result<usize, BodyError> {
    usize::try_from(bytes).ok().filter(|bytes| *bytes <= max_bytes).ok_or(BodyError::TooLong)
}
