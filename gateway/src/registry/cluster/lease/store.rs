//! What nodes ask of Redis about leases, records and claims: each a script, which Redis runs as a whole and by its own
//! clock.

use std::{sync::LazyLock, time::Duration};

use redis::{FromRedisValue, Script, ScriptInvocation, cmd};

use super::{keys, times::LeaseTimes};
use crate::registry::cluster::{
    node::NodeId,
    redis::{Redis, RedisError},
};

/// How many records one answer to a scan holds, about.
const SCAN_COUNT: usize = 256;

macro_rules! scripts {
    ($($name:ident = $file:literal;)+) => {
        $(static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(include_str!(concat!("scripts/", $file))));)+
    };
}

scripts! {
    RENEW = "renew.lua";
    RECORD = "record.lua";
    CLAIM = "claim.lua";
    KEEP = "keep.lua";
    SETTLE = "settle.lua";
    FINISH = "finish.lua";
    LEAVE = "leave.lua";
    OWED = "owed.lua";
    GONE = "gone.lua";
    REMEMBER = "remember.lua";
    NODES = "nodes.lua";
}

type Stored<T> = Result<T, RedisError>;

/// A cluster's Redis.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    redis: Redis,
    times: LeaseTimes,
}

/// What has become of a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// The lease is renewed.
    Held(Renewed),
    /// Likewise; this Redis did not know the node before.
    Joined(Renewed),
    /// This Redis does not know the node, which may have been declared lost before Redis lost its data.
    Unknown {
        /// Of the data that it has.
        epoch: String,
    },
    /// The node was declared lost.
    Lost,
}

/// A lease that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Renewed {
    pub(crate) epoch: String,
    /// How many records of the node Redis has.
    pub(crate) records: i64,
    /// Whether Redis has no memory for further ones.
    pub(crate) is_full: bool,
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
    /// Not all of them were written: Redis has no memory.
    Full,
}

/// What has become of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// This node takes the other one over, which has been lost for so long.
    Claimed {
        /// Since it was first declared lost.
        lost_for: Duration,
    },
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
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) records: Vec<(String, String)>,
    /// Where the next part begins; 0 after the last one.
    pub(crate) cursor: u64,
}

/// Which data of Redis, over which connection to it: whenever one of both changes, data may have been lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DataVersion {
    pub(crate) epoch: String,
    /// How many connections to Redis were made before.
    pub(crate) connects: u64,
}

/// What is written again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) lost: Vec<(NodeId, Option<String>)>,
    pub(crate) known: Vec<(NodeId, String)>,
    /// The data that it is written to.
    pub(crate) to: DataVersion,
}

impl Store {
    pub(crate) fn new(redis: Redis, times: LeaseTimes) -> Self {
        Self { redis, times }
    }

    pub(crate) fn times(&self) -> LeaseTimes {
        self.times
    }

    pub(crate) fn redis(&self) -> &Redis {
        &self.redis
    }

    async fn run<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Stored<T> {
        self.redis.script(call).await
    }

    /// Joins the cluster, or renews the lease of a node that knows the epoch in which it joined.
    pub(crate) async fn renew(
        &self,
        node: NodeId,
        info: &str,
        (epoch, new_epoch): (Option<&str>, &str),
        may_join: bool,
    ) -> Stored<Renewal> {
        let mut renew = RENEW.prepare_invoke();
        renew.key(keys::lease(node)).key(keys::nodes()).key(keys::lost(node)).key(keys::epoch());
        renew.key(keys::pulse()).key(keys::grace()).key(keys::connections(node));
        renew.arg(node.to_string()).arg(info).arg(ms(self.times.lease)).arg(ms(self.times.pulse));
        renew.arg(new_epoch).arg(epoch.unwrap_or_default()).arg(u8::from(may_join));
        let (state, epoch, records, is_full): (String, String, i64, bool) = self.run(&renew).await?;
        Ok(match state.as_str() {
            "lost" => Renewal::Lost,
            "unknown" => Renewal::Unknown { epoch },
            "joined" => Renewal::Joined(Renewed { epoch, records, is_full }),
            _ => Renewal::Held(Renewed { epoch, records, is_full }),
        })
    }

    /// Deletes and writes records. With by how many there are more now.
    pub(crate) async fn record(
        &self,
        node: NodeId,
        written: &[(Box<str>, Box<str>)],
        deleted: &[Box<str>],
    ) -> Stored<(Recorded, i64)> {
        let mut record = RECORD.prepare_invoke();
        record.key(keys::lease(node)).key(keys::lost(node)).key(keys::connections(node));
        record.arg(written.len());
        for (connection, text) in written {
            record.arg(&**connection).arg(&**text);
        }
        for connection in deleted {
            record.arg(&**connection);
        }
        let (state, more): (String, i64) = self.run(&record).await?;
        let recorded = match state.as_str() {
            "lost" => Recorded::Lost,
            "expired" => Recorded::Expired,
            "full" => Recorded::Full,
            _ => Recorded::Ok,
        };
        Ok((recorded, more))
    }

    /// The epoch, and the nodes that may have records, those without a lease included.
    pub(crate) async fn nodes(&self) -> Stored<(String, Vec<Seen>)> {
        let mut nodes = NODES.prepare_invoke();
        nodes.key(keys::nodes()).key(keys::epoch()).arg(keys::leases());
        let mut answer = self.run::<Vec<String>>(&nodes).await?.into_iter();
        let epoch = answer.next().unwrap_or_default();
        let mut seen = Vec::new();
        while let (Some(node), Some(info), Some(left)) = (answer.next(), answer.next(), answer.next()) {
            let Ok(node) = node.parse() else { continue };
            let lease_left = left.parse().ok().map(Duration::from_millis);
            seen.push(Seen { node, info, lease_left });
        }
        Ok((epoch, seen))
    }

