//! What a take-over consists of, as values: the node does it, and the tests do.

use std::collections::HashSet;

use crate::registry::{
    Cleaned, ConnectionRecord,
    cluster::{
        lease::store::{Claim, Page, Seen, Store},
        node::NodeId,
        redis::RedisError,
    },
};

/// What is to be begun.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    /// Look at all nodes. The number of connections to Redis tells the data apart.
    Look {
        connects: u64,
    },
    Claim {
        lost: NodeId,
        by: NodeId,
        is_gone: bool,
    },
    Keep {
        lost: NodeId,
        by: NodeId,
    },
    Scan {
        lost: NodeId,
        cursor: u64,
    },
    Settle {
        lost: NodeId,
        connection: Box<str>,
    },
    Finish {
        lost: NodeId,
        by: NodeId,
    },
    /// Call the cleanup function.
    Clean {
        lost: NodeId,
        connection: Box<str>,
        record: ConnectionRecord,
    },
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum WorkOutcome {
    Looked(String, Vec<Seen>),
    Claimed(Claim),
    Kept(bool),
    Scanned(Page),
    Settled,
    Finished(Option<usize>, String),
    Cleaned(Cleaned),
}

impl Work {
    /// Asks Redis; `None` if it is the cleanup function that is to be called.
    pub(crate) async fn ask(&self, store: &Store) -> Option<Result<WorkOutcome, RedisError>> {
        Some(match self {
            Self::Look { .. } => store.nodes().await.map(|(epoch, seen)| WorkOutcome::Looked(epoch, seen)),
            Self::Claim { lost, by, is_gone } => {
                store.claim(*lost, *by, *is_gone).await.map(WorkOutcome::Claimed)
            }
            Self::Keep { lost, by } => store.keep_claim(*lost, *by).await.map(WorkOutcome::Kept),
            Self::Scan { lost, cursor } => store.records(*lost, *cursor).await.map(WorkOutcome::Scanned),
            Self::Settle { lost, connection } => {
                store.settle(*lost, connection).await.map(|()| WorkOutcome::Settled)
            }
            Self::Finish { lost, by } => {
                store.finish(*lost, *by).await.map(|(left, epoch)| WorkOutcome::Finished(left, epoch))
            }
            Self::Clean { .. } => return None,
        })
    }

    /// Whose take-over it is a part of.
    pub(super) fn lost(&self) -> Option<NodeId> {
        match self {
            Self::Look { .. } => None,
            Self::Claim { lost, .. }
            | Self::Keep { lost, .. }
            | Self::Scan { lost, .. }
            | Self::Settle { lost, .. }
            | Self::Finish { lost, .. }
            | Self::Clean { lost, .. } => Some(*lost),
        }
    }
}

/// Cleanups that were called and may still have a record, because Redis was away.
#[derive(Debug, Default)]
pub(super) struct Unsettled(HashSet<Box<str>>);

impl Unsettled {
    /// How many are remembered.
    const MAX: usize = 100_000;

    pub(super) fn contains(&self, connection: &str) -> bool {
        self.0.contains(connection)
    }

    pub(super) fn insert(&mut self, connection: Box<str>) {
        if self.0.len() < Self::MAX {
            self.0.insert(connection);
        }
    }

    pub(super) fn remove(&mut self, connection: &str) {
        self.0.remove(connection);
    }
}
