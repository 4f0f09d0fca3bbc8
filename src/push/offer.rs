//! What the push address offers: single pushes, or batches.
//!
//! A gateway that takes batches says so in each of its answers (`"batch":1000`). Until the first answer nothing is known,
//! and an answer without an offer withdraws an earlier one, because the address may have been replaced.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The largest batch, whatever the address offers.
const MAX_BATCH: usize = 1000;

/// Nothing is known yet.
const UNKNOWN: usize = 0;

/// One connection a push.
const SINGLE: usize = 1;

/// The last offer of the push address, shared by all that push to it.
#[derive(Debug, Default)]
pub(super) struct Offer(AtomicUsize);

impl Offer {
    pub(super) fn is_unknown(&self) -> bool {
        self.0.load(Ordering::Relaxed) == UNKNOWN
    }

    /// How many connections a push may name; 1 as long as nothing else has been offered.
    pub(super) fn batch_size(&self) -> usize {
        self.0.load(Ordering::Relaxed).max(SINGLE)
    }

    /// Takes note of an answer with this status. A failing server in front of the gateway does not speak for it, so its
    /// answers leave the question open.
    pub(super) fn note(&self, status: u16, offered: Option<usize>) {
        let offer = match offered {
            Some(batch) => batch.clamp(SINGLE, MAX_BATCH),
            None if status >= 500 => UNKNOWN,
            None => SINGLE,
        };
        self.0.store(offer, Ordering::Relaxed);
    }

    /// The address does not answer; what comes back in its place may be another.
    pub(super) fn forget(&self) {
        self.0.store(UNKNOWN, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::Offer;

    #[test]
    fn each_answer_makes_or_withdraws_the_offer() {
        let offer = Offer::default();
        assert_eq!((offer.is_unknown(), offer.batch_size()), (true, 1));
        for (status, offered, unknown, size) in [
            (200, Some(1000), false, 1000),
            (404, Some(20), false, 20),
            (200, Some(1_000_000), false, 1000),
            (200, Some(0), false, 1),
            (200, Some(7), false, 7),
            (200, None, false, 1),
            (502, None, true, 1),
        ] {
            offer.note(status, offered);
            assert_eq!((offer.is_unknown(), offer.batch_size()), (unknown, size), "{status} {offered:?}");
        }
    }
}