    /// Claims a node whose lease has ended, or one that is known to be gone.
    pub(crate) async fn claim(&self, lost: NodeId, by: NodeId, is_gone: bool) -> Stored<Claim> {
        let mut claim = CLAIM.prepare_invoke();
        claim.key(keys::lease(lost)).key(keys::nodes()).key(keys::claim(lost)).key(keys::lost(lost));
        claim.key(keys::lease(by)).key(keys::pulse()).key(keys::grace());
        claim.arg(lost.to_string()).arg(by.to_string()).arg(ms(self.times.lease)).arg(ms(self.times.pulse));
        claim.arg(ms(self.times.remembered)).arg(u8::from(is_gone));
        let (state, seconds): (String, u64) = self.run(&claim).await?;
        Ok(match state.as_str() {
            "claimed" => Claim::Claimed { lost_for: Duration::from_secs(seconds) },
            "grace" => Claim::Grace,
            "alive" => Claim::Alive,
            "gone" => Claim::Gone,
            "taken" => Claim::Taken,
            _ => Claim::Expired,
        })
    }

    /// Renews a claim. Whether it is still this node's.
    pub(crate) async fn keep_claim(&self, lost: NodeId, by: NodeId) -> Stored<bool> {
        let mut keep = KEEP.prepare_invoke();
        keep.key(keys::claim(lost)).arg(by.to_string()).arg(ms(self.times.lease));
        self.run(&keep).await
    }

    /// A part of a node's records. One that is there all the time is in at least one part.
    pub(crate) async fn records(&self, node: NodeId, cursor: u64) -> Stored<Page> {
        let mut scan = cmd("HSCAN");
        scan.arg(keys::connections(node)).arg(cursor).arg("COUNT").arg(SCAN_COUNT);
        let (cursor, records): (u64, Vec<(String, String)>) = self.redis.query(&scan).await?;
        Ok(Page { records, cursor })
    }

    /// The cleanup of a lost node's connection was called.
    pub(crate) async fn settle(&self, lost: NodeId, connection: &str) -> Stored<()> {
        let mut settle = SETTLE.prepare_invoke();
        settle
            .key(keys::connections(lost))
            .key(keys::done(lost))
            .arg(connection)
            .arg(ms(self.times.remembered));
        self.run::<i64>(&settle).await.map(drop)
    }

    /// Ends a take-over. How many records are left (`None` if the claim is another node's), and the epoch.
    pub(crate) async fn finish(&self, lost: NodeId, by: NodeId) -> Stored<(Option<usize>, String)> {
        let mut finish = FINISH.prepare_invoke();
        finish.key(keys::claim(lost)).key(keys::connections(lost)).key(keys::nodes());
        finish.key(keys::lost(lost)).key(keys::epoch());
        finish.arg(by.to_string()).arg(lost.to_string()).arg(ms(self.times.remembered));
        let (left, epoch): (i64, String) = self.run(&finish).await?;
        Ok((usize::try_from(left).ok(), epoch))
    }

    /// The node ends in order. How many records it leaves.
    pub(crate) async fn leave(&self, node: NodeId) -> Stored<usize> {
        let mut leave = LEAVE.prepare_invoke();
        leave.key(keys::lease(node)).key(keys::nodes()).key(keys::connections(node)).arg(node.to_string());
        self.run(&leave).await
    }

    /// Whether only the lost node itself can call the cleanup of its connection. The epoch is the one in which its
    /// records were last known to be complete.
    pub(crate) async fn is_owed(&self, lost: NodeId, connection: &str, epoch: Option<&str>) -> Stored<bool> {
        let mut owed = OWED.prepare_invoke();
        owed.key(keys::connections(lost)).key(keys::done(lost)).key(keys::lost(lost));
        owed.arg(connection).arg(epoch.unwrap_or_default());
        self.run(&owed).await
    }

    /// Whether a node is gone.
    pub(crate) async fn fate(&self, node: NodeId) -> Stored<Fate> {
        let mut gone = GONE.prepare_invoke();
        gone.key(keys::lease(node)).key(keys::nodes()).key(keys::lost(node)).key(keys::epoch());
        gone.key(keys::grace()).arg(node.to_string());
        let fate: String = self.run(&gone).await?;
        Ok(match fate.as_str() {
            "gone" => Fate::Gone,
            "absent" => Fate::Absent,
            _ => Fate::Unknown,
        })
    }

    /// Writes again what this node knows of the others, after Redis may have lost it.
    pub(crate) async fn remember(&self, remembered: &Remembered) -> Stored<()> {
        let mut remember = REMEMBER.prepare_invoke();
        remember.key(keys::nodes()).arg(ms(self.times.remembered)).arg(remembered.lost.len());
        for (node, epoch) in &remembered.lost {
            remember.key(keys::lost(*node)).arg(epoch.as_deref().unwrap_or_default());
        }
        for (node, info) in &remembered.known {
            remember.arg(node.to_string()).arg(info);
        }
        self.run::<i64>(&remember).await.map(drop)
    }
}

fn ms(duration: Duration) -> String {
    duration.as_millis().to_string()
}
