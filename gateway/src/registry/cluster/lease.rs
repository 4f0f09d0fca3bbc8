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
//! called, or when none is due. A node whose lease has ended is declared **lost** by the first node that **claims**
//! it. The claim expires too unless it is renewed, so that a survivor may die: the next one finds the records that are
//! left. When none are left, the node is forgotten.
//!
//! What decides is in scripts (`lease/scripts/`), which Redis runs as a whole and by its own clock. When to run which is
//! decided by two state machines without I/O, [`keeper`] for this node and [`takeover`](super::takeover) for the others.
//! Each rule answers a fault:
//!
//! - *A node was only cut off or suspended.* Once claimed, a node is lost for good: a script that renews its lease or
//!   writes a record refuses. The node then closes its clients, calls cleanup only for those that no other node has or
//!   will have settled, and joins again under another id.
//! - *Redis was away*, and the nodes could not renew. Nodes that reach Redis leave a **pulse** in it, which expires
//!   sooner than a lease. A node that finds none has to wait for the time of a lease, the **grace**, before any node is
//!   declared lost.
//! - *Redis came back empty, or with older data.* Each set of data has a name, the **epoch**. At another epoch and at each
//!   new connection, every node writes again which nodes it knows and which ones are lost ([`knowledge`]). A node that
//!   Redis does not know joins again at once if its last renewal is younger than a lease, because nobody can have
//!   declared it lost; otherwise it waits for a lease, within which the others say so.
//! - *Redis has forgotten some of it*, as in a failover. A renewal returns how many records there are. If that is not what
//!   the node expects, or a command had no answer, it compares all of them.
//! - *Redis has no memory.* Leases are extended without any, and deletions come first.
//! - *A message is late.* What a command does depends on what Redis holds when it arrives, not when it was sent: a late
//!   renewal or record of a lost node is refused, a late deletion concerns a cleanup that was called.

mod command;
mod comparison;
mod keeper;
pub(crate) mod keys;
pub(crate) mod knowledge;
pub(crate) mod member;
pub(crate) mod store;
#[cfg(test)]
mod tests;
mod times;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::task::AbortOnDropHandle;

pub(crate) use self::times::LeaseTimes;
use self::{
    keeper::{Keeper, Next, Standing},
    knowledge::Knowledge,
    member::Member,
    store::Store,
};
use super::node::NodeId;
use crate::{
    observe::metrics::ClusterMetrics,
    registry::{CleanupOf, Connections, Deferred, Owner as _},
};

/// How long a renewal may take that a connection waits for.
const CERTAINTY_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a handshake waits for its record. One that is written later is deleted again.
const RECORD_TIMEOUT: Duration = Duration::from_secs(5);

/// This process as a node: its lease, its connections and their records.
pub(crate) struct Lease {
    shared: Arc<LeaseState>,
    member: Arc<ArcSwap<Member>>,
    _keeper: AbortOnDropHandle<()>,
}

/// What the keeper of the lease shows, and what it is asked.
pub(crate) struct LeaseState {
    store: Store,
    connections: Connections,
    deferred: Deferred,
    node: watch::Sender<NodeId>,
    begun: Instant,
    /// When the lease was last renewed, in milliseconds since the beginning; 0 before the first time.
    renewed_ms: AtomicU64,
    standing: AtomicU8,
    /// By which connection to Redis others reach this node; 0 while they do not.
    subscribed: AtomicU64,
    /// How often a renewal was attempted or the subscription has changed.
    changes: watch::Sender<u64>,
    knowledge: Mutex<Knowledge>,
    jobs: mpsc::UnboundedSender<Job>,
    metrics: Arc<ClusterMetrics>,
}

/// What the keeper is asked to do.
enum Job {
    Write { connection: Box<str>, record: Box<str>, done: oneshot::Sender<Result<(), String>> },
    Delete { connection: Box<str> },
    Leave { done: oneshot::Sender<()> },
}

/// As in `LeaseState::standing`.
const AWAY: u8 = 0;
const STRANGER: u8 = 1;
const FULL: u8 = 2;
const HELD: u8 = 3;

impl Lease {
    /// Joins under this id, and goes on trying while Redis is away. `info` is what the node says of itself.
    pub(crate) fn start(
        store: Store,
        node: NodeId,
        info: String,
        (connections, metrics): (Connections, Arc<ClusterMetrics>),
    ) -> Self {
        let (jobs, receiver) = mpsc::unbounded_channel();
        let keeper = Keeper::new(node, info, store.times(), std::time::Instant::now());
        let shared = Arc::new(LeaseState {
            store,
            connections,
            deferred: Deferred::default(),
            node: watch::Sender::new(node),
            begun: Instant::now(),
            renewed_ms: AtomicU64::new(0),
            standing: AtomicU8::new(AWAY),
            subscribed: AtomicU64::new(0),
            changes: watch::Sender::new(0),
            knowledge: Mutex::default(),
            jobs,
            metrics,
        });
        let member = Arc::new(ArcSwap::new(Member::new(node, Arc::clone(&shared))));
        let keeper = tokio::spawn(run(keeper, Arc::clone(&shared), Arc::clone(&member), receiver));
        Self { shared, member, _keeper: AbortOnDropHandle::new(keeper) }
    }

