//! How many events of a function may run at once, and how many may wait for that.
//!
//! [`CallLimit::try_slot`] or [`CallLimit::slot`] → a [`QueueSlot`] → [`CallLimit::permit`] → a [`RunPermit`] for as long as
//! the event runs. Permits are granted in the order in which they were requested.

use std::{
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout_at,
};

use crate::function::Failure;

/// When a client may come again whose event has waited too long.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The limits of one function.
#[derive(Debug)]
pub(crate) struct CallLimit {
    permits: Arc<Semaphore>,
    slots: Arc<Semaphore>,
}

/// The right to wait for a permit.
#[derive(Debug)]
pub(crate) struct QueueSlot {
    _permit: OwnedSemaphorePermit,
}

/// The right to run.
#[derive(Debug)]
pub(crate) struct RunPermit {
    _permit: OwnedSemaphorePermit,
    /// When the answer comes too late.
    pub(crate) deadline: Option<Instant>,
}

impl CallLimit {
    pub(crate) fn new(max_running: NonZeroU32, max_waiting: NonZeroU32) -> Self {
        let semaphore = |number: NonZeroU32| Arc::new(Semaphore::new(number.get() as usize));
        Self { permits: semaphore(max_running), slots: semaphore(max_waiting) }
    }

    /// A slot if one is free.
    pub(crate) fn try_slot(&self) -> Option<QueueSlot> {
        Arc::clone(&self.slots).try_acquire_owned().ok().map(|permit| QueueSlot { _permit: permit })
    }

    /// Waits for a slot.
    pub(crate) async fn slot(&self) -> Result<QueueSlot, Failure> {
        let permit = Arc::clone(&self.slots).acquire_owned().await;
        permit.map(|permit| QueueSlot { _permit: permit }).map_err(|_| Failure::Stopping)
    }

    /// Waits for a permit, at most until the deadline, then frees the slot for the next event. Dropping the future gives up
    /// both. An event without a slot does not count as waiting.
    pub(crate) async fn permit(
        &self,
        slot: Option<QueueSlot>,
        deadline: Option<Instant>,
    ) -> Result<RunPermit, Failure> {
        let permit = Arc::clone(&self.permits).acquire_owned();
        let permit = match deadline {
            Some(deadline) => timeout_at(deadline.into(), permit)
                .await
                .map_err(|_| Failure::Overloaded { retry_after: RETRY_AFTER })?,
            None => permit.await,
        };
        drop(slot);
        permit.map(|permit| RunPermit { _permit: permit, deadline }).map_err(|_| Failure::Stopping)
    }

    /// From now on no further event starts to run.
    pub(crate) fn stop(&self) {
        self.permits.close();
        self.slots.close();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_slot_is_free_again_as_soon_as_its_event_runs_or_gives_up() {
        let limit = CallLimit::new(NonZeroU32::MIN, NonZeroU32::MIN);
        let running = limit.permit(limit.try_slot(), None).await.expect("a permit");
        let waiting = limit.try_slot();
        assert!(waiting.is_some(), "the first one runs and no longer waits");
        assert!(limit.try_slot().is_none());
        assert!(limit.permit(waiting, None).now_or_never().is_none(), "one runs at once");
        let slot = limit.try_slot();
        assert!(slot.is_some(), "the one that gave up waits no longer");
        drop(running);
        assert!(limit.permit(slot, None).await.is_ok());
    }

    #[tokio::test]
    async fn nothing_starts_once_it_stops() {
        let limit = CallLimit::new(NonZeroU32::MIN, NonZeroU32::MIN);
        limit.stop();
        assert_eq!(limit.permit(None, None).await.err(), Some(Failure::Stopping));
        assert_eq!(limit.slot().await.err(), Some(Failure::Stopping));
    }
}
