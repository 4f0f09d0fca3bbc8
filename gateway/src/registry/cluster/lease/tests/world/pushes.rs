//! Pushes, and what their answers promise: 404 says that the connection is gone, so that its node must not go on serving it.

use redis::cmd;

use super::World;
use crate::registry::cluster::{
    lease::{command::LeaseCommand, keeper::Standing, keys, store::DataVersion, tests::clock::LEASE},
    node::NodeId,
};

impl World {
    /// A function pushes through this node to a client. The answer matters where its node has it, and does not answer.
    pub(super) async fn push(&mut self, n: usize, number: usize) {
        let Some(client) = self.clients.keys().nth(number % self.clients.len().max(1)).cloned() else {
            return;
        };
        let owner = NodeId::of_connection(&client).expect("an id");
        let asked = &self.nodes[n];
        if owner == asked.keeper.node() {
            return;
        }
        let is_reached =
            self.nodes.iter().any(|node| node.keeper.node() == owner && !node.stopped && !node.cut);
        let is_gone = asked.knowledge.is_lost(owner)
            || self.reaches(n) && !is_reached && {
                let fate = self.store.fate(owner).await.expect("Redis answers");
                let is_settled = self.clock.now - asked.up_since >= LEASE;
                self.nodes[n].knowledge.is_gone(owner, fate, is_settled)
            };
        if is_gone && self.nodes.iter().any(|node| node.clients.contains(&client)) {
            let is_known = self.nodes[n].knowledge.is_lost(owner);
            // No node that could tell a Redis without its data has ever seen the owner.
            if is_known || !self.data_lost {
                self.answered_as_gone.insert(owner);
            }
        }
    }

    /// Where Redis has lost its data and all have died who knew that a node was lost, nothing is left that does.
    pub(super) async fn forget_who_is_gone(&mut self) {
        for id in self.answered_as_gone.clone().into_iter().filter(|_| self.data_lost) {
            let is_known = self.nodes.iter().any(|node| node.knowledge.is_lost(id));
            let is_marked: bool =
                self.redis.query(cmd("EXISTS").arg(keys::lost(id))).await.expect("an answer");
            if !is_known && !is_marked {
                self.answered_as_gone.remove(&id);
            }
        }
    }

    /// A node to whose clients another one answers pushes with 404 is never alive again under its name, once anybody who
    /// knows has been able to tell Redis so.
    pub(super) async fn check_renewal(&mut self, n: usize, command: &LeaseCommand) {
        let node = &self.nodes[n];
        let id = node.keeper.node();
        let is_held = matches!(node.keeper.standing(), Standing::Held { .. });
        if !is_held || !matches!(command, LeaseCommand::Renew { .. }) {
            return;
        }
        let epoch: Option<String> = self.redis.query(cmd("GET").arg(keys::epoch())).await.expect("an answer");
        let has_told = |other: &super::Node| {
            let version = DataVersion { epoch: epoch.clone().unwrap_or_default(), connects: other.connects };
            !self.data_lost || other.knowledge.is_written_to(&version)
        };
        if self.nodes.iter().any(|other| other.knowledge.is_lost(id) && has_told(other)) {
            self.violation =
                Some(format!("node {id} is alive, and pushes to its clients were answered with 404"));
        }
        let taken = |id: &&String| self.clients.get(*id).is_some_and(|client| client.taken_over);
        if let Some(client) = node.clients.iter().find(taken).filter(|_| !self.data_lost) {
            self.violation = Some(format!("node {id} is alive again, and {client} has had its cleanup"));
        }
    }

    /// The same once everything has healed, when everybody has been able to.
    pub(super) fn gone_and_alive(&self) -> Option<String> {
        let is_gone = |id: &NodeId| {
            let is_known = self.nodes.iter().any(|other| other.knowledge.is_lost(*id));
            is_known || self.answered_as_gone.contains(id)
        };
        let alive = self.nodes.iter().map(|node| node.keeper.node()).find(is_gone)?;
        Some(format!("node {alive} is alive, and pushes to its clients were answered with 404"))
    }
}
