//! How a node keeps its lease and its records, step by step and without I/O: [`Keeper::next`] says which command Redis is
//! to run now, [`Keeper::replied`] takes what became of it. One command runs at a time.
//!
//! After a command without an answer it is unknown what Redis holds. The next renewal that succeeds then begins a
//! [`Comparison`]: records of connections that are finished are deleted, and those that are missing are written. So nothing
//! has to be kept of what could not be written or deleted meanwhile.

use std::{collections::VecDeque, time::Instant};

use log::{info, warn};

use super::{
    command::{BATCH, LeaseCommand, Records, Reply},
    comparison::Comparison,
    knowledge::Knowledge,
    store::{DataVersion, Recorded, Renewal, Renewed},
    times::LeaseTimes,
};
use crate::registry::cluster::{node::NodeId, redis::RedisError};

/// What is to be done next.
#[derive(Debug)]
pub(super) enum Next {
    Run(LeaseCommand),
    /// Nothing until then, unless something is asked of the keeper.
    Wait(Instant),
    /// The node has left.
    Left,
}

/// How the node stands with Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Redis does not answer. The reason is a part of a sentence.
    Away(String),
    /// Redis answers, and refuses to renew the lease.
    Refused(String),
    /// Redis does not know the node, which may have been declared lost. The node waits until this time before it joins again.
    Stranger(Instant),
    /// The lease was renewed the last time.
    Held {
        /// Redis has no memory for further records.
        is_full: bool,
    },
}

/// A record to be written, and by which number its outcome is asked for.
#[derive(Debug)]
struct Write {
    number: u64,
    connection: Box<str>,
    record: Box<str>,
    was_tried: bool,
}

/// What this process was called before it was declared lost.
#[derive(Debug, Clone)]
pub(super) struct Before {
    #[cfg(test)]
    pub(super) node: NodeId,
    /// In which its records were complete; `None` if in doubt.
    pub(super) epoch: Option<String>,
}

/// See the module.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts, each of its own")]
pub(super) struct Keeper {
    times: LeaseTimes,
    info: String,
    node: NodeId,
    standing: Standing,
    /// Of the data in which the node has joined.
    epoch: Option<String>,
    /// When the last renewal that succeeded was sent.
    renewed: Option<Instant>,
    connects: u64,
    next_renewal: Instant,
    sent: Option<(LeaseCommand, Instant)>,
    /// The data in which Redis may lack this node's knowledge of the others.
    remember: Option<DataVersion>,
    /// How many records Redis should have.
    stored: i64,
    /// Whether Redis may hold other records than these.
    in_doubt: bool,
    comparison: Option<Comparison>,
    writes: VecDeque<Write>,
    /// Those that the last command writes.
    writing: Vec<Write>,
    deletions: VecDeque<Box<str>>,
    /// How many deletions could not be carried out since the last comparison.
    undeleted: usize,
    is_leaving: bool,
    has_left: bool,
    outcomes: Vec<(u64, Result<(), String>)>,
    deleted: usize,
    before: Option<Before>,
    /// Whether the missed renewal has been logged.
    is_logged: bool,
}

impl Keeper {
    pub(super) fn new(node: NodeId, info: String, times: LeaseTimes, now: Instant) -> Self {
        Self {
            times,
            info,
            node,
            standing: Standing::Away("not connected yet".to_owned()),
            epoch: None,
            renewed: None,
            connects: 0,
            next_renewal: now,
            sent: None,
            remember: None,
            stored: 0,
            in_doubt: false,
            comparison: None,
            writes: VecDeque::new(),
            writing: Vec::new(),
            deletions: VecDeque::new(),
            undeleted: 0,
            is_leaving: false,
            has_left: false,
            outcomes: Vec::new(),
            deleted: 0,
            before: None,
            is_logged: false,
        }
    }

    pub(super) fn node(&self) -> NodeId {
        self.node
    }

    pub(super) fn standing(&self) -> &Standing {
        &self.standing
    }

    /// When the last renewal that succeeded was sent: no other node can declare this one lost within a lease of it.
    pub(super) fn renewed(&self) -> Option<Instant> {
        self.renewed
    }

