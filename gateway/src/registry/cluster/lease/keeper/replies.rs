//! What Redis replies to the keeper's commands, and what follows from it.

use std::time::Instant;

use log::{info, warn};

use super::{Before, Keeper, Standing, Write};
use crate::registry::cluster::{
    lease::{
        command::{LeaseCommand, Records, Reply},
        comparison::Comparison,
        knowledge::Knowledge,
        store::{DataVersion, Recorded, Renewal, Renewed},
    },
    node::NodeId,
    redis::RedisError,
};

impl Keeper {
    /// Takes what became of the last command. `connects` is how many connections to Redis were made before it was sent,
    /// `own` are the records that a node should have.
    pub(in crate::registry::cluster::lease) fn replied(
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
