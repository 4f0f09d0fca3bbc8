//! Calls the cleanups that could not be called when their clients left, again and again, until they could.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{cleaner::Cleaner, owner::Owner, ownership::CleanupDue};

/// How many cleanups are in flight, those that wait for their function's turn included.
const CONCURRENT: usize = 64;
/// With how many the calls of a function begin that was unavailable.
const PROBES: usize = 4;
/// How long it takes until a function is called again that was unavailable, at first and at most.
const RETRY_DELAYS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// The task that does so. Dropped, it ends at once.
#[derive(Debug)]
pub(crate) struct DeferredCleanups {
    stop_at: watch::Sender<Option<Instant>>,
    task: AbortOnDropHandle<()>,
}

/// When the cleanup function of an API is called again, and the delay after that.
type Unavailable = HashMap<Box<str>, (Instant, Duration)>;

impl DeferredCleanups {
    pub(crate) fn start(owner: Arc<dyn Owner>, cleaner: Arc<dyn Cleaner>) -> Self {
        let stop_at = watch::Sender::new(None);
        let task = tokio::spawn(run(owner, cleaner, stop_at.subscribe()));
        Self { stop_at, task: AbortOnDropHandle::new(task) }
    }

    /// Goes on for this time at most, and ends sooner if nothing is left.
    pub(crate) async fn stop(self, time: Duration) {
        self.stop_at.send_replace(Some(Instant::now() + time));
        // Cleanups that are under way then are deferred with their task.
        let _ = timeout(time, self.task).await;
    }
}

async fn run(
    owner: Arc<dyn Owner>,
    cleaner: Arc<dyn Cleaner>,
    mut stop_at: watch::Receiver<Option<Instant>>,
) {
    let mut unavailable = Unavailable::new();
    let mut looks = interval(RETRY_DELAYS.0);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            _ = stop_at.changed() => {
                // What waits for its time is tried once more.
                unavailable.clear();
            }
        }
        let is_stopping = stop_at.borrow().is_some();
        if is_stopping && owner.connections().pending() == 0 {
            return;
        }
        look(&*owner, &*cleaner, &mut unavailable).await;
    }
}

/// Calls what is deferred now, the functions of different APIs at the same time.
async fn look(owner: &dyn Owner, cleaner: &dyn Cleaner, unavailable: &mut Unavailable) {
    let mut by_api: HashMap<Box<str>, Vec<CleanupDue>> = HashMap::new();
    for (connection, owner) in owner.deferred().take() {
        let due = CleanupDue::deferred(connection, owner);
        match due.record() {
            Some(record) => by_api.entry(record.api().into()).or_default().push(due),
            None => due.settle(),
        }
    }
    unavailable.retain(|api, _| by_api.contains_key(api));
    let now = Instant::now();
    // Dropped, the others are deferred again.
    by_api.retain(|api, _| unavailable.get(api).is_none_or(|(at, _)| *at <= now));
    let called = stream::iter(by_api).map(async |(api, due)| (api, call(due, cleaner).await));
    let called: Vec<_> = called.buffer_unordered(CONCURRENT).collect().await;
    for (api, is_available) in called {
        if is_available {
            unavailable.remove(&api);
            continue;
        }
        let (at, delay) = unavailable.entry(api).or_insert((now, RETRY_DELAYS.0));
        *at = Instant::now() + *delay;
        *delay = (*delay * 2).min(RETRY_DELAYS.1);
    }
}

/// Calls the cleanups of one API, a few at first. Whether its function is available.
async fn call(due: Vec<CleanupDue>, cleaner: &dyn Cleaner) -> bool {
    let mut due = due.into_iter();
    let mut most = PROBES;
    loop {
        let batch: Vec<_> = due.by_ref().take(most).collect();
        if batch.is_empty() {
            return true;
        }
        let called = stream::iter(batch).map(|due| clean(due, cleaner)).buffer_unordered(CONCURRENT);
        if !called.fold(true, async |all, is_settled| all & is_settled).await {
            return false;
        }
        most = (most * 2).min(CONCURRENT);
    }
}

/// Whether the function could be called. If not, the cleanup is deferred again.
async fn clean(due: CleanupDue, cleaner: &dyn Cleaner) -> bool {
    let Some(due) = due.decide().await else { return true };
    let Some(record) = due.record() else {
        due.settle();
        return true;
    };
    let is_settled = cleaner.clean(due.connection(), &record, None).await.is_settled();
    if is_settled {
        due.settle();
    }
    is_settled
}
