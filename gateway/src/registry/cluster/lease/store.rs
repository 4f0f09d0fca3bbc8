//! What nodes ask of Redis about leases, records and claims: each a script, which Redis carries out as a whole and by
//! its own clock.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use redis::cmd;

use super::{
    keys::Keys,
    script::{self, Call},
    times::Times,
};
use crate::registry::cluster::{
    node::NodeId,
    redis::{Redis, RedisError},
};

/// How many records one answer to a scan holds, about.
const SCAN_COUNT: usize = 256;

type Answer<T> = Result<T, RedisError>;

/// A cluster's Redis, with the names of its keys.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    redis: Redis,
    keys: Keys,
    times: Times,
}

/// What has become of a renewal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// The lease is renewed. With the epoch, and how many records Redis has.
    Held { epoch: String, records: i64 },
    /// Likewise, but Redis has lost its data.
    Empty { epoch: String },
    /// The node was declared lost.
    Lost,
}

/// What has become of records that were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// They are there.
    Ok,
    /// Not written: the lease has to be renewed first.
    Expired,
    /// Not written: the node was declared lost.
    Lost,
}

/// What has become of a claim.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// This node takes the other one over, which has been lost for so long; the claim holds until then.
    Claimed { until: Instant, lost_for: Duration },
    /// There is nothing to take over, or not now, or not for this node.
    Refused(Refusal),
}

/// Why a node is not taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// After an interruption nodes get the time to renew their leases.
    Grace,
    /// The node has renewed its lease.
    Alive,
    /// Its take-over has ended.
    Gone,
    /// Another node takes it over.
    Taken,
    /// The claiming node's own lease has ended.
    Expired,
}

/// What Redis knows of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was declared lost, and is never alive again under its name.
    Gone,
    /// It may be alive. Its lease may have ended, but it may still renew it.
    Unknown,
    /// Nothing. It has left or never was, unless Redis has lost data.
    Absent,
}

/// A node that may have records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) node: NodeId,
    /// What it says of itself.
    pub(crate) info: String,
    /// For how long its lease lasts unless it is renewed; `None` if it has ended.
    pub(crate) lease_left: Option<Duration>,
}

impl Seen {
    pub(crate) fn has_lease(&self) -> bool {
        self.lease_left.is_some()
    }
}

/// A part of a node's records.
pub(crate) struct Page {
    pub(crate) records: Vec<(String, String)>,
    /// Where the next part begins; 0 after the last one.
    pub(crate) cursor: u64,
}

impl Store {
    pub(crate) fn new(redis: Redis, keys: Keys, times: Times) -> Self {
        Self { redis, keys, times }
    }

    pub(crate) fn times(&self) -> Times {
        self.times
    }

    /// Since when Redis has been reached without interruption.
    pub(crate) fn reached_since(&self) -> Option<Instant> {
        self.redis.up_since()
    }

    /// Joins the cluster, or renews the lease of a node that knows the epoch in which it joined.
    pub(crate) async fn renew(
        &self,
        node: NodeId,
        info: &str,
        (epoch, new_epoch): (Option<&str>, &str),
    ) -> Answer<Renewal> {
        let (keys, times) = (&self.keys, self.times);
        let renew = Call::of(&script::RENEW)
            .keys([keys.lease(node), keys.nodes(), keys.lost(node), keys.epoch(), keys.pulse(), keys.grace()])
            .keys([keys.connections(node)])
            .args([&node.to_string(), info, &ms(times.lease), &ms(times.pulse)])
            .args([new_epoch, epoch.unwrap_or_default(), &ms(times.remembered)]);
        let (state, epoch, records): (String, String, i64) = renew.run(&self.redis).await?;
        Ok(match state.as_str() {
            "lost" => Renewal::Lost,
            "empty" => Renewal::Empty { epoch },
            _ => Renewal::Held { epoch, records },
        })
    }

    /// Writes and deletes records. With by how many there are more now.
    pub(crate) async fn record<'a>(
        &self,
        node: NodeId,
        written: &[(&'a str, &'a str)],
        deleted: &[&'a str],
    ) -> Answer<(Recorded, i64)> {
        let keys = &self.keys;
        let record = Call::of(&script::RECORD)
            .keys([keys.lease(node), keys.lost(node), keys.connections(node)])
            .args([written.len().to_string().as_str()])
            .args(written.iter().flat_map(|(connection, record)| [*connection, *record]))
            .args(deleted.iter().copied());
        let (state, more): (String, i64) = record.run(&self.redis).await?;
        let recorded = match state.as_str() {
            "lost" => Recorded::Lost,
            "expired" => Recorded::Expired,
            _ => Recorded::Ok,
        };
        Ok((recorded, more))
    }

    /// The nodes that may have records, those without a lease included.
    pub(crate) async fn nodes(&self) -> Answer<Vec<Seen>> {
        let nodes: HashMap<String, String> = self.redis.query(cmd("HGETALL").arg(self.keys.nodes())).await?;
        let nodes: Vec<(NodeId, String)> =
            nodes.into_iter().filter_map(|(node, info)| Some((node.parse().ok()?, info))).collect();
        if nodes.is_empty() {
            return Ok(Vec::new());
        }
        let mut leases = redis::pipe();
        for (node, _) in &nodes {
            leases.cmd("PTTL").arg(self.keys.lease(*node));
        }
        let left: Vec<i64> = self.redis.pipeline(&leases).await?;
        // Negative without such a key.
        let left = left.into_iter().map(|ms| u64::try_from(ms).ok().map(Duration::from_millis));
        let seen = |((node, info), lease_left)| Seen { node, info, lease_left };
        Ok(nodes.into_iter().zip(left).map(seen).collect())
    }

