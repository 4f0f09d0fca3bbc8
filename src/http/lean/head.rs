//! The head of an answer: its status, how its body is framed, and the headers that SCF sends.

use std::io::{Error, Read};
use std::mem::MaybeUninit;
use std::ops::Range;

use httparse::{ParserConfig, Status};

use super::input::Input;
use super::malformed::malformed;

const MAX_HEADERS: usize = 128;

/// The headers whose values are kept; names match in any letter case.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Header {
    RequestId,
    TimeLimitInMs,
    MemoryLimitInMb,
}

impl Header {
    pub(super) const ALL: [Self; 3] = [Self::RequestId, Self::TimeLimitInMs, Self::MemoryLimitInMb];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RequestId => "request_id",
            Self::TimeLimitInMs => "time_limit_in_ms",
            Self::MemoryLimitInMb => "memory_limit_in_mb",
        }
    }
}

/// How the end of a body is found (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
    /// The body ends with the connection.
    ToEnd,
}

#[derive(Debug)]
pub(super) struct Head {
    /// The length of the head itself.
    pub(super) bytes: usize,
    pub(super) status: u16,
    is_kept_alive: bool,
    length: Option<u64>,
    chunked: bool,
    values: [Option<Range<usize>>; Header::ALL.len()],
}

impl Head {
    /// Reads the head of an answer and leaves it in the input.
    pub(super) fn read(from: &mut impl Read, input: &mut Input) -> Result<Self, Error> {
        loop {
            match Self::parse(input.unread())? {
                None => input.fill(from)?,
                // An interim answer; the final one follows.
                Some(Self { status: 100..=199, bytes, .. }) => {
                    input.take(bytes);
                }
                Some(head) => return Ok(head),
            }
        }
    }

    /// Parses the head at the start of the input; `None` if it is incomplete.
    fn parse(input: &[u8]) -> Result<Option<Self>, Error> {
        let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut []);
        let parsed =
            ParserConfig::default().parse_response_with_uninit_headers(&mut response, input, &mut headers);
        let Status::Complete(bytes) = parsed.map_err(malformed)? else { return Ok(None) };
        let mut head = Self {
            bytes,
            status: response.code.unwrap_or_default(),
            is_kept_alive: response.version == Some(1),
            length: None,
            chunked: false,
            values: Default::default(),
        };
        for header in &*response.headers {
            head.note(header, input)?;
        }
        Ok(Some(head))
    }

    pub(super) fn framing(&self) -> Framing {
        match (self.status, self.chunked, self.length) {
            (204 | 304, ..) => Framing::Length(0),
            (_, true, _) => Framing::Chunked,
            (_, false, Some(length)) => Framing::Length(length),
            (_, false, None) => Framing::ToEnd,
        }
    }

    /// Whether another call may follow on the connection once the body is read.
    pub(super) fn keeps_connection(&self) -> bool {
        // With both announced, an intermediary may have framed the body by the length.
        let is_unambiguous = !(self.chunked && self.length.is_some());
        self.is_kept_alive && is_unambiguous && !matches!(self.framing(), Framing::ToEnd)
    }

    /// The position of a header's value in the input that the head was read from.
    pub(super) fn value_at(&self, header: Header) -> Option<Range<usize>> {
        self.values[header as usize].clone()
    }

    fn note(&mut self, header: &httparse::Header<'_>, input: &[u8]) -> Result<(), Error> {
        let is = |name: &str| is_same_name(header.name, name);
        if is("content-length") {
            self.note_length(header.value)?;
        } else if is("transfer-encoding") {
            // The request allows no other coding.
            if !header.value.eq_ignore_ascii_case(b"chunked") {
                let coding = String::from_utf8_lossy(header.value);
                return Err(malformed(format_args!("transfer-encoding {coding:?}")));
            }
            self.chunked = true;
        } else if is("connection") {
            self.is_kept_alive &= !has_token(header.value, b"close");
        } else if let Some(known) = Header::ALL.into_iter().find(|known| is(known.name())) {
            let start = header.value.as_ptr().addr() - input.as_ptr().addr();
            self.values[known as usize].get_or_insert(start..start + header.value.len());
        }
        Ok(())
    }

    fn note_length(&mut self, value: &[u8]) -> Result<(), Error> {
        let Some(length) = decimal(value) else {
            return Err(malformed(format_args!("content-length {:?}", String::from_utf8_lossy(value))));
        };
        if let Some(other) = self.length.replace(length).filter(|other| *other != length) {
            return Err(malformed(format_args!("content-length {other} and {length}")));
        }
        Ok(())
    }
}

/// Compares names in any letter case. In a name, bytes that differ in this bit alone are a letter in both cases, or `^` and
/// `~`, which no known name contains.
fn is_same_name(name: &str, known: &str) -> bool {
    name.len() == known.len() && name.bytes().zip(known.bytes()).all(|(a, b)| (a ^ b) & !0x20 == 0)
}

/// Digits alone, as the grammar requires: `str::parse` would accept a sign.
fn decimal(value: &[u8]) -> Option<u64> {
    let digit = |byte: u8| char::from(byte).to_digit(10).map(u64::from);
    let (first, rest) = value.split_first()?;
    rest.iter().try_fold(digit(*first)?, |number, byte| number.checked_mul(10)?.checked_add(digit(*byte)?))
}

fn has_token(value: &[u8], wanted: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|token| token.trim_ascii().eq_ignore_ascii_case(wanted))
}