    /// Asks for a record to be written.
    pub(super) fn write(&mut self, number: u64, connection: Box<str>, record: Box<str>) {
        self.writes.push_back(Write { number, connection, record, was_tried: false });
    }

    /// Asks for a record to be deleted, also one of a node that this process was before.
    pub(super) fn delete(&mut self, connection: Box<str>) {
        self.deletions.push_back(connection);
    }

    /// Ends once everything before was dealt with.
    pub(super) fn leave(&mut self, now: Instant) {
        self.is_leaving = true;
        if self.in_doubt {
            self.next_renewal = now;
        }
    }

    /// Renews at once: Redis may be there again.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.next_renewal = now;
    }

    /// What has become of writes since the last call.
    pub(super) fn take_outcomes(&mut self) -> Vec<(u64, Result<(), String>)> {
        std::mem::take(&mut self.outcomes)
    }

    /// How many deletions were carried out since the last call.
    pub(super) fn take_deleted(&mut self) -> usize {
        std::mem::take(&mut self.deleted)
    }

    /// What this process was before, once after it was declared lost.
    pub(super) fn take_before(&mut self) -> Option<Before> {
        self.before.take()
    }

    /// Whether Redis has all records of this node, and no others.
    #[cfg(test)]
    pub(super) fn is_complete(&self) -> bool {
        !self.in_doubt && self.comparison.is_none() && matches!(self.standing, Standing::Held { .. })
    }

    /// What is to be done now.
    pub(super) fn next(&mut self, now: Instant, knowledge: &Knowledge) -> Next {
        if self.has_left {
            return Next::Left;
        }
        self.refuse_writes();
        let is_due = now >= self.next_renewal;
        let command = is_due
            .then(|| self.renewal(now))
            .or_else(|| self.remember.take().map(|to| LeaseCommand::Remember(knowledge.to_remember(to))))
            .or_else(|| self.comparison.as_mut().and_then(Comparison::next))
            .or_else(|| self.batch())
            .or_else(|| self.is_leaving.then_some(LeaseCommand::Leave { node: self.node }));
        match command {
            Some(command) => {
                self.sent = Some((command.clone(), now));
                Next::Run(command)
            }
            None => Next::Wait(self.next_renewal),
        }
    }

    fn renewal(&self, now: Instant) -> LeaseCommand {
        let may_join = match self.standing {
            Standing::Stranger(until) => now >= until,
            // Nobody can have declared it lost.
            _ => self.renewed.is_none_or(|renewed| now < renewed + self.times.lease),
        };
        // Any name that no other data has.
        let new_epoch = NodeId::random().map_or_else(|_| format!("{now:?}"), |name| name.to_string());
        LeaseCommand::Renew {
            node: self.node,
            info: self.info.clone(),
            epoch: self.epoch.clone(),
            new_epoch,
            may_join,
        }
    }

    /// Answers the writes for which there is no hope now.
    fn refuse_writes(&mut self) {
        let reason = match &self.standing {
            Standing::Held { .. } => None,
            Standing::Away(reason) => Some(format!("Redis is unavailable: {reason}")),
            Standing::Refused(reason) => Some(format!("Redis refused a command: {reason}")),
            Standing::Stranger(_) => Some("Redis has lost its data, and this node joins again".to_owned()),
        };
        let node = self.node;
        let outcomes = &mut self.outcomes;
        self.writes.retain(|write| {
            let reason = match &reason {
                // The handshake is refused, and may be tried again.
                None if NodeId::of_connection(&write.connection) != Some(node) => {
                    "this node was declared lost and joins again"
                }
                None => return true,
                Some(reason) => reason,
            };
            outcomes.push((write.number, Err(reason.to_owned())));
            false
        });
        if let Standing::Away(_) = self.standing
            && !self.deletions.is_empty()
        {
            // The next comparison deletes them.
            self.undeleted += self.deletions.len();
            self.deletions.clear();
            self.in_doubt = true;
        }
    }

    /// The next writes, and deletions of the same node.
    fn batch(&mut self) -> Option<LeaseCommand> {
        let node = match self.deletions.front().and_then(|id| NodeId::of_connection(id)) {
            Some(before) if before != self.node && self.writes.is_empty() => before,
            _ => self.node,
        };
        if node == self.node {
            let count = self.writes.len().min(BATCH);
            self.writing = self.writes.drain(..count).collect();
        }
        let mut deleted = Vec::new();
        self.deletions.retain(|id| {
            // An id that cannot be parsed belongs to no other node.
            let is_taken =
                deleted.len() < BATCH && NodeId::of_connection(id).is_none_or(|owner| owner == node);
            if is_taken {
                deleted.push(id.clone());
            }
            !is_taken
        });
        if self.writing.is_empty() && deleted.is_empty() {
            return None;
        }
        let written = self.writing.iter().map(|write| (write.connection.clone(), write.record.clone()));
        Some(LeaseCommand::Record { node, written: written.collect(), deleted })
    }

    /// Takes what became of the last command. `connects` is how many connections to Redis were made before it was sent,
    /// `own` are the records that a node should have.
    pub(super) fn replied(
        &mut self,
        (now, connects): (Instant, u64),
        reply: Result<Reply, RedisError>,
        own: impl FnOnce(NodeId) -> Records,
        knowledge: &mut Knowledge,
    ) {
        let Some((command, sent)) = self.sent.take() else { return };
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => return self.failed(&command, error, now),
        };
        match (command, reply) {
            (_, Reply::Renewed(renewal)) => self.renewal_replied(renewal, (sent, now), connects, knowledge),
            (LeaseCommand::Remember(remembered), _) => {
                knowledge.remembered(remembered);
            }
            (_, Reply::Scanned(page)) => {
                if let Some(comparison) = &mut self.comparison {
                    comparison.scanned(page, own);
                }
                self.end_comparison();
            }
            (LeaseCommand::Record { node, deleted, .. }, Reply::Recorded(recorded, more)) => {
                self.recorded((node, deleted.len()), recorded, more, now);
            }
            (_, Reply::Left(left)) => self.left(left),
            _ => {}
        }
    }

    fn renewal_replied(
        &mut self,
        renewal: Renewal,
        (sent, now): (Instant, Instant),
        connects: u64,
        knowledge: &Knowledge,
    ) {
        // A Redis that was started anew may have forgotten the last that it was asked.
        self.in_doubt |= self.epoch.is_some() && connects != self.connects;
        self.connects = connects;
        let epoch = match renewal {
            Renewal::Lost => return self.was_declared_lost(now),
            Renewal::Unknown { epoch } => {
                if !matches!(self.standing, Standing::Stranger(_)) {
                    warn!(
                        "node {}: Redis has lost its data, and this node waits for a lease to join again",
                        self.node
                    );
                    self.is_logged = true;
                    self.standing = Standing::Stranger(now + self.times.lease);
                }
                self.next_renewal = sent + self.times.look;
                epoch
            }
            Renewal::Joined(renewed) => {
                if self.epoch.is_some() {
                    warn!("node {}: Redis has lost its data; all records are written again", self.node);
                    self.in_doubt = true;
                }
                self.hold(renewed, sent)
            }
            Renewal::Held(renewed) => {
                self.in_doubt |= self.comparison.is_none() && renewed.records != self.stored;
                self.hold(renewed, sent)
            }
        };
        let version = DataVersion { epoch, connects };
        self.remember = (!knowledge.is_written_to(&version)).then_some(version);
        if self.in_doubt && self.comparison.is_none() && matches!(self.standing, Standing::Held { .. }) {
            self.comparison = Some(Comparison::new(self.node));
        }
    }

    fn hold(&mut self, renewed: Renewed, sent: Instant) -> String {
        if std::mem::take(&mut self.is_logged) {
            info!("node {}: the lease is renewed again", self.node);
        }
        let was_full = matches!(self.standing, Standing::Held { is_full: true });
        if renewed.is_full && !was_full {
            warn!("node {}: Redis has no memory for further clients: raise its maxmemory", self.node);
        }
        self.standing = Standing::Held { is_full: renewed.is_full };
        self.renewed = Some(sent);
        self.next_renewal = sent + self.times.renewal;
        self.epoch = Some(renewed.epoch.clone());
        renewed.epoch
    }

    /// Another node takes this one's connections over. From now on this process is another node.
    fn was_declared_lost(&mut self, now: Instant) {
        let lost = self.node;
        let Ok(node) = NodeId::random() else {
            self.next_renewal = now + self.times.retry;
            return;
        };
        warn!(
            "node {lost} was declared lost: it has not renewed its lease in time. Its clients are closed, and another \
             node calls the cleanup function for them. This process joins again as node {node}"
        );
        let epoch = self.epoch.take().filter(|_| !self.in_doubt && self.comparison.is_none());
        self.before = Some(Before {
            #[cfg(test)]
            node: lost,
            epoch,
        });
        self.node = node;
        self.standing = Standing::Away("this node joins again".to_owned());
        self.renewed = None;
        self.stored = 0;
        self.in_doubt = false;
        self.comparison = None;
        self.next_renewal = now;
    }

    fn recorded(&mut self, (node, deleted): (NodeId, usize), recorded: Recorded, more: i64, now: Instant) {
        if let Some(comparison) = self.comparison.as_mut().filter(|comparison| comparison.is_writing()) {
            comparison.recorded(recorded, more);
            if recorded == Recorded::Ok {
                return self.end_comparison();
            }
            self.comparison = None;
            if recorded != Recorded::Full {
                // The next renewal finds out why.
                self.next_renewal = now;
            }
            return;
        }
        self.deleted += deleted;
        if node == self.node {
            self.stored += more;
        }
        for write in std::mem::take(&mut self.writing) {
            let outcome = match recorded {
                Recorded::Ok => Ok(()),
                Recorded::Expired | Recorded::Lost if !write.was_tried => {
                    // The lease has to be renewed first.
                    self.next_renewal = now;
                    self.writes.push_front(Write { was_tried: true, ..write });
                    continue;
                }
                Recorded::Expired | Recorded::Lost => Err("this node's lease is not renewed".to_owned()),
                Recorded::Full => {
                    self.in_doubt = true;
                    Err("Redis has no memory for it: raise its maxmemory".to_owned())
                }
            };
            self.outcomes.push((write.number, outcome));
        }
    }

    fn end_comparison(&mut self) {
        let Some((stored, written, deleted)) = self.comparison.as_ref().and_then(Comparison::ended) else {
            return;
        };
        if written + deleted > 0 {
            info!("node {}: {written} records written again, {deleted} deleted", self.node);
        }
        self.comparison = None;
        self.stored = stored;
        self.in_doubt = false;
        self.deleted += std::mem::take(&mut self.undeleted);
    }

    fn left(&mut self, left: usize) {
        self.has_left = true;
        let node = self.node;
        match left {
            0 => info!("node {node} has left the cluster"),
            1 => warn!("node {node} has left the cluster, and one client to the other nodes"),
            left => warn!("node {node} has left the cluster, and {left} clients to the other nodes"),
        }
    }

    fn failed(&mut self, command: &LeaseCommand, error: RedisError, now: Instant) {
        if let LeaseCommand::Leave { node } = command {
            self.has_left = true;
            return warn!(
                "node {node} could not leave the cluster in order; the others find out when its lease ends: {error}"
            );
        }
        if let LeaseCommand::Record { deleted, .. } = command {
            self.in_doubt = true;
            if self.comparison.is_none() {
                self.undeleted += deleted.len();
            }
            for write in std::mem::take(&mut self.writing) {
                self.outcomes.push((write.number, Err(error.to_string())));
            }
        }
        self.comparison = None;
        if let (LeaseCommand::Remember(_), RedisError::Refused(_)) = (command, &error) {
            // For want of memory: the next renewal tries again.
            return;
        }
        self.in_doubt = true;
        if !std::mem::replace(&mut self.is_logged, true) {
            warn!("node {}: the lease is not renewed: {error}", self.node);
        }
        self.standing = match error {
            RedisError::Unavailable(reason) => Standing::Away(reason),
            RedisError::Refused(reason) => Standing::Refused(reason),
        };
        self.next_renewal = now + if self.is_leaving { self.times.lease } else { self.times.retry };
    }
}