    /// Claims a node whose lease has ended, or one that is known to be gone.
    pub(crate) async fn claim(&self, lost: NodeId, by: NodeId, is_gone: bool) -> Answer<Claim> {
        let (keys, times) = (&self.keys, self.times);
        let begun = Instant::now();
        let claim = Call::of(&script::CLAIM)
            .keys([keys.lease(lost), keys.nodes(), keys.claim(lost), keys.lost(lost), keys.lease(by)])
            .keys([keys.pulse(), keys.grace()])
            .args([lost.to_string().as_str(), &by.to_string(), &ms(times.lease), &ms(times.pulse)])
            .args([ms(times.remembered).as_str(), if is_gone { "1" } else { "0" }]);
        let (state, seconds): (String, u64) = claim.run(&self.redis).await?;
        Ok(match state.as_str() {
            "claimed" => {
                Claim::Claimed { until: begun + times.lease, lost_for: Duration::from_secs(seconds) }
            }
            "grace" => Claim::Refused(Refusal::Grace),
            "alive" => Claim::Refused(Refusal::Alive),
            "gone" => Claim::Refused(Refusal::Gone),
            "taken" => Claim::Refused(Refusal::Taken),
            _ => Claim::Refused(Refusal::Expired),
        })
    }

    /// Renews a claim. With the time until which it holds, or `None` if it is another node's.
    pub(crate) async fn keep_claim(&self, lost: NodeId, by: NodeId) -> Answer<Option<Instant>> {
        let begun = Instant::now();
        let keep = Call::of(&script::KEEP)
            .keys([self.keys.claim(lost)])
            .args([by.to_string().as_str(), &ms(self.times.lease)]);
        let kept: bool = keep.run(&self.redis).await?;
        Ok(kept.then(|| begun + self.times.lease))
    }

    /// A part of a node's records. One that is there all the time is in at least one part.
    pub(crate) async fn records(&self, node: NodeId, cursor: u64) -> Answer<Page> {
        let mut scan = cmd("HSCAN");
        scan.arg(self.keys.connections(node)).arg(cursor).arg("COUNT").arg(SCAN_COUNT);
        let (cursor, records): (u64, Vec<(String, String)>) = self.redis.query(&scan).await?;
        Ok(Page { records, cursor })
    }

    /// The cleanup of a lost node's connection has been carried out.
    pub(crate) async fn settle(&self, lost: NodeId, connection: &str) -> Answer<()> {
        let settle = Call::of(&script::SETTLE)
            .keys([self.keys.connections(lost), self.keys.done(lost)])
            .args([connection, &ms(self.times.remembered)]);
        settle.run::<i64>(&self.redis).await.map(drop)
    }

    /// Ends a take-over. How many records are left; `None` if the claim is another node's.
    pub(crate) async fn finish(&self, lost: NodeId, by: NodeId) -> Answer<Option<usize>> {
        let keys = &self.keys;
        let finish = Call::of(&script::FINISH)
            .keys([keys.claim(lost), keys.connections(lost), keys.nodes()])
            .args([by.to_string(), lost.to_string()].iter().map(String::as_str));
        let left: i64 = finish.run(&self.redis).await?;
        Ok(usize::try_from(left).ok())
    }

    /// The node ends in order. How many records it leaves.
    pub(crate) async fn leave(&self, node: NodeId) -> Answer<usize> {
        let keys = &self.keys;
        let leave = Call::of(&script::LEAVE)
            .keys([keys.lease(node), keys.nodes(), keys.connections(node)])
            .args([node.to_string().as_str()]);
        leave.run(&self.redis).await
    }

    /// Whether only the lost node itself can carry out the cleanup of its connection.
    pub(crate) async fn is_owed(&self, lost: NodeId, connection: &str) -> Answer<bool> {
        let keys = [self.keys.connections(lost), self.keys.done(lost)];
        let (owed,): (bool,) = Call::of(&script::OWED).keys(keys).args([connection]).run(&self.redis).await?;
        Ok(owed)
    }

    /// Whether a node is gone.
    pub(crate) async fn fate(&self, node: NodeId) -> Answer<Fate> {
        let keys = &self.keys;
        let gone = Call::of(&script::GONE)
            .keys([keys.lease(node), keys.nodes(), keys.lost(node), keys.epoch(), keys.grace()])
            .args([node.to_string().as_str()]);
        let fate: String = gone.run(&self.redis).await?;
        Ok(match fate.as_str() {
            "gone" => Fate::Gone,
            "absent" => Fate::Absent,
            _ => Fate::Unknown,
        })
    }

    /// Writes again that nodes were declared lost, after Redis has lost its data.
    pub(crate) async fn remember_lost(&self, nodes: impl Iterator<Item = NodeId>) -> Answer<()> {
        let lost: Vec<String> = nodes.map(|node| self.keys.lost(node)).collect();
        if lost.is_empty() {
            return Ok(());
        }
        let remember = Call::of(&script::REMEMBER).keys(lost).args([ms(self.times.remembered).as_str()]);
        remember.run::<i64>(&self.redis).await.map(drop)
    }
}

fn ms(duration: Duration) -> String {
    duration.as_millis().to_string()
}
