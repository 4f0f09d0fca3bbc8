//! The time of day: the system's, or in tests one that is turned by hand.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Tells the time of day.
#[derive(Debug, Clone, Default)]
pub(crate) enum Clock {
    /// The system's.
    #[default]
    System,
    /// Stands still between two calls of [`Clock::advance`]. Clones are turned together.
    Manual(Arc<Mutex<SystemTime>>),
}

impl Clock {
    /// A clock that stands at the present time.
    pub(crate) fn manual() -> Self {
        Self::Manual(Arc::new(Mutex::new(SystemTime::now())))
    }

    pub(crate) fn now(&self) -> SystemTime {
        match self {
            Self::System => SystemTime::now(),
            Self::Manual(time) => *time.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Turns a clock that stands still; the system's clock is not changed.
    pub(crate) fn advance(&self, by: Duration) {
        if let Self::Manual(time) = self {
            *time.lock().unwrap_or_else(PoisonError::into_inner) += by;
        }
    }
}
