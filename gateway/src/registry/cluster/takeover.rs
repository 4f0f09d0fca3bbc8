//! Looks at the other nodes, and takes over those that are lost: calls the cleanup function for each of their clients.
//!
//! [`TakeOver::start`] → every quarter of a lease: which nodes have none? → claim → for each record: cleanup, then the
//! record is deleted → the node is forgotten, or what is left waits for another node or a later time. [`watch`] decides,
//! and this module runs what it wants.

mod one;
pub(crate) mod watch;
pub(crate) mod work;

use std::{sync::Arc, time::Duration};

use futures_util::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _},
    stream::FuturesUnordered,
};
use log::warn;
use tokio::time::{sleep_until, timeout};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use self::{
    watch::Watch,
    work::{Work, WorkOutcome},
};
use super::{lease::LeaseState, redis::RedisError};
use crate::{observe::metrics::labels::TakeOverOutcome, registry::Cleaner};

/// In the closing event of a client whose node is lost.
const NODE_LOST: &str = "node lost";

/// Takes lost nodes over until it is stopped or dropped.
#[derive(Debug)]
pub(crate) struct TakeOver {
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl TakeOver {
    pub(crate) fn start(shared: Arc<LeaseState>, place: Option<String>, cleaner: Arc<dyn Cleaner>) -> Self {
        let stop = CancellationToken::new();
        let watch = Watch::new(shared.store().times(), place, std::time::Instant::now());
        let task = tokio::spawn(run(watch, shared, cleaner, stop.clone()));
        Self { stop, task: AbortOnDropHandle::new(task) }
    }

    /// Begins no further cleanup, and waits for those that run, for this time at most. What is left is another node's.
    pub(crate) async fn stop(self, time: Duration) {
        self.stop.cancel();
        if timeout(time, self.task).await.is_err() {
            warn!("some cleanups of a take-over were not waited for; another node repeats them");
        }
    }
}

type RunningWork<'a> = FuturesUnordered<BoxFuture<'a, (Work, Result<WorkOutcome, RedisError>)>>;

/// Runs what the watch wants.
async fn run(mut watch: Watch, shared: Arc<LeaseState>, cleaner: Arc<dyn Cleaner>, stop: CancellationToken) {
    let (shared, cleaner) = (&*shared, &*cleaner);
    let mut running = RunningWork::new();
    let now = std::time::Instant::now;
    loop {
        let connects = shared.store().redis().connects();
        while let Some(work) = watch.next(now(), shared.held(), connects) {
            running.push(perform(work, shared, cleaner).boxed());
        }
        if stop.is_cancelled() && watch.is_idle() {
            return;
        }
        tokio::select! {
            biased;
            () = stop.cancelled(), if !stop.is_cancelled() => watch.stop(),
            Some((work, outcome)) = running.next() => {
                watch.done(now(), shared.node(), &work, outcome, &mut shared.knowledge().lock());
            }
            () = sleep_until(watch.wake().into()) => {}
        }
        if stop.is_cancelled() {
            watch.stop();
        }
        shared.metrics().nodes.set(i64::try_from(watch.alive()).unwrap_or(i64::MAX));
        for ended in watch.take_ended() {
            shared.metrics().took_over(match ended.left {
                Some(0) => TakeOverOutcome::Completed,
                Some(_) => TakeOverOutcome::Incomplete,
                None => TakeOverOutcome::Interrupted,
            });
        }
    }
}

async fn perform(
    work: Work,
    shared: &LeaseState,
    cleaner: &dyn Cleaner,
) -> (Work, Result<WorkOutcome, RedisError>) {
    let outcome = match (work.ask(shared.store()).await, &work) {
        (Some(outcome), _) => outcome,
        (None, Work::Clean { connection, record, .. }) => {
            let outcome = cleaner.clean(connection, record, Some(NODE_LOST)).await;
            if outcome.is_settled() {
                shared.metrics().cleanups.inc();
            }
            Ok(WorkOutcome::Cleaned(outcome))
        }
        (None, _) => Err(RedisError::Unavailable("it was not asked".to_owned())),
    };
    (work, outcome)
}
