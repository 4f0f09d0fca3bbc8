//! What the keeper asks of Redis, as values: the node runs them, and the tests do.

use std::collections::HashMap;

use super::store::{Page, Recorded, Remembered, Renewal, Store};
use crate::registry::cluster::{node::NodeId, redis::RedisError};

/// How many records are written or deleted with one command.
pub(super) const BATCH: usize = 256;

/// Records by connection.
pub(super) type Records = HashMap<Box<str>, Box<str>>;

/// What Redis is asked.
#[derive(Debug, Clone)]
pub(super) enum LeaseCommand {
    Renew { node: NodeId, info: String, epoch: Option<String>, new_epoch: String, may_join: bool },
    Remember(Remembered),
    Scan { node: NodeId, cursor: u64 },
    Record { node: NodeId, written: Vec<(Box<str>, Box<str>)>, deleted: Vec<Box<str>> },
    Leave { node: NodeId },
}

/// Redis's answer.
#[derive(Debug)]
pub(super) enum Reply {
    Renewed(Renewal),
    Remembered,
    Scanned(Page),
    Recorded(Recorded, i64),
    Left(usize),
}

impl LeaseCommand {
    pub(super) async fn run(&self, store: &Store) -> Result<Reply, RedisError> {
        match self {
            Self::Renew { node, info, epoch, new_epoch, may_join } => {
                let epochs = (epoch.as_deref(), new_epoch.as_str());
                store.renew(*node, info, epochs, *may_join).await.map(Reply::Renewed)
            }
            Self::Remember(remembered) => store.remember(remembered).await.map(|()| Reply::Remembered),
            Self::Scan { node, cursor } => store.records(*node, *cursor).await.map(Reply::Scanned),
            Self::Record { node, written, deleted } => {
                let (recorded, more) = store.record(*node, written, deleted).await?;
                Ok(Reply::Recorded(recorded, more))
            }
            Self::Leave { node } => store.leave(*node).await.map(Reply::Left),
        }
    }
}
