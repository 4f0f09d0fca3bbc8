//! Cleanups that this node owes its own clients, because their function was unavailable when they left.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use parking_lot::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{CONCURRENT, Cleaned, Cleaner, RETRY_DELAYS};
use crate::registry::cluster::{Cluster, records::Record};

/// An API of this node by its path, or all that it does not have.
type ApiPath = Option<Arc<str>>;

/// APIs whose function was unavailable: when it is called again, and the delay after that.
#[derive(Default)]
struct Unavailable(Mutex<HashMap<ApiPath, (Instant, Duration)>>);

/// Tries what is owed again and again, later each time as long as the function of its API is unavailable.
pub(super) async fn carry_out(cluster: Arc<Cluster>, cleaner: Arc<dyn Cleaner>, stop: CancellationToken) {
    let lease = cluster.lease();
    let unavailable = Unavailable::default();
    let mut looks = interval(RETRY_DELAYS.0);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = looks.tick() => {}
        }
        stream::iter(lease.take_owed())
            .for_each_concurrent(CONCURRENT, async |(connection, record)| {
                if !stop.is_cancelled() && unavailable.clean(&*cleaner, &connection, &record).await {
                    lease.finished(&connection);
                } else {
                    lease.owe(&connection);
                }
            })
            .await;
    }
}

impl Unavailable {
    /// Calls the cleanup function, unless it is to be called later. Whether it was carried out.
    async fn clean(&self, cleaner: &dyn Cleaner, connection: &str, record: &Record) -> bool {
        let api = cleaner.api_path(record);
        if self.0.lock().get(&api).is_some_and(|(at, _)| Instant::now() < *at) {
            return false;
        }
        let outcome = cleaner.clean(connection, record, None).await;
        let mut unavailable = self.0.lock();
        if let Cleaned::Done | Cleaned::Failed = outcome {
            unavailable.remove(&api);
            return true;
        }
        let now = Instant::now();
        let (at, delay) = unavailable.entry(api).or_insert((now, RETRY_DELAYS.0));
        // Otherwise another call has failed at the same time.
        if *at <= now {
            *at = now + *delay;
            *delay = longer(*delay);
        }
        false
    }
}

/// The delay after this one.
pub(super) fn longer(delay: Duration) -> Duration {
    (delay * 2).min(RETRY_DELAYS.1)
}
