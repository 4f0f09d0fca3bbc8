//! The head of an answer: its status, how its body is framed, and the headers that the loop asks for.

use std::io::{Error, Read};
use std::ops::Range;

use super::broken;
use super::input::Input;

const MAX_HEADERS: usize = 64;

/// The headers whose values are asked for; names in any letter case.
#[derive(Debug, Clone, Copy)]
pub(in crate::runtime) enum Header {
    RequestId,
    TimeLimitInMs,
    MemoryLimitInMb,
}

impl Header {
    const ALL: [Self; 3] = [Self::RequestId, Self::TimeLimitInMs, Self::MemoryLimitInMb];

    pub(in crate::runtime) fn name(self) -> &'static str {
        match self {
            Self::RequestId => "request_id",
            Self::TimeLimitInMs => "time_limit_in_ms",
            Self::MemoryLimitInMb => "memory_limit_in_mb",
        }
    }
}

/// How the end of a body is known (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
    /// By the end of the connection.
    ToEnd,
}

#[derive(Debug)]
pub(super) struct Head {
    /// Its own length.
    pub(super) bytes: usize,
    pub(super) status: u16,
    pub(super) keeps_connection: bool,
    length: Option<u64>,
    /// Of a body that was encoded for its transfer: whether it ends in chunks.
    chunked: Option<bool>,
    values: [Option<Range<usize>>; Header::ALL.len()],
}

impl Head {
    /// Waits for the head of an answer, which stays in the input.
    pub(super) fn read(from: &mut impl Read, input: &mut Input) -> Result<Self, Error> {
        loop {
            match Self::parse(input.unread())? {
                None => input.fill(from)?,
                // An interim answer: the real one follows.
                Some(Self { status: 100..=199, bytes, .. }) => {
                    input.take(bytes);
                }
                Some(head) => return Ok(head),
            }
        }
    }

    /// Reads the head that the input begins with; `None`: it is not all there yet.
    fn parse(input: &[u8]) -> Result<Option<Self>, Error> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(bytes) = response.parse(input).map_err(broken)? else {
            return Ok(None);
        };
        let mut head = Self {
            bytes,
            status: response.code.unwrap_or_default(),
            keeps_connection: response.version == Some(1),
            length: None,
            chunked: None,
            values: Default::default(),
        };
        for header in &*response.headers {
            head.heed(header, input)?;
        }
        Ok(Some(head))
    }

    pub(super) fn framing(&self) -> Framing {
        match (self.status, self.chunked, self.length) {
            (204 | 304, ..) => Framing::Length(0),
            (_, Some(true), _) => Framing::Chunked,
            (_, None, Some(length)) => Framing::Length(length),
            (_, Some(false), _) | (_, None, None) => Framing::ToEnd,
        }
    }

    /// Where a header's value stands in the input that the head was read from.
    pub(super) fn value_at(&self, header: Header) -> Option<Range<usize>> {
        self.values[header as usize].clone()
    }

    fn heed(&mut self, header: &httparse::Header<'_>, input: &[u8]) -> Result<(), Error> {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            self.heed_length(header.value)?;
        } else if is("transfer-encoding") {
            let last = tokens(header.value).last().unwrap_or_default();
            self.chunked = Some(last.eq_ignore_ascii_case(b"chunked"));
        } else if is("connection") {
            self.keeps_connection &= !tokens(header.value).any(|token| token.eq_ignore_ascii_case(b"close"));
        } else if let Some(wanted) = Header::ALL.into_iter().find(|wanted| is(wanted.name())) {
            let start = header.value.as_ptr().addr() - input.as_ptr().addr();
            self.values[wanted as usize].get_or_insert(start..start + header.value.len());
        }
        Ok(())
    }

    fn heed_length(&mut self, value: &[u8]) -> Result<(), Error> {
        let digits = value.iter().all(u8::is_ascii_digit).then(|| std::str::from_utf8(value).ok()).flatten();
        let Some(length) = digits.and_then(|digits| digits.parse().ok()) else {
            return Err(broken(format_args!("content-length {:?}", String::from_utf8_lossy(value))));
        };
        if let Some(other) = self.length.replace(length).filter(|other| *other != length) {
            return Err(broken(format_args!("content-length {other} and {length}")));
        }
        Ok(())
    }
}

fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}
