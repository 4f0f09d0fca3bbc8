//! The task that keeps a node's lease and writes its records, the only one to do so.
//!
//! After a command without an answer it is unknown what Redis holds. The next renewal that succeeds then compares: it
//! deletes records of connections that are finished, and writes those that are missing. So nothing has to be kept of what
//! could not be written or deleted meanwhile.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
};

use log::{info, warn};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, sleep_until},
};

use super::{
    Member, Shared,
    store::{Recorded, Renewal, Store},
};
use crate::registry::cluster::{node::NodeId, redis::RedisError};

/// How many records are written or deleted with one command.
const BATCH: usize = 256;

/// What the keeper is asked to do.
pub(super) enum Job {
    Write { connection: Box<str>, record: Box<str>, done: oneshot::Sender<Result<(), String>> },
    Delete { connection: Box<str> },
    Leave { done: oneshot::Sender<()> },
}

/// See the module.
pub(super) struct Keeper {
    store: Store,
    shared: Arc<Shared>,
    info: String,
    /// Of the data in which the node has joined.
    epoch: Option<String>,
    /// How many records Redis should have.
    stored: i64,
    /// Whether it may be otherwise.
    in_doubt: bool,
    /// How many records could not be deleted since then.
    undeleted: i64,
    /// Since when Redis has been reached without interruption.
    reached_since: Option<std::time::Instant>,
    next_renewal: Instant,
}

/// Records that are written and deleted together.
#[derive(Default)]
struct Batch {
    written: Vec<(Box<str>, Box<str>)>,
    done: Vec<oneshot::Sender<Result<(), String>>>,
    deleted: Vec<Box<str>>,
    /// Of nodes that this process was before.
    deleted_before: BTreeMap<NodeId, Vec<Box<str>>>,
}

impl Keeper {
    pub(super) fn new(store: Store, shared: Arc<Shared>, info: String) -> Self {
        Self {
            store,
            shared,
            info,
            epoch: None,
            stored: 0,
            in_doubt: false,
            undeleted: 0,
            reached_since: None,
            next_renewal: Instant::now(),
        }
    }

