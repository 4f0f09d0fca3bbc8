//! Entry points of the fuzz targets into private code; built only for them and for tests.

mod oracle;
#[cfg(test)]
mod properties;

use self::oracle::Expected;
use crate::connection::websocket::{
    deflate::{compress, inflate, negotiate},
    framing::{Breach, Decoder, Message, Violation},
};

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
    let part_bytes = usize::from(part_bytes).max(1);
    compressed(stream, part_bytes);
    let whole = decode(stream, stream.len().max(1), false);
    assert_eq!(decode(stream, part_bytes, false), whole, "the same wherever it is cut");
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
        Some(Violation::NotUtf8 | Violation::CloseNotUtf8) => expected.end == Expected::NotUtf8,
        Some(Violation::TooBig) => expected.end == Expected::TooBig,
        // It looks at the length before anything else.
        Some(Violation::Protocol(_)) => matches!(expected.end, Expected::Protocol | Expected::TooBig),
    };
    assert!(is_same, "{error:?} instead of {:?}", expected.end);
}

/// The stream of a client that may compress: the same wherever it is cut, no message inflates to more than its limit, and
/// what is compressed again is the same for clients with any window.
fn compressed(stream: &[u8], part_bytes: usize) {
    let whole = decode(stream, stream.len().max(1), true);
    assert_eq!(decode(stream, part_bytes, true), whole, "the same wherever it is cut");
    for message in whole.0 {
        let Message::Compressed { payload, .. } = message else { continue };
        let Ok(inflated) = inflate(&payload, LIMIT_BYTES, |bytes| bytes <= LIMIT_BYTES) else { continue };
        assert!(inflated.len() <= LIMIT_BYTES);
        for offer in ["permessage-deflate", "permessage-deflate; server_max_window_bits=9"] {
            let compressed = negotiate(offer).and_then(|agreed| compress(&inflated, 1, agreed));
            let Some(compressed) = compressed else { continue };
            assert_eq!(inflate(&compressed, LIMIT_BYTES, |_| true).as_ref(), Ok(&inflated));
        }
    }
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

fn decode(stream: &[u8], part_bytes: usize, may_compress: bool) -> Decoded {
    let mut decoder = Decoder::new(LIMIT_BYTES, may_compress);
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
