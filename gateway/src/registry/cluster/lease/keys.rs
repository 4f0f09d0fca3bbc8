//! The names of what a cluster keeps in Redis. All of them have one hash tag, so that a sharded Redis keeps them in one
//! place; [`cluster`](crate::registry::cluster) lists what they hold.

use crate::registry::cluster::{node::NodeId, redis::PREFIX};

fn of(kind: &str, node: NodeId) -> String {
    format!("{PREFIX}{kind}:{node}")
}

/// There as long as the node renews it.
pub(crate) fn lease(node: NodeId) -> String {
    of("node", node)
}

/// What the name of each lease begins with.
pub(super) fn leases() -> String {
    format!("{PREFIX}node:")
}

/// A hash of all nodes that may have records, with what each says of itself.
pub(super) fn nodes() -> String {
    format!("{PREFIX}nodes")
}

/// A hash of the node's connections, with what cleanup needs.
pub(super) fn connections(node: NodeId) -> String {
    of("connections", node)
}

/// Which node takes a lost one over.
pub(super) fn claim(node: NodeId) -> String {
    of("claim", node)
}

/// There once the node was declared lost, with the time, and the epoch in which its take-over ended.
pub(super) fn lost(node: NodeId) -> String {
    of("lost", node)
}

/// The set of a lost node's connections whose cleanup other nodes have called.
pub(super) fn done(node: NodeId) -> String {
    of("done", node)
}

/// A name for the data of this Redis: another one, or none, if the data was lost.
pub(super) fn epoch() -> String {
    format!("{PREFIX}epoch")
}

/// There as long as any node reaches this Redis.
pub(super) fn pulse() -> String {
    format!("{PREFIX}pulse")
}

/// There for the time of a lease after an interruption: no node is declared lost meanwhile.
pub(super) fn grace() -> String {
    format!("{PREFIX}grace")
}

/// The channel of what the other nodes send to a node. Channels are the same in all databases, so the name says which.
pub(crate) fn channel(database: i64, node: NodeId) -> String {
    format!("{PREFIX}{database}:to:{node}")
}
