//! Looks at the other nodes, and takes over those that are lost: calls the cleanup function for each of their clients.
//!
//! [`TakeOver::start`] → every quarter of a lease: which nodes have none? → claim → for each record: cleanup, then the
//! record is deleted → the node is forgotten, or what is left waits for another node or a later time.

mod one;
mod owed;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use log::{debug, error, info, warn};
use parking_lot::Mutex;
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use self::one::OneTakeOver;
use super::{
    Cluster,
    lease::store::{Claim, Refusal, Seen},
    node::NodeId,
    place,
    records::Record,
    redis::RedisError,
};
use crate::observe::metrics::ClusterMetrics;

/// In the closing event of a client whose node is lost.
pub(crate) const NODE_LOST: &str = "node lost";

/// How many cleanups are in flight, those that wait for their function's turn included.
const CONCURRENT: usize = 64;
/// How many nodes are remembered that this one has declared lost.
const REMEMBERED_NODES: usize = 1000;
/// How long it takes until records are looked at again for which nothing could be done, at first and at most.
const RETRY_DELAYS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// How long the cleanups that run may take at the end.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// Calls cleanup functions.
pub(crate) trait Cleaner: Send + Sync {
    /// The path of the API to which a connection belonged; `None` if this node has no such API.
    fn api_path(&self, record: &Record) -> Option<Arc<str>>;

    /// Calls the cleanup function of the API to which the connection belonged.
    fn clean<'a>(
        &'a self,
        connection: &'a str,
        record: &'a Record,
        reason: Option<&'static str>,
    ) -> BoxFuture<'a, Cleaned>;
}

/// What has become of a cleanup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cleaned {
    /// It was carried out.
    Done,
    /// The function was called and failed, which is logged. It is not called again, as after a client that leaves.
    Failed,
    /// The function could not be called.
    Postponed,
    /// This node has no such API.
    NoApi,
}

/// Takes lost nodes over until it is stopped or dropped. What this node owes itself is [`owed`].
#[derive(Debug)]
pub(crate) struct TakeOver {
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
    owed: AbortOnDropHandle<()>,
}

impl TakeOver {
    pub(crate) fn start(
        cluster: Arc<Cluster>,
        cleaner: Arc<dyn Cleaner>,
        metrics: Arc<ClusterMetrics>,
    ) -> Self {
        let stop = CancellationToken::new();
        let owed = owed::carry_out(Arc::clone(&cluster), Arc::clone(&cleaner), stop.clone());
        let owed = AbortOnDropHandle::new(tokio::spawn(owed));
        let watch = Watch {
            cluster,
            cleaner,
            metrics,
            stop: stop.clone(),
            taken: VecDeque::new(),
            epoch_checked: None,
            later: HashMap::new(),
            unsettled: Arc::default(),
            running: JoinSet::new(),
            busy_with: HashSet::new(),
            other_leases: HashSet::new(),
        };
        Self { stop, task: AbortOnDropHandle::new(tokio::spawn(watch.run())), owed }
    }

    /// Begins no further cleanup, and waits for those that run. What is left is another node's.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        let both = async { tokio::join!(self.task, self.owed) };
        if timeout(STOP_TIMEOUT, both).await.is_err() {
            warn!("some cleanups of a take-over were not waited for; another node repeats them");
        }
    }
}

/// Cleanups that were carried out and may still have a record, because Redis was away.
pub(crate) type Unsettled = Arc<Mutex<HashSet<String>>>;

struct Watch {
    cluster: Arc<Cluster>,
    cleaner: Arc<dyn Cleaner>,
    metrics: Arc<ClusterMetrics>,
    stop: CancellationToken,
    /// Which nodes this one has declared lost, the oldest first.
    taken: VecDeque<NodeId>,
    /// Since when Redis was reached when they were last written.
    epoch_checked: Option<std::time::Instant>,
    /// Nodes of which records are left: when they are looked at again, and the delay after that.
    later: HashMap<NodeId, (Instant, Duration)>,
    unsettled: Unsettled,
    running: JoinSet<(NodeId, Option<usize>)>,
    /// The nodes that those take over.
    busy_with: HashSet<NodeId>,
    /// The nodes that have another lease than this one, which is logged once.
    other_leases: HashSet<NodeId>,
}