    pub(crate) fn shared(&self) -> &Arc<LeaseState> {
        &self.shared
    }

    /// This process under its name of now, which owns the connections that it opens.
    pub(crate) fn member(&self) -> Arc<Member> {
        self.member.load_full()
    }

    /// Ends in order: what is left to do is done, and the lease is given up.
    pub(crate) async fn leave(&self) {
        let (done, left) = oneshot::channel();
        if self.shared.jobs.send(Job::Leave { done }).is_ok() {
            let _ = left.await;
        }
    }
}

impl LeaseState {
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn metrics(&self) -> &ClusterMetrics {
        &self.metrics
    }

    /// What this process is called now.
    pub(crate) fn node(&self) -> NodeId {
        *self.node.borrow()
    }

    /// Likewise, and how to wait for another name.
    pub(crate) fn node_changes(&self) -> watch::Receiver<NodeId> {
        self.node.subscribe()
    }

    /// This node, while its lease is held.
    pub(crate) fn held(&self) -> Option<NodeId> {
        matches!(self.standing.load(Ordering::Acquire), HELD | FULL).then(|| self.node())
    }

    pub(crate) fn knowledge(&self) -> &Mutex<Knowledge> {
        &self.knowledge
    }

    pub(crate) fn deferred(&self) -> &Deferred {
        &self.deferred
    }

    pub(crate) fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Whether clients are welcome: the lease is renewed in time, Redis takes records, and other nodes reach this one.
    pub(crate) fn is_joined(&self) -> bool {
        let is_held = self.standing.load(Ordering::Acquire) == HELD;
        // What was subscribed to beside an earlier connection may be as dead as that one.
        let is_reached = self.subscribed.load(Ordering::Acquire) == self.store.redis().connects();
        is_held && is_reached && !self.is_overdue()
    }

    /// Waits until clients are welcome.
    pub(crate) async fn joined(&self) {
        let mut changes = self.changes.subscribe();
        // The sender lives as long as this.
        let _ = changes.wait_for(|_| self.is_joined()).await;
    }

