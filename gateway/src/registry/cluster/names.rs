//! The names of keys and channels in Redis; [`cluster`](super) has the list.

use super::NodeId;

/// What every name begins with.
pub const PREFIX: &str = "scf-ws:";

/// The key that exists as long as a node is alive.
#[must_use]
pub fn node_key(node: NodeId) -> String {
    format!("{PREFIX}node:{node}")
}

/// The channel of what the other nodes send to a node. Channels are the same in all databases, so the name says which.
#[must_use]
pub fn channel(database: i64, node: NodeId) -> String {
    format!("{PREFIX}{database}:to:{node}")
}
