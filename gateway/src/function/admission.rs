//! How many events of a function may run at once, and how many may wait for that.
//!
//! [`Admission::try_place`] or [`Admission::place`] → a [`Place`] in the queue → [`Admission::turn`] → a [`Turn`] for as
//! long as the event runs. Turns are granted in the order in which they were requested.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::function::Failure;

/// The limits of one function.
#[derive(Debug)]
pub(crate) struct Admission {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

/// The right to wait for a turn.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

/// The right to run.
#[derive(Debug)]
pub(crate) struct Turn {
    _permit: OwnedSemaphorePermit,
}

impl Admission {
    pub(crate) fn new(max_running: usize, max_waiting: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(max_running)), places: Arc::new(Semaphore::new(max_waiting)) }
    }

    /// A place if one is free.
    pub(crate) fn try_place(&self) -> Option<Place> {
        Arc::clone(&self.places).try_acquire_owned().ok().map(|permit| Place { _permit: permit })
    }

    /// Waits for a place.
    pub(crate) async fn place(&self) -> Result<Place, Failure> {
        let permit = Arc::clone(&self.places).acquire_owned().await;
        permit.map(|permit| Place { _permit: permit }).map_err(|_| Failure::Stopping)
    }

    /// Waits for a turn, then frees the place for the next event. Dropping the future gives up both. An event without a
    /// place does not count as waiting.
    pub(crate) async fn turn(&self, place: Option<Place>) -> Result<Turn, Failure> {
        let permit = Arc::clone(&self.turns).acquire_owned().await;
        drop(place);
        permit.map(|permit| Turn { _permit: permit }).map_err(|_| Failure::Stopping)
    }

    /// From now on no further event starts to run.
    pub(crate) fn stop(&self) {
        self.turns.close();
        self.places.close();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_place_is_free_again_as_soon_as_its_event_runs_or_gives_up() {
        let admission = Admission::new(1, 1);
        let running = admission.turn(admission.try_place()).await.expect("a turn");
        let waiting = admission.try_place();
        assert!(waiting.is_some(), "the first one runs and no longer waits");
        assert!(admission.try_place().is_none());
        assert!(admission.turn(waiting).now_or_never().is_none(), "one runs at once");
        let place = admission.try_place();
        assert!(place.is_some(), "the one that gave up waits no longer");
        drop(running);
        assert!(admission.turn(place).await.is_ok());
    }

    #[tokio::test]
    async fn nothing_starts_once_it_stops() {
        let admission = Admission::new(1, 1);
        admission.stop();
        assert_eq!(admission.turn(None).await.err(), Some(Failure::Stopping));
        assert_eq!(admission.place().await.err(), Some(Failure::Stopping));
    }
}
