//! The names of what a cluster keeps in Redis.

use crate::registry::cluster::{names::PREFIX, node::NodeId};

/// The keys of a cluster; see the module [`lease`](super) for what they hold.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    prefix: Box<str>,
}

impl Default for Keys {
    fn default() -> Self {
        Self { prefix: PREFIX.into() }
    }
}

impl Keys {
    fn of(&self, kind: &str, node: NodeId) -> String {
        format!("{}{kind}:{node}", self.prefix)
    }

    /// There as long as the node renews it.
    pub(super) fn lease(&self, node: NodeId) -> String {
        self.of("node", node)
    }

    /// A hash of all nodes that may have records, with what each says of itself.
    pub(super) fn nodes(&self) -> String {
        format!("{}nodes", self.prefix)
    }

    /// A hash of the node's connections, with what cleanup needs.
    pub(super) fn connections(&self, node: NodeId) -> String {
        self.of("connections", node)
    }

    /// Which node takes a lost one over.
    pub(super) fn claim(&self, node: NodeId) -> String {
        self.of("claim", node)
    }

    /// There once the node was declared lost, with the time.
    pub(super) fn lost(&self, node: NodeId) -> String {
        self.of("lost", node)
    }

    /// The set of a lost node's connections whose cleanup other nodes have carried out.
    pub(super) fn done(&self, node: NodeId) -> String {
        self.of("done", node)
    }

    /// A name for the data of this Redis: another one, or none, if the data was lost.
    pub(super) fn epoch(&self) -> String {
        format!("{}epoch", self.prefix)
    }

    /// There as long as any node reaches this Redis.
    pub(super) fn pulse(&self) -> String {
        format!("{}pulse", self.prefix)
    }

    /// There for the time of a lease after an interruption: no node is declared lost meanwhile.
    pub(super) fn grace(&self) -> String {
        format!("{}grace", self.prefix)
    }
}
