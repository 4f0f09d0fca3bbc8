//! Inflates the payload of a message.

use std::cell::RefCell;

use flate2::{Decompress, FlushDecompress, Status};

/// The empty block that the sender has left out, and a final one: only a message that is whole ends with both.
const END: [u8; 9] = [0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff];

/// How much is inflated before it is counted. The first step is smaller, since most messages are.
const STEP_BYTES: usize = 64 * 1024;
const FIRST_STEP_BYTES: usize = 4 * 1024;

thread_local! {
    /// This thread's inflater: it holds nothing between two messages.
    static INFLATER: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

/// Why a message cannot be inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InflateError {
    /// It is not what the extension defines.
    NotDeflate,
    /// It has more bytes than allowed.
    TooBig,
    /// It may not grow any further.
    Stopped,
}

/// The message whose frames together have this payload. `may_grow` is asked with the bytes that it has so far, and no
/// more than `limit_bytes` are inflated, however many it would have.
pub(crate) fn inflate(
    payload: &[u8],
    limit_bytes: usize,
    mut may_grow: impl FnMut(usize) -> bool,
) -> Result<Vec<u8>, InflateError> {
    INFLATER.with_borrow_mut(|inflater| {
        inflater.reset(false);
        let mut inflated = Vec::with_capacity(FIRST_STEP_BYTES.min(limit_bytes.saturating_add(1)));
        let mut is_ended = false;
        for mut input in [payload, &END] {
            while !input.is_empty() {
                if inflated.len() == inflated.capacity() {
                    // One byte beyond the limit shows that it is exceeded.
                    let room = limit_bytes.saturating_add(1) - inflated.len();
                    inflated.reserve_exact(STEP_BYTES.max(inflated.len()).min(room));
                }
                let before = (inflater.total_in(), inflated.len());
                let status = inflater
                    .decompress_vec(input, &mut inflated, FlushDecompress::None)
                    .map_err(|_| InflateError::NotDeflate)?;
                let taken = usize::try_from(inflater.total_in() - before.0).unwrap_or(usize::MAX);
                input = input.get(taken..).unwrap_or_default();
                if inflated.len() > limit_bytes {
                    return Err(InflateError::TooBig);
                }
                if inflated.len() > before.1 && !may_grow(inflated.len()) {
                    return Err(InflateError::Stopped);
                }
                is_ended = status == Status::StreamEnd && input.is_empty();
                if status == Status::StreamEnd {
                    // A sender may have final blocks too; what follows one is a stream of its own.
                    inflater.reset(false);
                } else if taken == 0 && inflated.len() == before.1 {
                    return Err(InflateError::NotDeflate);
                }
            }
        }
        if is_ended { Ok(inflated) } else { Err(InflateError::NotDeflate) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inflated(payload: &[u8]) -> Result<Vec<u8>, InflateError> {
        inflate(payload, 1 << 20, |_| true)
    }

    /// RFC 7692, section 7.2.3.
    #[test]
    fn the_examples_of_the_rfc() {
        let examples: [&[u8]; 5] = [
            b"\xf2\x48\xcd\xc9\xc9\x07\x00",
            // Within the window of the message before it: without context takeover it is not allowed, and not understood.
            b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
            // A final block.
            b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
            // Two blocks.
            b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
            // And another implementation's.
            b"\xf2\x48\xcd\xc9\xc9\x07\x00",
        ];
        for example in examples {
            assert_eq!(inflated(example).as_deref(), Ok(&b"Hello"[..]), "{example:x?}");
        }
        assert_eq!(
            inflated(b"\xf2\x00\x11\x00\x00"),
            Err(InflateError::NotDeflate),
            "the window of another message"
        );
        assert_eq!(inflated(b"\x02\x00").as_deref(), Ok(&b""[..]));
        assert_eq!(inflated(b"\x00").as_deref(), Ok(&b""[..]));
    }

    #[test]
    fn what_is_not_compressed_is_refused() {
        for wrong in [&b"\xff\xff\xff\xff"[..], b"Hello", b"\xf2\x48\xcd\xc9\xc9"] {
            assert_eq!(inflated(wrong), Err(InflateError::NotDeflate), "{wrong:x?}");
        }
    }

    #[test]
    fn a_bomb_costs_its_limit_and_no_more() {
        let bomb = super::super::compress(
            &vec![0; 10 << 20],
            9,
            super::super::negotiate("permessage-deflate").expect("accepted"),
        );
        let bomb = bomb.expect("smaller");
        assert!(bomb.len() < 11_000, "{} bytes", bomb.len());
        let mut most = 0;
        let inflated = inflate(&bomb, 1 << 20, |bytes| {
            most = most.max(bytes);
            true
        });
        assert_eq!(inflated, Err(InflateError::TooBig));
        assert!(most <= 1 << 20, "{most} bytes");
        assert_eq!(inflate(&bomb, usize::MAX, |bytes| bytes < 100_000), Err(InflateError::Stopped));
        assert_eq!(inflate(&bomb, 10 << 20, |_| true).map(|bytes| bytes.len()), Ok(10 << 20));
    }
}
