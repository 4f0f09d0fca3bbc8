//! How many frames a client may send in a second.

use std::num::NonZeroU32;

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};

use super::Limit;

/// The frames of one connection. A few dozen bytes; see the test of its size.
#[derive(Debug)]
pub struct FrameRate<C: Clock = DefaultClock> {
    limiter: RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<C::Instant>>,
    limit: NonZeroU32,
}

impl FrameRate {
    /// For a new connection.
    #[must_use]
    pub fn new(limit: NonZeroU32) -> Self {
        Self::with_clock(limit, DefaultClock::default())
    }
}

impl<C: Clock> FrameRate<C> {
    fn with_clock(limit: NonZeroU32, clock: C) -> Self {
        Self { limiter: RateLimiter::direct_with_clock(Quota::per_second(limit), clock), limit }
    }

    /// Counts a frame that has arrived. The error closes the connection.
    pub fn count(&self) -> Result<(), Limit> {
        self.limiter.check().map_err(|_| Limit::FramesPerSecond(self.limit))
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
    fn the_highest_limit_is_none() {
        let rate = FrameRate::new(NonZeroU32::MAX);
        assert!((0..100_000).all(|_| rate.count().is_ok()));
    }

    #[test]
    fn it_costs_a_connection_less_than_a_cache_line_and_a_half() {
        assert!(size_of::<FrameRate>() <= 96, "{} bytes", size_of::<FrameRate>());
    }
}
