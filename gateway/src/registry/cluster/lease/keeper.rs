//! How a node keeps its lease and its records, step by step and without I/O: [`Keeper::next`] says which command Redis is
//! to run now, [`Keeper::replied`] takes what became of it. One command runs at a time.
//!
//! After a command without an answer it is unknown what Redis holds. The next renewal that succeeds then begins a
//! [`Comparison`]: records of connections that are finished are deleted, and those that are missing are written. So nothing
//! has to be kept of what could not be written or deleted meanwhile.

mod replies;

use std::{collections::VecDeque, time::Instant};

use super::{
    command::{BATCH, LeaseCommand},
    comparison::Comparison,
    knowledge::Knowledge,
    store::DataVersion,
    times::LeaseTimes,
};
use crate::registry::cluster::node::NodeId;

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
}
