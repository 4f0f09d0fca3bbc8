//! The times of leases, all of them parts of the lease's own.

use std::time::Duration;

/// How long a lost node is remembered, and how long records are kept for which no node has the API.
const REMEMBERED: Duration = Duration::from_hours(24);

/// See the fields.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LeaseTimes {
    /// How long a node may be silent before it is declared lost, and how long a claim lasts without renewal.
    pub(crate) lease: Duration,
    /// Between two renewals of a lease or claim.
    pub(crate) renewal: Duration,
    /// Between two looks at the other nodes.
    pub(crate) look: Duration,
    /// Between two attempts while Redis is away.
    pub(crate) retry: Duration,
    /// With no node heard of for so long, Redis was interrupted.
    pub(crate) pulse: Duration,
    /// How long a lost node is remembered.
    pub(crate) remembered: Duration,
}

impl LeaseTimes {
    pub(crate) fn of_lease(lease: Duration) -> Self {
        Self {
            lease,
            renewal: lease / 3,
            look: lease / 4,
            retry: (lease / 20).clamp(Duration::from_millis(20), Duration::from_secs(1)),
            pulse: lease * 2 / 3,
            remembered: REMEMBERED,
        }
    }
}
