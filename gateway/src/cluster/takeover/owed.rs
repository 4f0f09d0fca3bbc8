//! Cleanups that this node owes its own clients, because their function was unavailable when they left.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Cleaned, Cleaner, RETRY_DELAYS};
use crate::cluster::Cluster;

/// Tries what is owed again, one after the other until the function is unavailable again, and then later.
pub(super) async fn carry_out(cluster: Arc<Cluster>, cleaner: Arc<dyn Cleaner>, stop: CancellationToken) {
    let lease = cluster.lease();
    let mut looks = interval(RETRY_DELAYS.0);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut delay, mut after) = (RETRY_DELAYS.0, Instant::now());
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = looks.tick() => {}
        }
        if Instant::now() < after {
            continue;
        }
        let mut owed = lease.take_owed().into_iter();
        for (connection, record) in owed.by_ref() {
            if !stop.is_cancelled()
                && let Cleaned::Done | Cleaned::Failed = cleaner.clean(&connection, &record, None).await
            {
                delay = RETRY_DELAYS.0;
                lease.finished(&connection);
                continue;
            }
            lease.owe(&connection);
            after = Instant::now() + delay;
            delay = longer(delay);
            break;
        }
        for (connection, _) in owed {
            lease.owe(&connection);
        }
    }
}

/// The delay after this one.
pub(super) fn longer(delay: Duration) -> Duration {
    (delay * 2).min(RETRY_DELAYS.1)
}
