//! Compresses the payload of a message.

use std::cell::RefCell;

use bytes::Bytes;
use flate2::{Compress, Compression as Level, FlushCompress, Status};

use super::offer::{Deflate, SMALL_WINDOW_BITS};

/// The empty block that ends each message and is not sent.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

const FULL_WINDOW_BITS: u8 = 15;

thread_local! {
    /// This thread's compressors, by window: they are made when they are first used, and hold nothing in between.
    static COMPRESSORS: RefCell<[Option<(u32, Compress)>; 2]> = const { RefCell::new([None, None]) };
}

/// The payload compressed for clients of this kind; `None` if that saves nothing.
pub(crate) fn compress(payload: &[u8], level: u32, deflate: Deflate) -> Option<Bytes> {
    COMPRESSORS.with_borrow_mut(|compressors| {
        let is_full = deflate.has_full_window();
        let compressor = &mut compressors[usize::from(is_full)];
        if compressor.as_ref().is_none_or(|(made_for, _)| *made_for != level) {
            let window_bits = if is_full { FULL_WINDOW_BITS } else { SMALL_WINDOW_BITS };
            *compressor =
                Some((level, Compress::new_with_window_bits(Level::new(level), false, window_bits)));
        }
        let (_, compressor) = compressor.as_mut()?;
        compressor.reset();
        // What does not fit in here is no smaller than what it was made of.
        let mut compressed = Vec::with_capacity(payload.len());
        let status = compressor.compress_vec(payload, &mut compressed, FlushCompress::Sync);
        let is_whole = status.is_ok_and(|status| status == Status::Ok)
            && compressor.total_in() == payload.len() as u64
            && compressed.len() < compressed.capacity();
        if !is_whole || !compressed.ends_with(&TAIL) {
            return None;
        }
        compressed.truncate(compressed.len() - TAIL.len());
        compressed.shrink_to_fit();
        Some(compressed.into())
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{inflate, negotiate},
        *,
    };

    fn deflate(offer: &str) -> Deflate {
        negotiate(offer).expect("accepted")
    }

    #[test]
    fn what_is_compressed_is_inflated_to_the_same() {
        let text = r#"{"user":"ann","text":"hello"},"#.repeat(1000);
        for offer in ["permessage-deflate", "permessage-deflate; server_max_window_bits=9"] {
            for level in [1, 6, 9, 1] {
                let compressed = compress(text.as_bytes(), level, deflate(offer)).expect("smaller");
                assert!(compressed.len() < text.len() / 5, "{} bytes", compressed.len());
                let inflated = inflate(&compressed, text.len(), |_| true).expect("sound");
                assert_eq!(inflated, text.as_bytes());
            }
        }
    }

    #[test]
    fn what_does_not_shrink_stays_as_it_is() {
        let mut noise = vec![0; 10_000];
        getrandom::fill(&mut noise).expect("random bytes");
        assert_eq!(compress(&noise, 1, deflate("permessage-deflate")), None);
        assert_eq!(compress(b"", 1, deflate("permessage-deflate")), None);
        assert_eq!(compress(b"ab", 1, deflate("permessage-deflate")), None);
    }

    /// Whoever agreed on a window of 512 bytes keeps no more of a message.
    #[test]
    fn a_small_window_is_not_exceeded() {
        let mut noise = vec![0; 600];
        getrandom::fill(&mut noise).expect("random bytes");
        let twice = [&noise[..], &noise].concat();
        let small = deflate("permessage-deflate; server_max_window_bits=9");
        assert_eq!(compress(&twice, 9, small), None, "the repetition is out of reach");
        assert!(compress(&twice, 9, deflate("permessage-deflate")).is_some());
    }
}
