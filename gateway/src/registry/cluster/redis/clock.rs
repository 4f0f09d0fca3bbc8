//! The server's clock as this process knows it: the only one that all nodes share.
//!
//! Each answer to `TIME` says that the server's clock showed that time at some moment between the question and the
//! answer. Of several answers the bounds together are narrower than those of any one.

use std::{
    collections::VecDeque,
    sync::LazyLock,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// How many answers are remembered: those of some seconds, in which no clock drifts far.
const ANSWERS: usize = 16;

/// What the instants of this process are counted from.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct RedisClock(Mutex<VecDeque<Offset>>);

/// How far the server's clock is ahead of this process's, in microseconds: at least and at most.
#[derive(Debug, Clone, Copy)]
struct Offset {
    least: i64,
    most: i64,
}

/// A time by the server's clock, in microseconds since 1970.
pub(crate) type RedisTime = u64;

impl RedisClock {
    /// Seconds and microseconds, in answer to a question that was sent at the one moment and answered at the other.
    pub(super) fn note(&self, (seconds, microseconds): (u64, u64), (sent, answered): (Instant, Instant)) {
        let time = signed(u128::from(seconds) * 1_000_000 + u128::from(microseconds));
        let offset = Offset { least: time - since_start(answered), most: time - since_start(sent) };
        let mut offsets = self.0.lock();
        if offsets.len() == ANSWERS {
            offsets.pop_front();
        }
        offsets.push_back(offset);
        if bounds(&offsets).is_none() {
            // The server's clock was set.
            offsets.clear();
            offsets.push_back(offset);
        }
    }

    /// Another server may follow.
    pub(super) fn forget(&self) {
        self.0.lock().clear();
    }

    /// The time after this one by this much, at the earliest; `None` as long as the server has not answered.
    pub(crate) fn deadline(&self, after: Duration) -> Option<RedisTime> {
        let Offset { least, .. } = bounds(&self.0.lock())?;
        u64::try_from(least + since_start(Instant::now()) + signed(after.as_micros())).ok()
    }

    /// Whether this time has passed, or may have.
    pub(crate) fn may_have_passed(&self, deadline: RedisTime) -> bool {
        let Some(Offset { most, .. }) = bounds(&self.0.lock()) else { return true };
        u64::try_from(most + since_start(Instant::now())).map_or(true, |now| now >= deadline)
    }
}

/// What all of them agree on, if they do.
fn bounds(offsets: &VecDeque<Offset>) -> Option<Offset> {
    let least = offsets.iter().map(|offset| offset.least).max()?;
    let most = offsets.iter().map(|offset| offset.most).min()?;
    (least <= most).then_some(Offset { least, most })
}

/// Negative before the start, as the first question is sent before anything was counted from it.
fn since_start(instant: Instant) -> i64 {
    let before = START.saturating_duration_since(instant);
    signed(instant.saturating_duration_since(*START).as_micros()) - signed(before.as_micros())
}

fn signed(microseconds: u128) -> i64 {
    i64::try_from(microseconds).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_deadline_that_was_set_is_over_once_its_time_may_have_passed() {
        let clock = RedisClock::default();
        assert_eq!(clock.deadline(SECOND), None);
        assert!(clock.may_have_passed(u64::MAX), "nothing is known of the clock");
        let now = Instant::now();
        clock.note((1000, 0), (now, now));
        let deadline = clock.deadline(SECOND).expect("known");
        assert!(!clock.may_have_passed(deadline) && clock.may_have_passed(1_000_000_000 - 1));
        clock.forget();
        assert_eq!(clock.deadline(SECOND), None);
    }

    #[test]
    fn a_question_from_before_the_start_is_not_taken_for_a_later_one() {
        let clock = RedisClock::default();
        let earlier = START.checked_sub(SECOND).expect("the machine runs for longer");
        clock.note((1000, 0), (earlier, *START));
        assert_eq!(bounds(&clock.0.lock()).map(|offset| offset.most - offset.least), Some(1_000_000));
    }

    #[test]
    fn an_answer_that_took_long_neither_widens_the_bounds_nor_passes_for_exact() {
        let clock = RedisClock::default();
        let now = Instant::now() + SECOND;
        clock.note((1000, 0), (now, now + SECOND));
        let bounds = || bounds(&clock.0.lock()).map(|offset| offset.most - offset.least);
        assert_eq!(bounds(), Some(1_000_000));
        clock.note((1001, 0), (now + SECOND, now + SECOND + SECOND / 10));
        assert_eq!(bounds(), Some(100_000));
        clock.note((1002, 0), (now + SECOND, now + 3 * SECOND));
        assert_eq!(bounds(), Some(100_000));
    }

    #[test]
    fn a_clock_that_was_set_is_read_anew() {
        let clock = RedisClock::default();
        let now = Instant::now();
        clock.note((1000, 0), (now, now));
        clock.note((5000, 0), (now, now));
        assert!(clock.may_have_passed(4_000_000_000));
    }
}
