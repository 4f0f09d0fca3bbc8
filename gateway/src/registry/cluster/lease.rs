//! Leases: how a cluster notices that a node is gone, so that each client that was accepted gets its cleanup.
//!
//! # The promise
//!
//! Each connection that the register function accepted gets its closing event: exactly once as long as nothing fails,
//! and at least once also after `kill -9`, a lost machine, or a lost Redis. `docs/cluster.md` says what is not promised.
//!
//! # The protocol
//!
//! A node that joins takes a **lease**, a key of Redis that expires unless it is renewed. Before the register function
//! is called, the connection's **record** is written, with what cleanup needs; it is deleted after the cleanup was
//! carried out, or when none is due. A node whose lease has ended is declared **lost** by the first node that **claims**
//! it. The claim expires too unless it is renewed, so that a survivor may die: the next one finds the records that are
//! left. When none are left, the node is forgotten.
//!
//! What decides is in scripts (`lease/scripts/`), which Redis carries out as a whole and by its own clock. Clocks of
//! nodes are never compared. Each rule answers a fault:
//!
//! - *A node was only cut off or stopped.* Once claimed, a node is lost for good: a script that renews its lease or
//!   writes a record refuses. The node then closes its clients, calls cleanup only for those that no other node has or
//!   will have settled, and joins again under another id.
//! - *Redis was away*, and the nodes could not renew. Nodes that reach Redis leave a **pulse** in it, which expires
//!   sooner than a lease. A node that finds none has to wait for the time of a lease, the **grace**, before any node is
//!   declared lost.
//! - *Redis came back empty.* Each set of data has a name, the **epoch**. A node that meets another epoch writes its lease
//!   and all its records again; survivors write again which nodes they declared lost.
//! - *Redis has forgotten some of it*, as in a failover. A renewal returns how many records there are. If that is not what
//!   the node expects, or a command had no answer, it compares all of them ([`keeper`]).
//! - *A message is late.* What a command does depends on what Redis holds when it arrives, not when it was sent: a late
//!   renewal or record of a lost node is refused, a late deletion concerns a cleanup that was carried out.

mod keeper;
pub(crate) mod keys;
mod script;
pub(crate) mod store;
#[cfg(test)]
mod tests;
mod times;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

pub(crate) use self::times::Times;
use self::{
    keeper::{Job, Keeper},
    store::Store,
};
use super::{
    node::NodeId,
    records::{Record, Records},
};
use crate::observe::metrics::ClusterMetrics;

/// How long a renewal may take that a connection waits for.
const CERTAINTY_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a handshake waits for its record. One that is written later is deleted again.
const RECORD_TIMEOUT: Duration = Duration::from_secs(5);

/// This process as a node: its lease and its records.
pub(crate) struct Lease {
    store: Store,
    shared: Arc<Shared>,
    jobs: mpsc::UnboundedSender<Job>,
    _keeper: AbortOnDropHandle<()>,
}

/// What the keeper of the lease shows.
struct Shared {
    member: ArcSwap<Member>,
    node: watch::Sender<NodeId>,
    records: Records,
    /// When the lease was last renewed. No other node declares this one lost within the time of a lease.
    renewed: Mutex<Option<Instant>>,
    /// Redis did not answer the last time.
    is_away: AtomicBool,
    /// How often a renewal was attempted.
    attempts: watch::Sender<u64>,
    metrics: Arc<ClusterMetrics>,
}

/// What this process is called at a time.
#[derive(Debug)]
pub(crate) struct Member {
    node: NodeId,
    is_lost: AtomicBool,
    lost: CancellationToken,
}

impl Member {
    fn new(node: NodeId) -> Arc<Self> {
        Arc::new(Self { node, is_lost: AtomicBool::new(false), lost: CancellationToken::new() })
    }

    fn declare_lost(&self) {
        self.is_lost.store(true, Ordering::Release);
        self.lost.cancel();
    }

    /// Whether it was declared lost.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Acquire)
    }

    /// Waits until it is.
    pub(crate) async fn lost(&self) {
        self.lost.cancelled().await;
    }
}

