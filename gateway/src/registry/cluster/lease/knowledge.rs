//! What a node knows of the others by itself, so that a Redis that loses its data can be given it back, and pushes to a
//! lost node's clients are answered at once.

use std::collections::{HashMap, VecDeque};

use super::store::{DataVersion, Fate, Remembered, Seen};
use crate::registry::cluster::node::NodeId;

/// How many lost nodes are remembered, the last ones.
const MAX_LOST: usize = 1000;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Knowledge {
    /// Nodes that were declared lost, each with the epoch in which its take-over ended.
    lost: HashMap<NodeId, Option<String>>,
    /// The oldest first.
    order: VecDeque<NodeId>,
    /// The other nodes that may have records, with what they say of themselves.
    known: HashMap<NodeId, String>,
    /// The data to which all of this was written last.
    written_to: Option<DataVersion>,
}

impl Knowledge {
    /// Whether the node was declared lost.
    pub(crate) fn is_lost(&self, node: NodeId) -> bool {
        self.lost.contains_key(&node)
    }

    /// A node was declared lost; with the epoch if its take-over has ended.
    pub(crate) fn note_lost(&mut self, node: NodeId, ended_in: Option<String>) {
        self.known.remove(&node);
        if let Some(known) = self.lost.get_mut(&node) {
            *known = ended_in.or(known.take());
            return;
        }
        if self.order.len() == MAX_LOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.lost.remove(&oldest);
        }
        self.order.push_back(node);
        self.lost.insert(node, ended_in);
    }

    /// Whether a node that does not answer is gone with its connections, as far as Redis and this node know. `is_settled`
    /// says that nodes have had the time to write again what Redis may have lost.
    pub(crate) fn is_gone(&mut self, node: NodeId, fate: Fate, is_settled: bool) -> bool {
        if fate == Fate::Gone {
            self.note_lost(node, None);
        }
        self.is_lost(node) || fate == Fate::Absent && is_settled
    }

    /// These are the nodes in Redis's data of this version. Passed over if it is not the version that this node has
    /// written to: it may lack some.
    pub(crate) fn note_seen(&mut self, seen: &[Seen], version: &DataVersion) -> bool {
        if !self.is_written_to(version) {
            return false;
        }
        let before = std::mem::take(&mut self.known);
        for (node, _) in before.into_iter().filter(|(node, _)| !seen.iter().any(|seen| seen.node == *node)) {
            // It has left, or was taken over: its connections are gone in either case.
            self.note_lost(node, None);
        }
        let others = seen.iter().filter(|seen| !self.lost.contains_key(&seen.node));
        self.known = others.map(|seen| (seen.node, seen.info.clone())).collect();
        true
    }

    /// Whether all of this was written to this data.
    pub(crate) fn is_written_to(&self, version: &DataVersion) -> bool {
        self.written_to.as_ref() == Some(version)
    }

    /// What is to be written to this data.
    pub(crate) fn to_remember(&self, to: DataVersion) -> Remembered {
        let lost = self.order.iter().map(|node| (*node, self.lost.get(node).cloned().flatten()));
        let known = self.known.iter().map(|(node, info)| (*node, info.clone()));
        Remembered { lost: lost.collect(), known: known.collect(), to }
    }

    /// It was written.
    pub(crate) fn remembered(&mut self, remembered: Remembered) {
        self.written_to = Some(remembered.to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: usize) -> NodeId {
        let mut bytes = [0; 6];
        bytes[..2].copy_from_slice(&u16::try_from(number).expect("a small number").to_be_bytes());
        NodeId::from_bytes(bytes)
    }

    fn version(epoch: &str) -> DataVersion {
        DataVersion { epoch: epoch.to_owned(), connects: 1 }
    }

    #[test]
    fn what_was_seen_counts_only_in_the_data_that_was_written_to() {
        let mut knowledge = Knowledge::default();
        let seen = |number| Seen { node: node(number), info: String::new(), lease_left: None };
        assert!(!knowledge.note_seen(&[seen(1)], &version("a")));
        let nothing = knowledge.to_remember(version("a"));
        knowledge.remembered(nothing);
        assert!(knowledge.note_seen(&[seen(1), seen(2)], &version("a")));
        assert!(!knowledge.note_seen(&[], &version("b")), "the data of b may lack them");
        assert_eq!(knowledge.to_remember(version("b")).known.len(), 2);
        assert!(knowledge.note_seen(&[seen(1)], &version("a")));
        assert!(knowledge.is_lost(node(2)), "it has left");
    }

    #[test]
    fn lost_nodes_are_remembered_up_to_a_bound_and_the_end_of_their_take_over_is_kept() {
        let mut knowledge = Knowledge::default();
        for number in 0..=MAX_LOST {
            knowledge.note_lost(node(number), Some("a".to_owned()));
            knowledge.note_lost(node(number), None);
        }
        assert!(!knowledge.is_lost(node(0)) && knowledge.is_lost(node(1)));
        let remembered = knowledge.to_remember(version("b"));
        assert_eq!(remembered.lost.len(), MAX_LOST);
        assert!(remembered.lost.iter().all(|(_, ended_in)| ended_in.as_deref() == Some("a")));
    }
}