    /// Until the node leaves, or its lease is dropped.
    pub(super) async fn run(mut self, mut jobs: mpsc::UnboundedReceiver<Job>) {
        let mut waiting = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                biased;
                () = sleep_until(self.next_renewal) => self.renew().await,
                count = jobs.recv_many(&mut waiting, BATCH) => {
                    if count == 0 {
                        return;
                    }
                    if let Some(left) = self.carry_out(waiting.drain(..)).await {
                        self.leave().await;
                        let _ = left.send(());
                        return;
                    }
                }
            }
        }
    }

    fn node(&self) -> NodeId {
        self.shared.member.load().node
    }

    /// Renews the lease, or joins.
    async fn renew(&mut self) {
        self.renew_once().await;
        self.shared.attempts.send_modify(|attempts| *attempts += 1);
    }

    async fn renew_once(&mut self) {
        let times = self.store.times();
        let begun = Instant::now();
        let reached_since = self.store.reached_since();
        let renewal = match self.ask_for_renewal().await {
            Some(Ok(renewal)) => renewal,
            Some(Err(error)) => return self.is_away(&error),
            None => return self.postpone(),
        };
        self.next_renewal = begun + times.renewal;
        let epoch = match renewal {
            Renewal::Lost => return self.was_declared_lost(),
            Renewal::Held { epoch, records } => {
                self.in_doubt |= records != self.stored;
                epoch
            }
            Renewal::Empty { epoch } => {
                warn!("node {}: Redis has lost its data; all records are written again", self.node());
                self.in_doubt = true;
                epoch
            }
        };
        // A Redis that was started anew may have forgotten the last that it was asked.
        self.in_doubt |= self.epoch.is_some() && reached_since != self.reached_since;
        self.reached_since = reached_since;
        self.epoch = Some(epoch);
        self.renewed(begun);
        if self.shared.is_away.swap(false, Ordering::Relaxed) {
            info!("node {}: the lease is renewed again", self.node());
        }
        if self.in_doubt
            && let Err(error) = self.compare().await
        {
            self.is_away(&error);
        }
    }

    /// Redis's answer; `None` if the system gives no random bytes.
    async fn ask_for_renewal(&self) -> Option<Result<Renewal, RedisError>> {
        // Any name that no other data has.
        let new_epoch = NodeId::random().ok()?.to_string();
        let epochs = (self.epoch.as_deref(), new_epoch.as_str());
        Some(self.store.renew(self.node(), &self.info, epochs).await)
    }

    /// Notes that the lease was renewed, by a command that was sent then.
    fn renewed(&self, begun: Instant) {
        self.shared.metrics.lease_renewed();
        *self.shared.renewed.lock() = Some(begun);
    }

    /// Makes Redis have the records of this node's connections, and no others. Renews the lease meanwhile, which many
    /// records and a slow Redis may outlast.
    async fn compare(&mut self) -> Result<(), RedisError> {
        let own = || self.shared.records.of(self.node());
        let compared = tokio::select! {
            compared = compare(&self.store, self.node(), own) => compared?,
            () = self.keep_renewing() => None,
        };
        let Some(stored) = compared else {
            // The next renewal finds out why.
            self.next_renewal = Instant::now();
            return Ok(());
        };
        self.stored = stored;
        self.in_doubt = false;
        self.count_deleted(0);
        Ok(())
    }

    /// Renews the lease until it is not held any more.
    async fn keep_renewing(&self) {
        loop {
            sleep(self.store.times().renewal).await;
            let begun = Instant::now();
            let Some(Ok(Renewal::Held { .. })) = self.ask_for_renewal().await else { return };
            self.renewed(begun);
        }
    }

    /// Another node takes this one's connections over. From now on this process is another node.
    fn was_declared_lost(&mut self) {
        let lost = self.node();
        let Ok(node) = NodeId::random() else { return self.postpone() };
        warn!(
            "node {lost} was declared lost: it has not renewed its lease in time. Its clients are closed, and another \
             node calls the cleanup function for them. This process joins again as node {node}"
        );
        self.shared.metrics.declared_lost.inc();
        let before = self.shared.member.swap(Member::new(node));
        self.shared.node.send_replace(node);
        before.declare_lost();
        self.epoch = None;
        self.stored = 0;
        self.in_doubt = false;
        self.next_renewal = Instant::now();
    }

    fn is_away(&mut self, error: &RedisError) {
        self.in_doubt = true;
        if !self.shared.is_away.swap(true, Ordering::Relaxed) {
            warn!("node {}: the lease is not renewed: {error}", self.node());
        }
        self.postpone();
    }

    fn postpone(&mut self) {
        self.next_renewal = Instant::now() + self.store.times().retry;
    }

    /// If the node is to leave, returns the sender that reports when it has.
    async fn carry_out(&mut self, jobs: impl Iterator<Item = Job>) -> Option<oneshot::Sender<()>> {
        let mut batch = Batch::default();
        let mut leave = None;
        for job in jobs {
            match job {
                Job::Write { connection, record, done } => {
                    batch.written.push((connection, record));
                    batch.done.push(done);
                }
                Job::Delete { connection } => match NodeId::of_connection(&connection) {
                    Some(node) if node != self.node() => {
                        batch.deleted_before.entry(node).or_default().push(connection);
                    }
                    _ => batch.deleted.push(connection),
                },
                Job::Leave { done } => leave = Some(done),
            }
        }
        self.write(batch).await;
        leave
    }

    async fn write(&mut self, batch: Batch) {
        if self.shared.is_away.load(Ordering::Relaxed) && self.store.reached_since().is_some() {
            // Redis is back; a client need not wait for the next attempt.
            self.renew().await;
        }
        let result = if self.shared.is_away.load(Ordering::Relaxed) {
            Err("Redis is unavailable".to_owned())
        } else {
            self.record(&batch).await
        };
        for done in batch.done {
            let _ = done.send(result.clone());
        }
        let deleted = batch.deleted.len() + batch.deleted_before.values().map(Vec::len).sum::<usize>();
        let deleted = i64::try_from(deleted).unwrap_or(i64::MAX);
        if result.is_ok() {
            self.count_deleted(deleted);
        } else {
            // The next comparison deletes those that are still in Redis.
            self.in_doubt = true;
            self.undeleted += deleted;
        }
    }

    fn count_deleted(&mut self, deleted: i64) {
        let before = if self.in_doubt { 0 } else { std::mem::take(&mut self.undeleted) };
        self.shared.metrics.records_to_delete.dec_by(deleted + before);
    }

    async fn record(&mut self, batch: &Batch) -> Result<(), String> {
        for (node, connections) in &batch.deleted_before {
            let connections: Vec<&str> = connections.iter().map(|id| &**id).collect();
            // A failure leaves a record that another node takes over: a cleanup too many.
            let _ = self.store.record(*node, &[], &connections).await;
        }
        let deleted: Vec<&str> = batch.deleted.iter().map(|id| &**id).collect();
        let mut written: Vec<(&str, &str)> =
            batch.written.iter().map(|(id, record)| (&**id, &**record)).collect();
        // The second attempt is for a lease that had to be renewed first.
        for _ in 0..2 {
            let node = self.node();
            let before = written.len();
            written.retain(|(id, _)| NodeId::of_connection(id) == Some(node));
            if written.len() < before {
                // The handshakes of this batch are refused, and may be tried again.
                return Err("this node was declared lost and joins again".to_owned());
            }
            if written.is_empty() && deleted.is_empty() {
                return Ok(());
            }
            match self.store.record(node, &written, &deleted).await {
                Ok((recorded, more)) => {
                    self.stored += more;
                    if recorded == Recorded::Ok {
                        return Ok(());
                    }
                    self.renew().await;
                }
                Err(error) => {
                    self.is_away(&error);
                    return Err(error.to_string());
                }
            }
        }
        Err("this node's lease is not renewed".to_owned())
    }

    async fn leave(&mut self) {
        if self.in_doubt {
            self.renew().await;
        }
        let node = self.node();
        match self.store.leave(node).await {
            Ok(0) => info!("node {node} has left the cluster"),
            Ok(left) => warn!("node {node} has left the cluster, and {left} clients to the other nodes"),
            Err(error) => warn!(
                "node {node} could not leave the cluster in order; the others find out when its lease ends: {error}"
            ),
        }
    }
}

