//! The take-over of one lost node, from the claim to its end.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use log::{error, info, warn};
use parking_lot::Mutex;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{CONCURRENT, Cleaned, Cleaner, NODE_LOST, Unsettled};
use crate::{
    observe::metrics::{ClusterMetrics, labels::TakeOverOutcome},
    registry::cluster::{lease::store::Store, node::NodeId, records::Record, redis::RedisError},
};

/// How long records are kept for which no node has the API, or whose function is unavailable.
const KEPT: Duration = Duration::from_hours(24);
/// How many cleanups may be remembered that could not be settled.
const MAX_UNSETTLED: usize = 100_000;

pub(super) struct OneTakeOver {
    pub(super) store: Store,
    pub(super) cleaner: Arc<dyn Cleaner>,
    pub(super) metrics: Arc<ClusterMetrics>,
    pub(super) stop: CancellationToken,
    pub(super) unsettled: Unsettled,
    pub(super) lost: NodeId,
    pub(super) own: NodeId,
    /// How long ago the node was first declared lost.
    pub(super) lost_for: Duration,
}

/// What a take-over has done so far.
#[derive(Default)]
struct Progress {
    done: AtomicUsize,
    failed: AtomicUsize,
    no_api: AtomicUsize,
    postponed: AtomicUsize,
    dropped: AtomicUsize,
}

/// Until when the claim is this node's; `None` once it is not.
type ClaimedUntil = Mutex<Option<Instant>>;

impl OneTakeOver {
    /// Calls cleanup for each record that is left, as long as the claim holds. How many are left then; `None` if another
    /// node goes on, or Redis is away.
    pub(super) async fn run(&self, until: Instant) -> Option<usize> {
        let begun = Instant::now();
        let until = Mutex::new(Some(until));
        let progress = Progress::default();
        let worked = tokio::select! {
            worked = self.work(&until, &progress) => worked,
            never = self.keep_claim(&until) => match never {},
        };
        let left = match worked {
            Ok(()) => self.store.finish(self.lost, self.own).await,
            Err(error) => Err(error),
        };
        self.report(&progress, &left, begun.elapsed());
        left.ok().flatten()
    }

    async fn keep_claim(&self, until: &ClaimedUntil) -> std::convert::Infallible {
        let times = self.store.times();
        loop {
            sleep(times.renewal).await;
            // While Redis is away, the claim holds as long as it was granted for.
            if let Ok(kept) = self.store.keep_claim(self.lost, self.own).await {
                *until.lock() = kept;
            }
        }
    }

    async fn work(&self, until: &ClaimedUntil, progress: &Progress) -> Result<(), RedisError> {
        let mut seen = HashSet::new();
        let mut cursor = 0;
        loop {
            let page = self.store.records(self.lost, cursor).await?;
            let new: Vec<_> = page.records.into_iter().filter(|(id, _)| seen.insert(id.clone())).collect();
            stream::iter(&new)
                .for_each_concurrent(CONCURRENT, |(id, record)| self.clean(id, record, until, progress))
                .await;
            cursor = page.cursor;
            if cursor == 0 || !self.goes_on(until) {
                return Ok(());
            }
        }
    }

    fn goes_on(&self, until: &ClaimedUntil) -> bool {
        !self.stop.is_cancelled() && until.lock().is_some_and(|until| Instant::now() < until)
    }

    async fn clean(&self, connection: &str, text: &str, until: &ClaimedUntil, progress: &Progress) {
        if !self.goes_on(until) {
            return;
        }
        if self.unsettled.lock().contains(connection) {
            return self.settle(connection).await;
        }
        let cleaned = match Record::parse(text) {
            Some(record) => self.cleaner.clean(connection, &record, Some(NODE_LOST)).await,
            None => Cleaned::NoApi,
        };
        let count = match cleaned {
            Cleaned::Done => &progress.done,
            Cleaned::Failed => &progress.failed,
            _ if self.lost_for >= KEPT => {
                error!(
                    "{connection} gets no cleanup: in a day no node could call the function of its API ({text})"
                );
                self.settle(connection).await;
                &progress.dropped
            }
            Cleaned::NoApi => &progress.no_api,
            Cleaned::Postponed => &progress.postponed,
        };
        count.fetch_add(1, Ordering::Relaxed);
        if matches!(cleaned, Cleaned::Done | Cleaned::Failed) {
            self.metrics.cleanups.inc();
            self.settle(connection).await;
        }
    }

    /// Deletes the record. If Redis is away, it is remembered that the cleanup was carried out.
    async fn settle(&self, connection: &str) {
        let settled = self.store.settle(self.lost, connection).await;
        let mut unsettled = self.unsettled.lock();
        if settled.is_ok() {
            unsettled.remove(connection);
        } else if unsettled.len() < MAX_UNSETTLED {
            unsettled.insert(connection.to_owned());
        }
    }

    fn report(&self, progress: &Progress, left: &Result<Option<usize>, RedisError>, took: Duration) {
        let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        let (done, failed) = (count(&progress.done), count(&progress.failed));
        let (lost, ms) = (self.lost, took.as_millis());
        let work = format!("{} cleanups in {ms} ms, {failed} of them failed", done + failed);
        match left {
            Ok(Some(0)) => {
                self.metrics.took_over(TakeOverOutcome::Completed);
                info!("node {lost} is taken over: {work}");
            }
            Ok(Some(left)) => {
                self.metrics.took_over(TakeOverOutcome::Incomplete);
                let (no_api, postponed) = (count(&progress.no_api), count(&progress.postponed));
                warn!(
                    "node {lost} is not completely taken over: {work}; {left} clients are left, {no_api} of an API that \
                     this node does not have, {postponed} of a function that is unavailable"
                );
            }
            Ok(None) => {
                self.metrics.took_over(TakeOverOutcome::Interrupted);
                warn!("node {lost} is taken over by another node now: {work} by this one");
            }
            Err(error) => {
                self.metrics.took_over(TakeOverOutcome::Interrupted);
                warn!("the take-over of node {lost} is interrupted: {work}: {error}");
            }
        }
    }
}
