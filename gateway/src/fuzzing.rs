//! Entry points of the fuzz targets into private code; built only for them and for tests.

mod oracle;
#[cfg(test)]
mod properties;

use self::oracle::Expected;
use crate::connection::websocket::framing::{Breach, Decoder, Message, Violation};

/// A message may have this many bytes: enough for each form of a length.
const LIMIT_BYTES: usize = 70_000;

/// What a stream of frames comes to: its messages up to a close frame, and the error that it ends with, if any.
type Decoded = (Vec<Message<'static>>, Option<Violation>);

/// Decodes a client's stream of frames. The first byte says how long the parts are in which it arrives.
///
/// # Panics
///
/// If it means something else than to another implementation, or something else when it is cut.
pub fn frames(bytes: &[u8]) {
    let Some((&part_bytes, stream)) = bytes.split_first() else { return };
    let whole = decode(stream, stream.len().max(1));
    assert_eq!(decode(stream, usize::from(part_bytes).max(1)), whole, "the same wherever it is cut");
    let (messages, error) = &as_it_sees_codes(whole);
    let expected = oracle::decode(stream, LIMIT_BYTES, error.is_some());
    assert_eq!(expected.messages.get(..messages.len()), Some(&messages[..]), "the same messages");
    // The other implementation accepts both.
    if let Some(Violation::Protocol(Breach::LengthNotMinimal | Breach::LengthTopBit)) = error {
        return;
    }
    assert_eq!(expected.messages.len(), messages.len(), "no further message");
    let is_same = match error {
        None => expected.end == Expected::Nothing,
        Some(Violation::NotUtf8) => expected.end == Expected::NotUtf8,
        Some(Violation::TooBig) => expected.end == Expected::TooBig,
        // It looks at the length before anything else.
        Some(Violation::Protocol(_)) => matches!(expected.end, Expected::Protocol | Expected::TooBig),
    };
    assert!(is_same, "{error:?} instead of {:?}", expected.end);
}

/// The other implementation does not know 1014, which was registered later.
fn as_it_sees_codes((mut messages, error): Decoded) -> Decoded {
    if let Some(Message::Close(Some((code @ 1014, _)))) = messages.last() {
        let error = Violation::Protocol(Breach::CloseCode(*code));
        messages.pop();
        return (messages, Some(error));
    }
    (messages, error)
}

fn decode(stream: &[u8], part_bytes: usize) -> Decoded {
    let mut decoder = Decoder::new(LIMIT_BYTES);
    let mut messages = Vec::new();
    for part in stream.chunks(part_bytes) {
        let mut part = part.to_vec();
        let mut rest = &mut part[..];
        while !rest.is_empty() {
            let (count, message) = match decoder.decode(rest) {
                Ok((count, message)) => (count, message.map(Message::into_owned)),
                Err(violation) => return (messages, Some(violation)),
            };
            rest = &mut rest[count..];
            messages.extend(message);
            if let Some(Message::Close(_)) = messages.last() {
                return (messages, None);
            }
        }
    }
    (messages, None)
}