impl Lease {
    /// Joins under this id, and goes on trying while Redis is away. `info` is what the node says of itself.
    pub(crate) fn start(store: Store, node: NodeId, info: String, metrics: Arc<ClusterMetrics>) -> Self {
        let shared = Arc::new(Shared {
            member: ArcSwap::new(Member::new(node)),
            node: watch::Sender::new(node),
            records: Records::default(),
            renewed: Mutex::default(),
            is_away: AtomicBool::new(false),
            attempts: watch::Sender::new(0),
            metrics,
        });
        let (jobs, receiver) = mpsc::unbounded_channel();
        let keeper = Keeper::new(store.clone(), Arc::clone(&shared), info);
        let keeper = AbortOnDropHandle::new(tokio::spawn(keeper.run(receiver)));
        Self { store, shared, jobs, _keeper: keeper }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// What this process is called now.
    pub(crate) fn node(&self) -> NodeId {
        self.shared.member.load().node
    }

    /// Likewise, and how to wait for another name.
    pub(crate) fn node_changes(&self) -> watch::Receiver<NodeId> {
        self.shared.node.subscribe()
    }

    /// Waits until Redis has answered, or has not.
    pub(crate) async fn attempted(&self) {
        let mut attempts = self.shared.attempts.subscribe();
        // The sender lives as long as this.
        let _ = attempts.wait_for(|attempts| *attempts > 0).await;
    }

    /// What this process is or was called when it accepted this connection.
    pub(crate) fn member_of(&self, connection: &str) -> Arc<Member> {
        let member = self.shared.member.load_full();
        match NodeId::of_connection(connection) {
            Some(node) if node != member.node => {
                let before = Member::new(node);
                before.declare_lost();
                before
            }
            _ => member,
        }
    }

    /// Writes a connection's record. The error is a part of a sentence.
    pub(crate) async fn add(&self, connection: &str, record: &Record) -> Result<(), String> {
        self.shared.records.insert(connection, record);
        let (done, result) = oneshot::channel();
        let job = Job::Write { connection: connection.into(), record: record.to_string().into(), done };
        self.jobs.send(job).map_err(|_| "this node has left the cluster".to_owned())?;
        let result = timeout(RECORD_TIMEOUT, result).await;
        let result = result.map_err(|_| format!("its record was not written within {RECORD_TIMEOUT:?}"))?;
        result.map_err(|_| "this node leaves the cluster".to_owned())?
    }

    /// The cleanup of a connection was carried out, or none is due.
    pub(crate) fn finished(&self, connection: &str) {
        if self.shared.records.remove(connection) {
            self.shared.metrics.records_to_delete.inc();
            // Without a keeper the process ends, and its records were left to the others.
            let _ = self.jobs.send(Job::Delete { connection: connection.into() });
        }
    }

    /// The cleanup of a connection could not be carried out yet.
    pub(crate) fn owe(&self, connection: &str) {
        self.shared.records.owe(connection);
    }

    /// Takes the connections whose cleanup is owed, each with its record.
    pub(crate) fn take_owed(&self) -> Vec<(Box<str>, Record)> {
        let (records, node) = (&self.shared.records, self.node());
        let mut owed = records.take_owed();
        owed.retain(|id| {
            let is_own = NodeId::of_connection(id) == Some(node);
            // Otherwise another node finds the record in Redis.
            is_own || !records.remove(id)
        });
        owed.into_iter().filter_map(|id| records.get(&id).map(|record| (id, record))).collect()
    }

    /// Whether this process has to carry out the cleanup of a connection that has ended. Otherwise another node has done
    /// it or will.
    pub(crate) async fn is_due(&self, connection: &str) -> bool {
        self.certain().await;
        let Some(node) = NodeId::of_connection(connection).filter(|node| *node != self.node()) else {
            return true;
        };
        // If Redis does not say, once too often is better than not at all.
        let is_due = self.store.is_owed(node, connection).await.unwrap_or(true);
        if !is_due {
            // Its record is another node's matter.
            self.shared.records.remove(connection);
        }
        is_due
    }

    /// Whether this process may have been declared lost without having noticed: it has not renewed its lease in time,
    /// as after it was stopped, and has not tried to since.
    pub(crate) fn is_uncertain(&self) -> bool {
        let may_be_lost = self.age().is_none_or(|age| age >= self.store.times().lease);
        may_be_lost && !self.shared.is_away.load(Ordering::Relaxed)
    }

    /// How long ago the lease was last renewed; `None` before the first time.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.shared.renewed.lock().map(|renewed| renewed.elapsed())
    }

    /// Waits for an attempt to renew the lease, if the last one was too long ago. While Redis is away the node serves
    /// its clients: it cannot know more.
    pub(crate) async fn certain(&self) {
        let mut attempts = self.shared.attempts.subscribe();
        if self.is_uncertain() {
            let _ = timeout(CERTAINTY_TIMEOUT, attempts.changed()).await;
        }
    }

    /// Ends in order: what is left to do is done, and the lease is given up.
    pub(crate) async fn leave(&self) {
        let (done, left) = oneshot::channel();
        if self.jobs.send(Job::Leave { done }).is_ok() {
            let _ = left.await;
        }
    }
}
