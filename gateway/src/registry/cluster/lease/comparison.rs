//! Makes Redis have the records of a node's connections, and no others: reads which ones it has, then deletes and writes the
//! difference.

use std::collections::{HashSet, VecDeque};

use super::{
    command::{BATCH, LeaseCommand, Records},
    store::{Page, Recorded},
};
use crate::registry::cluster::node::NodeId;

/// A comparison that is under way.
#[derive(Debug)]
pub(super) struct Comparison {
    node: NodeId,
    there: HashSet<Box<str>>,
    /// `None` once everything was read.
    cursor: Option<u64>,
    todo: VecDeque<LeaseCommand>,
    stored: i64,
    written: usize,
    deleted: usize,
}

impl Comparison {
    pub(super) fn new(node: NodeId) -> Self {
        Self {
            node,
            there: HashSet::new(),
            cursor: Some(0),
            todo: VecDeque::new(),
            stored: 0,
            written: 0,
            deleted: 0,
        }
    }

    /// The next command.
    pub(super) fn next(&mut self) -> Option<LeaseCommand> {
        match self.cursor {
            Some(cursor) => Some(LeaseCommand::Scan { node: self.node, cursor }),
            None => self.todo.front().cloned(),
        }
    }

    /// Whether the last command was to write or to delete.
    pub(super) fn is_writing(&self) -> bool {
        self.cursor.is_none()
    }

    pub(super) fn scanned(&mut self, page: Page, own: impl FnOnce(NodeId) -> Records) {
        self.there.extend(page.records.into_iter().map(|(connection, _)| connection.into_boxed_str()));
        self.cursor = (page.cursor != 0).then_some(page.cursor);
        if self.cursor.is_none() {
            // Later than what Redis holds: what has ended meanwhile is a deletion that waits.
            self.plan(&own(self.node));
        }
    }

    fn plan(&mut self, own: &Records) {
        let deleted: Vec<Box<str>> = self.there.iter().filter(|id| !own.contains_key(*id)).cloned().collect();
        let missing = own.iter().filter(|(id, _)| !self.there.contains(*id));
        let written: Vec<_> = missing.map(|(id, record)| (id.clone(), record.clone())).collect();
        (self.written, self.deleted) = (written.len(), deleted.len());
        self.stored = i64::try_from(self.there.len()).unwrap_or(i64::MAX);
        let node = self.node;
        let deletions = deleted.chunks(BATCH).map(|deleted| (Vec::new(), deleted.to_vec()));
        let writes = written.chunks(BATCH).map(|written| (written.to_vec(), Vec::new()));
        let commands = deletions.chain(writes);
        self.todo =
            commands.map(|(written, deleted)| LeaseCommand::Record { node, written, deleted }).collect();
    }

    pub(super) fn recorded(&mut self, recorded: Recorded, more: i64) {
        self.stored += more;
        if recorded == Recorded::Ok {
            self.todo.pop_front();
        }
    }

    /// Once everything is done: how many records there are now, and how many were written and deleted.
    pub(super) fn ended(&self) -> Option<(i64, usize, usize)> {
        (self.cursor.is_none() && self.todo.is_empty()).then_some((self.stored, self.written, self.deleted))
    }
}