    /// Whether other nodes reach this one: by a subscription beside the so-many-th connection to Redis; 0: they do not.
    pub(crate) fn set_subscribed(&self, connects: u64) {
        self.subscribed.store(connects, Ordering::Release);
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// How long ago the lease was last renewed; `None` before the first time.
    pub(crate) fn age(&self) -> Option<Duration> {
        let renewed = Some(self.renewed_ms.load(Ordering::Acquire)).filter(|ms| *ms > 0)?;
        Some(self.begun.elapsed().saturating_sub(Duration::from_millis(renewed)))
    }

    fn is_overdue(&self) -> bool {
        self.age().is_none_or(|age| age >= self.store.times().lease)
    }

    /// Whether this process may have been declared lost without having noticed: it has not renewed its lease in time,
    /// as after it was suspended, and has not tried to since.
    pub(crate) fn is_uncertain(&self) -> bool {
        self.is_overdue() && matches!(self.standing.load(Ordering::Acquire), HELD | FULL)
    }

    /// Waits for an attempt to renew the lease, if the last one was too long ago. While Redis is away the node serves
    /// its clients: it cannot know more.
    pub(crate) async fn certain(&self) {
        let mut changes = self.changes.subscribe();
        if self.is_uncertain() {
            let _ = timeout(CERTAINTY_TIMEOUT, changes.wait_for(|_| !self.is_uncertain())).await;
        }
    }

    /// Writes a connection's record. The error is a part of a sentence.
    pub(crate) async fn write(&self, connection: &str) -> Result<(), String> {
        let record = self.connections.record(connection).ok_or("the connection is gone")?;
        let (done, result) = oneshot::channel();
        let job = Job::Write { connection: connection.into(), record: record.to_string().into(), done };
        self.jobs.send(job).map_err(|_| "this node has left the cluster".to_owned())?;
        let result = timeout(RECORD_TIMEOUT, result).await;
        let result = result.map_err(|_| format!("its record was not written within {RECORD_TIMEOUT:?}"))?;
        result.map_err(|_| "this node leaves the cluster".to_owned())?
    }

    /// Nothing more is due for a connection, whose record is deleted.
    fn delete(&self, connection: &str) {
        if self.connections.remove(connection) {
            self.metrics.records_to_delete.inc();
            // Without a keeper the process ends, and its records were left to the others.
            let _ = self.jobs.send(Job::Delete { connection: connection.into() });
        }
    }

    /// Whose the cleanup of a connection of this node, or of one that this process was before, is.
    async fn cleanup_of(&self, connection: &str, member: &Member) -> CleanupOf {
        self.certain().await;
        if !member.is_lost() {
            // A node that may have been declared lost before Redis lost its data hears it from the others.
            let is_stranger = self.standing.load(Ordering::Acquire) == STRANGER;
            return if is_stranger { CleanupOf::Undecided } else { CleanupOf::ThisNode };
        }
        match self.store.is_owed(member.node(), connection, member.complete_in()).await {
            Ok(true) => CleanupOf::ThisNode,
            Ok(false) => CleanupOf::AnotherNode,
            Err(_) => CleanupOf::Undecided,
        }
    }

    /// Shows what the keeper has come to.
    fn show(self: &Arc<Self>, member: &ArcSwap<Member>, keeper: &mut Keeper) {
        let standing = match keeper.standing() {
            Standing::Away(_) | Standing::Refused(_) => AWAY,
            Standing::Stranger(_) => STRANGER,
            Standing::Held { is_full: true } => FULL,
            Standing::Held { is_full: false } => HELD,
        };
        if let Some(renewed) = keeper.renewed() {
            let since = renewed.saturating_duration_since(self.begun.into_std()).as_millis();
            let ms = u64::try_from(since).unwrap_or(u64::MAX).max(1);
            if self.renewed_ms.swap(ms, Ordering::AcqRel) != ms {
                self.metrics.lease_renewed();
            }
        }
        if let Some(before) = keeper.take_before() {
            self.metrics.declared_lost.inc();
            self.renewed_ms.store(0, Ordering::Release);
            // Others reach the node that it was, if any.
            self.set_subscribed(0);
            let lost = member.swap(Member::new(keeper.node(), Arc::clone(self)));
            self.node.send_replace(keeper.node());
            lost.declare_lost(before.epoch);
        }
        self.standing.store(standing, Ordering::Release);
        let deleted = i64::try_from(keeper.take_deleted()).unwrap_or(i64::MAX);
        self.metrics.records_to_delete.dec_by(deleted);
    }
}

/// Runs what the keeper wants, until the node has left.
async fn run(
    mut keeper: Keeper,
    shared: Arc<LeaseState>,
    member: Arc<ArcSwap<Member>>,
    mut jobs: mpsc::UnboundedReceiver<Job>,
) {
    let store = shared.store.clone();
    // Otherwise the first renewal would count as one over another connection than the second.
    store.redis().attempted().await;
    let mut last_number = 0;
    let mut writes: HashMap<u64, oneshot::Sender<Result<(), String>>> = HashMap::new();
    let mut left = None;
    let now = std::time::Instant::now;
    loop {
        let mut job = jobs.try_recv().ok();
        let next = match job {
            Some(_) => None,
            None => Some(keeper.next(now(), &shared.knowledge.lock())),
        };
        match next {
            Some(Next::Run(command)) => {
                let connects = store.redis().connects();
                let reply = command.run(&store).await;
                let own = |node| {
                    let is_own = |id: &str| NodeId::of_connection(id) == Some(node);
                    let records = shared.connections.records(is_own);
                    records.map(|(id, record)| (id, record.to_string().into_boxed_str())).collect()
                };
                keeper.replied((now(), connects), reply, own, &mut shared.knowledge.lock());
                shared.show(&member, &mut keeper);
                shared.changes.send_modify(|changes| *changes += 1);
            }
            Some(Next::Wait(until)) => {
                tokio::select! {
                    () = sleep_until(until.into()) => {}
                    next = jobs.recv() => match next {
                        Some(next) => job = Some(next),
                        None => return,
                    },
                }
            }
            Some(Next::Left) => {
                drop(left);
                return;
            }
            None => {}
        }
        for (number, outcome) in keeper.take_outcomes() {
            if let Some(done) = writes.remove(&number) {
                let _ = done.send(outcome);
            }
        }
        match job {
            Some(Job::Write { connection, record, done }) => {
                last_number += 1;
                writes.insert(last_number, done);
                keeper.write(last_number, connection, record);
                if matches!(keeper.standing(), Standing::Away(_)) && store.redis().up_since().is_some() {
                    // Redis is back; a client need not wait for the next attempt.
                    keeper.hurry(now());
                }
            }
            Some(Job::Delete { connection }) => keeper.delete(connection),
            Some(Job::Leave { done }) => {
                left = Some(done);
                keeper.leave(now());
            }
            None => {}
        }
    }
}