impl Watch {
    async fn run(mut self) {
        self.cluster.lease().attempted().await;
        let mut looks = interval(self.cluster.lease().store().times().look);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                Some(ended) = self.running.join_next() => {
                    match ended {
                        Ok((node, left)) => self.note_end(node, left),
                        Err(error) => {
                            error!("a take-over ended early, and begins again: {error}");
                            self.busy_with.clear();
                        }
                    }
                }
                _ = looks.tick() => {
                    if let Err(error) = self.look().await {
                        debug!("the other nodes cannot be looked at: {error}");
                    }
                }
            }
        }
        while self.running.join_next().await.is_some() {}
    }

    async fn look(&mut self) -> Result<(), RedisError> {
        let lease = self.cluster.lease();
        let (store, own) = (lease.store().clone(), lease.node());
        let reached = store.reached_since();
        if reached != self.epoch_checked {
            store.remember_lost(self.taken.iter().copied()).await?;
            self.epoch_checked = reached;
        }
        let nodes = store.nodes().await?;
        let alive = nodes.iter().filter(|seen| seen.has_lease()).count();
        self.metrics.nodes.set(i64::try_from(alive).unwrap_or(i64::MAX));
        self.compare_leases(&nodes);
        self.later.retain(|node, _| nodes.iter().any(|seen| seen.node == *node));
        for seen in nodes.into_iter().filter(|seen| seen.node != own) {
            let is_gone =
                self.cluster.place.as_deref().is_some_and(|place| place::is_same(&seen.info, place));
            let waits = self.later.get(&seen.node).is_some_and(|(at, _)| Instant::now() < *at);
            if (seen.has_lease() && !is_gone) || waits || self.busy_with.contains(&seen.node) {
                continue;
            }
            match store.claim(seen.node, own, is_gone).await? {
                Claim::Claimed { until, lost_for } => self.begin(&seen, own, (until, lost_for)),
                Claim::Refused(Refusal::Grace | Refusal::Expired) => return Ok(()),
                Claim::Refused(Refusal::Alive | Refusal::Gone | Refusal::Taken) => {}
            }
        }
        Ok(())
    }

    /// With different leases, a node may be declared lost that still has the time to renew its own.
    fn compare_leases(&mut self, nodes: &[Seen]) {
        let own = self.cluster.lease_time();
        self.other_leases.retain(|node| nodes.iter().any(|seen| seen.node == *node));
        for seen in nodes.iter().filter(|seen| seen.has_lease()) {
            let other = place::lease(&seen.info).filter(|other| *other != own);
            if let Some(other) = other
                && self.other_leases.insert(seen.node)
            {
                warn!(
                    "node {} ({}) has a lease of {other:?}, and this one of {own:?}: set cluster_lease_seconds to the \
                     same on all nodes",
                    seen.node,
                    place::name(&seen.info)
                );
            }
        }
    }

    fn begin(&mut self, seen: &Seen, own: NodeId, (until, lost_for): (std::time::Instant, Duration)) {
        if self.taken.len() == REMEMBERED_NODES {
            self.taken.pop_front();
        }
        if !self.taken.contains(&seen.node) {
            self.taken.push_back(seen.node);
            info!(
                "node {} ({}) is lost: this node calls the cleanup function for its clients",
                seen.node,
                place::name(&seen.info)
            );
        }
        let one = OneTakeOver {
            store: self.cluster.lease().store().clone(),
            cleaner: Arc::clone(&self.cleaner),
            metrics: Arc::clone(&self.metrics),
            stop: self.stop.clone(),
            unsettled: Arc::clone(&self.unsettled),
            lost: seen.node,
            own,
            lost_for,
        };
        let node = seen.node;
        self.busy_with.insert(node);
        self.running.spawn(async move { (node, one.run(until).await) });
    }

    /// Records are left for which nothing could be done now: looks at them again later, and later each time.
    fn note_end(&mut self, node: NodeId, left: Option<usize>) {
        self.busy_with.remove(&node);
        if left.is_none_or(|left| left == 0) {
            self.later.remove(&node);
            return;
        }
        let delay = self.later.get(&node).map_or(RETRY_DELAYS.0, |(_, delay)| *delay);
        self.later.insert(node, (Instant::now() + delay, owed::longer(delay)));
    }
}