/// Makes Redis have these records of a node, which are asked for when it is known which ones it has. How many there are
/// now; `None` if nothing may be written.
pub(super) async fn compare(
    store: &Store,
    node: NodeId,
    own: impl FnOnce() -> HashMap<Box<str>, Box<str>>,
) -> Result<Option<i64>, RedisError> {
    let mut there = HashSet::new();
    let mut cursor = 0;
    loop {
        let page = store.records(node, cursor).await?;
        there.extend(page.records.into_iter().map(|(connection, _)| connection));
        cursor = page.cursor;
        if cursor == 0 {
            break;
        }
    }
    // Later than what Redis holds: what has ended meanwhile is a job that waits.
    let own = own();
    let deleted: Vec<&str> = there.iter().map(String::as_str).filter(|id| !own.contains_key(*id)).collect();
    let missing = own.iter().filter(|(id, _)| !there.contains(&***id));
    let written: Vec<(&str, &str)> = missing.map(|(id, record)| (&**id, &**record)).collect();
    let mut stored = i64::try_from(there.len()).unwrap_or(i64::MAX);
    for deleted in deleted.chunks(BATCH) {
        stored += store.record(node, &[], deleted).await?.1;
    }
    for written in written.chunks(BATCH) {
        let (recorded, more) = store.record(node, written, &[]).await?;
        if recorded != Recorded::Ok {
            return Ok(None);
        }
        stored += more;
    }
    if !(written.is_empty() && deleted.is_empty()) {
        info!("node {node}: {} records written again, {} deleted", written.len(), deleted.len());
    }
    Ok(Some(stored))
}
