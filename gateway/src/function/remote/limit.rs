//! How many calls of one backend run at once, and how many wait for their turn; more than those are refused at once.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::sync::{Semaphore, SemaphorePermit};

/// How many calls of one backend are carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitSettings {
    /// At once.
    pub running: usize,
    /// Waiting, in the order of their arrival.
    pub waiting: usize,
    /// When a refused caller may come again.
    pub retry_after: Duration,
}

impl Default for LimitSettings {
    /// 100 at once, 1,000 waiting, 1 s.
    fn default() -> Self {
        Self { running: 100, waiting: 1_000, retry_after: Duration::from_secs(1) }
    }
}

/// The calls of one backend.
#[derive(Debug)]
pub struct Limit {
    settings: LimitSettings,
    permits: Semaphore,
    waiting: AtomicUsize,
}

/// Why a call is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitError {
    /// As many as allowed are running and waiting.
    Full,
    /// The limit was closed.
    Closed,
}

/// Counts a waiting call until it has a permit or is given up.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Limit {
    /// A limit of at least one call.
    #[must_use]
    pub fn new(settings: LimitSettings) -> Self {
        let permits = Semaphore::new(settings.running.clamp(1, Semaphore::MAX_PERMITS));
        Self { settings, permits, waiting: AtomicUsize::new(0) }
    }

    /// Waits for a permit, which is free again when the permit is dropped. Dropping the future gives up waiting.
    pub async fn acquire(&self) -> Result<SemaphorePermit<'_>, LimitError> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Ok(permit);
        }
        if self.permits.is_closed() {
            return Err(LimitError::Closed);
        }
        let waiting = self.waiting.fetch_add(1, Ordering::AcqRel);
        let _waiting = Waiting(&self.waiting);
        if waiting >= self.settings.waiting {
            return Err(LimitError::Full);
        }
        self.permits.acquire().await.map_err(|_| LimitError::Closed)
    }

    /// Refuses every further call, and those that wait.
    pub fn close(&self) {
        self.permits.close();
    }

    /// When a refused caller may come again.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        self.settings.retry_after
    }

    /// The calls that hold a permit.
    #[must_use]
    pub fn running(&self) -> usize {
        self.settings.running.max(1).saturating_sub(self.permits.available_permits())
    }

    /// The calls that wait for one.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::{FutureExt as _, join};

    fn limit(running: usize, waiting: usize) -> Limit {
        Limit::new(LimitSettings { running, waiting, ..LimitSettings::default() })
    }

    #[tokio::test]
    async fn some_run_some_wait_the_rest_is_refused() {
        let limit = limit(1, 1);
        let first = limit.acquire().await.expect("a permit");
        let mut second = Box::pin(limit.acquire());
        assert!((&mut second).now_or_never().is_none(), "it waits");
        assert_eq!((limit.running(), limit.waiting()), (1, 1));
        assert_eq!(limit.acquire().await.err(), Some(LimitError::Full));
        assert_eq!(limit.waiting(), 1, "a refused call does not count");
        drop(first);
        let second = second.await.expect("its turn");
        assert_eq!((limit.running(), limit.waiting()), (1, 0));
        drop(second);
        assert_eq!(limit.running(), 0);
    }

    #[tokio::test]
    async fn a_call_that_was_given_up_makes_room() {
        let limit = limit(1, 1);
        let _first = limit.acquire().await.expect("a permit");
        let mut second = Box::pin(limit.acquire());
        assert!((&mut second).now_or_never().is_none());
        drop(second);
        let mut third = Box::pin(limit.acquire());
        assert!((&mut third).now_or_never().is_none(), "it may wait");
    }

    #[tokio::test]
    async fn closing_ends_the_waiting() {
        let limit = limit(1, 5);
        let first = limit.acquire().await.expect("a permit");
        let (second, ()) = join(limit.acquire(), async { limit.close() }).await;
        assert_eq!(second.err(), Some(LimitError::Closed));
        drop(first);
        assert_eq!(limit.acquire().await.err(), Some(LimitError::Closed));
    }
}
