//! How many frames a client may send in a second.

use std::num::NonZeroU32;

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};

use super::Limit;

/// How many fragments a client may send for each frame that it may.
const FRAGMENTS_PER_FRAME: NonZeroU32 = NonZeroU32::MIN.saturating_add(99);

type Limiter<C> = RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// The frames of one connection. A few dozen bytes; see the test of its size.
#[derive(Debug)]
pub(crate) struct FrameRate<C: Clock = DefaultClock> {
    limiter: Limiter<C>,
    limit: NonZeroU32,
    /// Made for the first fragment: most clients send none.
    fragments: Option<Box<Limiter<C>>>,
}

impl FrameRate {
    /// For a new connection.
    #[must_use]
    pub fn new(limit: NonZeroU32) -> Self {
        Self::with_clock(limit, DefaultClock::default())
    }
}

impl<C: Clock + Clone> FrameRate<C> {
    fn with_clock(limit: NonZeroU32, clock: C) -> Self {
        let limiter = RateLimiter::direct_with_clock(Quota::per_second(limit), clock);
        Self { limiter, limit, fragments: None }
    }

    /// Counts a frame that has arrived. The error closes the connection.
    pub fn count(&self) -> Result<(), Limit> {
        self.limiter.check().map_err(|_| Limit::FramesPerSecond(self.limit))
    }

    /// Counts fragments that have arrived, but for the last one of each message, which counts as a frame. They have a
    /// budget of their own, a hundred times as large. The error closes the connection.
    pub fn count_fragments(&mut self, count: u16) -> Result<(), Limit> {
        let Some(count) = NonZeroU32::new(count.into()) else { return Ok(()) };
        let fragments = self.fragments.get_or_insert_with(|| {
            let quota = Quota::per_second(self.limit.saturating_mul(FRAGMENTS_PER_FRAME));
            Box::new(RateLimiter::direct_with_clock(quota, self.limiter.clock().clone()))
        });
        match fragments.check_n(count) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Limit::FramesPerSecond(self.limit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::*;

    const TEN: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);

    #[test]
    fn a_second_of_frames_may_come_at_once_and_then_one_at_a_time() {
        let clock = FakeRelativeClock::default();
        let rate = FrameRate::with_clock(TEN, clock.clone());
        for frame in 0..10 {
            assert_eq!(rate.count(), Ok(()), "frame {frame}");
        }
        assert_eq!(rate.count(), Err(Limit::FramesPerSecond(TEN)));
        clock.advance(Duration::from_millis(100));
        assert_eq!(rate.count(), Ok(()));
        assert_eq!(rate.count(), Err(Limit::FramesPerSecond(TEN)));
        clock.advance(Duration::from_hours(1));
        assert_eq!((0..20).filter(|_| rate.count().is_ok()).count(), 10);
    }

    #[test]
    fn fragments_take_nothing_from_the_frames() {
        let clock = FakeRelativeClock::default();
        let mut rate = FrameRate::with_clock(TEN, clock.clone());
        assert_eq!(rate.count_fragments(0), Ok(()));
        assert!(rate.fragments.is_none());
        assert!((0..20).all(|_| rate.count_fragments(50).is_ok()));
        assert_eq!(rate.count_fragments(1), Err(Limit::FramesPerSecond(TEN)));
        assert!((0..10).all(|_| rate.count().is_ok()));
        clock.advance(Duration::from_millis(100));
        assert_eq!(rate.count_fragments(100), Ok(()));
        assert_eq!(rate.count_fragments(1), Err(Limit::FramesPerSecond(TEN)));
    }

    #[test]
    fn the_highest_limit_is_none() {
        let mut rate = FrameRate::new(NonZeroU32::MAX);
        assert!((0..100_000).all(|_| rate.count().is_ok() && rate.count_fragments(64).is_ok()));
    }

    #[test]
    fn it_costs_a_connection_less_than_a_cache_line_and_a_half() {
        assert!(size_of::<FrameRate>() <= 96, "{} bytes", size_of::<FrameRate>());
    }
}
