//! RESP 2, the protocol of Redis: writes commands and reads replies.

use std::io::{BufRead, Error, ErrorKind, Read};
use std::str::FromStr;

/// A line holds a number, a status or an error message.
const MAX_LINE_BYTES: usize = 4096;

/// The longest string that is read.
const MAX_BULK_BYTES: usize = 16 * 1024 * 1024;

/// One reply of the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// A status: the command succeeded.
    Done,
    Number(i64),
    /// A string of bytes; `None` is Redis's nil.
    Bulk(Option<Vec<u8>>),
    /// A list of strings.
    List(Vec<Vec<u8>>),
    /// An error: a code in capitals, a space, a message.
    Refusal(String),
}

impl Reply {
    /// What kind of reply this is, for an error message.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Done => "a status",
            Self::Number(_) => "a number",
            Self::Bulk(_) => "a string",
            Self::List(_) => "a list",
            Self::Refusal(_) => "an error",
        }
    }
}

/// Appends one command, its name first.
pub(super) fn append_command<'a>(out: &mut Vec<u8>, parts: impl ExactSizeIterator<Item = &'a [u8]>) {
    append_length(out, b'*', parts.len());
    for part in parts {
        append_length(out, b'$', part.len());
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }
}

fn append_length(out: &mut Vec<u8>, kind: u8, length: usize) {
    out.push(kind);
    out.extend_from_slice(length.to_string().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Reads one reply. Bytes that are not RESP, and replies that no command of this crate expects, are an error of kind
/// `InvalidData`.
pub(super) fn read_reply(input: &mut impl BufRead) -> Result<Reply, Error> {
    let mut line = Vec::new();
    match read_line(input, &mut line)? {
        [b'+', ..] => Ok(Reply::Done),
        [b':', number @ ..] => parse(number).map(Reply::Number),
        [b'-', sentence @ ..] => Ok(Reply::Refusal(String::from_utf8_lossy(sentence).into_owned())),
        [b'$', length @ ..] => read_bulk(input, length).map(Reply::Bulk),
        [b'*', count @ ..] => read_list(input, parse(count)?).map(Reply::List),
        other => Err(not_resp(other)),
    }
}

#[cfg(fuzzing)]
pub(crate) fn read_all(mut bytes: &[u8]) {
    while read_reply(&mut bytes).is_ok() {}
}

fn read_list(input: &mut impl BufRead, count: u32) -> Result<Vec<Vec<u8>>, Error> {
    // Grows with what arrives, since the announced count may be false.
    let mut list = Vec::new();
    let mut line = Vec::new();
    for _ in 0..count {
        let line = read_line(input, &mut line)?;
        let length = line.strip_prefix(b"$").ok_or_else(|| not_resp(line))?;
        list.push(read_bulk(input, length)?.ok_or_else(|| not_resp(line))?);
    }
    Ok(list)
}

fn read_bulk(input: &mut impl BufRead, length: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    if length == b"-1" {
        return Ok(None);
    }
    let bytes: usize = parse(length)?;
    if bytes > MAX_BULK_BYTES {
        return Err(Error::new(ErrorKind::InvalidData, format!("a string of {bytes} bytes is not read")));
    }
    let mut bulk = Vec::with_capacity(bytes.min(MAX_LINE_BYTES));
    input.take(bytes as u64).read_to_end(&mut bulk)?;
    let mut end = [0; 2];
    input.read_exact(&mut end)?;
    if &end == b"\r\n" { Ok(Some(bulk)) } else { Err(not_resp(length)) }
}

/// The next line, without its end.
fn read_line<'l>(input: &mut impl BufRead, line: &'l mut Vec<u8>) -> Result<&'l [u8], Error> {
    line.clear();
    input.take(MAX_LINE_BYTES as u64).read_until(b'\n', line)?;
    if line.is_empty() {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    line.strip_suffix(b"\r\n").ok_or_else(|| not_resp(line))
}

fn parse<T: FromStr>(number: &[u8]) -> Result<T, Error> {
    std::str::from_utf8(number).ok().and_then(|number| number.parse().ok()).ok_or_else(|| not_resp(number))
}

fn not_resp(line: &[u8]) -> Error {
    let start: String = String::from_utf8_lossy(line).chars().take(80).collect();
    Error::new(ErrorKind::InvalidData, format!("{start:?} is not a reply of Redis"))
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use proptest::prelude::*;

    use super::{Reply, append_command, read_reply};

    fn read(mut bytes: &[u8]) -> Result<Reply, ErrorKind> {
        read_reply(&mut bytes).map_err(|e| e.kind())
    }

    #[test]
    fn a_command_is_an_array_of_its_parts() {
        let mut out = Vec::new();
        append_command(&mut out, [&b"ZADD"[..], b"", b"\r\n\xff"].into_iter());
        assert_eq!(out, b"*3\r\n$4\r\nZADD\r\n$0\r\n\r\n$3\r\n\r\n\xff\r\n");
    }

    #[test]
    fn each_kind_of_reply_is_read() {
        assert_eq!(read(b"+OK\r\n"), Ok(Reply::Done));
        assert_eq!(read(b":-12\r\n"), Ok(Reply::Number(-12)));
        assert_eq!(read(b"-ERR no\r\n"), Ok(Reply::Refusal("ERR no".into())));
        assert_eq!(read(b"$-1\r\n"), Ok(Reply::Bulk(None)));
        assert_eq!(read(b"$4\r\na\r\n\xff\r\n"), Ok(Reply::Bulk(Some(b"a\r\n\xff".to_vec()))));
        assert_eq!(read(b"*0\r\n"), Ok(Reply::List(vec![])));
        assert_eq!(read(b"*1\r\n$1\r\na\r\n"), Ok(Reply::List(vec![b"a".to_vec()])));
    }

    #[test]
    fn what_is_cut_or_foreign_is_an_error() {
        for cut in [&b""[..], b"*2\r\n$1\r\na\r\n", b"$4\r\nab", b"$1\r\na"] {
            assert_eq!(read(cut), Err(ErrorKind::UnexpectedEof), "{cut:?}");
        }
        for foreign in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"\r\n",
            b"+OK\n",
            b":\r\n",
            b":1.5\r\n",
            b"$x\r\n",
            b"$1\r\nabc",
            b"*1\r\n+a\r\n",
        ] {
            assert_eq!(read(foreign), Err(ErrorKind::InvalidData), "{foreign:?}");
        }
        assert_eq!(read(b"$99999999999\r\n"), Err(ErrorKind::InvalidData));
        assert_eq!(read(b"*4294967295\r\n"), Err(ErrorKind::UnexpectedEof));
    }

    proptest! {
        #[test]
        fn no_bytes_cause_a_panic(bytes in "[+\\-:$*0-9a\r\n]{0,60}") {
            let _ = read(bytes.as_bytes());
        }
    }
}
