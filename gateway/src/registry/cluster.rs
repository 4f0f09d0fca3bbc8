//! Several gateways that serve as one: the nodes of a cluster, which share a Redis server.
//!
//! [`ClusterSettings`] → [`Cluster::join`] → [`ClusterRegistry`]. A connection's id names the node that holds it
//! ([`NodeId::of_connection`]), so every node knows where a push has to go:
//!
//! ```text
//! push address ─▶ ClusterRegistry ─▶ outgoing ─▶ publisher ─▶ Redis ─▶ inbox of the owner ─▶ its MemoryRegistry
//!                        ▲                                                        │
//!                        └─────── inbox ◀─ Redis ◀─ publisher ◀─ outgoing ◀───────┘  the answer
//! ```
//!
//! Requests to a node arrive in the order in which they were made, or not at all. A request whose fate is unknown, as
//! when Redis is away, counts as not delivered, and its connection stays known.
//!
//! # Without Redis
//!
//! A node that Redis does not answer goes on serving its clients, and takes pushes to them. It answers pushes to other
//! nodes' clients with 503, refuses new clients with 503, because no other node would reach them, and `/readyz` says that
//! it is cut off. Once Redis answers again, all of this ends by itself. A gateway that is started meanwhile waits two
//! seconds, and then starts in this state.
//!
//! A node that does not answer is gone, and pushes to its clients 404, only if it was declared lost or has left. One whose
//! lease has ended may still renew it: pushes to its clients are answered with 503 until another node claims it. Where
//! Redis knows nothing of a node, it may have lost that, so the asking node must have been connected to it for the time
//! of a lease without interruption.
//!
//! What a node is asked for carries a deadline by Redis's clock, so that nothing is delivered after the node that has
//! asked has given it up. A close counts as the function's once that node has confirmed that it answered the function.
//!
//! # What Redis has to allow
//!
//! `TIME`, `SELECT`, `PUBLISH`, `SUBSCRIBE`, `EVALSHA`, `SCRIPT LOAD`, `EXISTS` and `HSCAN`; and `PTTL`, `GET`, `SET`, `DEL`,
//! `PEXPIRE`, `HGET`, `HGETALL`, `HSET`, `HSETNX`, `HDEL`, `HLEN`, `HEXISTS`, `SADD` and `SISMEMBER`, which scripts call, on keys and
//! channels that begin with `{scf-ws}:`; a user with `~{scf-ws}:* &{scf-ws}:* +@all` has all of it. A sharded Redis also
//! has to allow `CLUSTER KEYSLOT`. Redis ends a subscription that falls behind by the limit of
//! `client-output-buffer-limit pubsub`; the node subscribes again, and requests that were lost meanwhile are answered
//! with 503.
//!
//! # What is where in Redis
//!
//! | name | what |
//! | --- | --- |
//! | key `{scf-ws}:node:<node>` | the node's lease: exists as long as the node renews it |
//! | hash `{scf-ws}:nodes` | the nodes that may have records, with what each says of itself |
//! | hash `{scf-ws}:connections:<node>` | the node's records: connection → the client's address, its API, its attributes |
//! | key `{scf-ws}:claim:<node>` | which node takes a lost one over; expires like a lease |
//! | key `{scf-ws}:lost:<node>` | the node was declared lost, at this time; kept for a day |
//! | set `{scf-ws}:done:<node>` | connections of a lost node whose cleanup others have called; kept for a day |
//! | keys `{scf-ws}:epoch`, `{scf-ws}:pulse`, `{scf-ws}:grace` | see `lease.rs` |
//! | channel `{scf-ws}:<db>:to:<node>` | what the other nodes send to a node: requests and answers |
//!
//! `<node>` is a [`NodeId`] in hexadecimal, `<db>` the number of the database, which channels do not belong to by
//! themselves. The braces keep all of them in one slot of a sharded Redis.

mod inbox;
mod lease;
pub mod node;
mod outgoing;
mod overview;
mod peers;
mod place;
mod publisher;
pub mod redis;
mod registry;
mod takeover;
mod wire;

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use self::{
    lease::{Lease, LeaseState, LeaseTimes, store::Store},
    overview::Overview,
};
pub use self::{
    node::NodeId,
    redis::{Redis, RedisError, RedisUrl},
    registry::ClusterRegistry,
};
use crate::{
    function::remote::client::{Trust, TrustError},
    observe::metrics::Metrics,
    registry::Connections,
};

/// How long a node may be silent before it is declared lost, unless set otherwise.
pub const LEASE: Duration = Duration::from_secs(5);

/// What a node needs to join a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterSettings {
    /// The server that all nodes share.
    pub redis: RedisUrl,
    /// Whose certificates are accepted of a `rediss://` server.
    pub trust: Trust,
    /// How long a node may be silent before it is declared lost: the same for all nodes.
    pub lease: Duration,
    /// Whether the process that listened at this one's address before is alive, and hands over to this one.
    pub(crate) takes_over: bool,
    /// Whether this process may be frozen while it has no client, so that its connections to the server are dead when a
    /// request wakes it. What needs the server then waits for another connection.
    pub may_freeze: bool,
}

impl ClusterSettings {
    /// The nodes that share this server, with the certificates that the system trusts.
    #[must_use]
    pub fn new(redis: RedisUrl) -> Self {
        Self { redis, trust: Trust::System, lease: LEASE, takes_over: false, may_freeze: false }
    }
}

/// This process as a node of a cluster. Dropped, it leaves without notice.
pub struct Cluster {
    lease: Lease,
    /// What proves that an earlier process is gone.
    place: Option<String>,
    may_freeze: bool,
}

/// Why a node cannot join.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// TLS towards the server cannot be set up.
    #[error("{0}")]
    Tls(#[source] TrustError),
    /// The system gave no random bytes for the node's id.
    #[error("the system gave no random bytes for a node's id: {0}")]
    Randomness(#[source] getrandom::Error),
}

impl Cluster {
    /// Joins under a new id, as the process that clients reach at `addr`. Does not wait for the server, which may be
    /// away.
    pub fn join(settings: &ClusterSettings, addr: SocketAddr, metrics: &Metrics) -> Result<Self, JoinError> {
        let node = NodeId::random().map_err(JoinError::Randomness)?;
        let redis = Redis::connect(&settings.redis, &settings.trust).map_err(JoinError::Tls)?;
        let place = if settings.takes_over { None } else { place::of(addr) };
        let store = Store::new(redis, LeaseTimes::of_lease(settings.lease));
        let info = place::info(addr, place.as_deref(), settings.lease);
        let connections = Connections::new(metrics.cleanups_pending.clone());
        let lease = Lease::start(store, node, info, (connections, Arc::clone(&metrics.cluster)));
        Ok(Self { lease, place, may_freeze: settings.may_freeze })
    }

    /// Which node this is. After it was declared lost, the process is another node.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.shared().node()
    }

    fn shared(&self) -> &Arc<LeaseState> {
        self.lease.shared()
    }

    /// How long a node may be silent before it is declared lost.
    fn lease_time(&self) -> Duration {
        self.shared().store().times().lease
    }

    /// The server that the nodes share.
    #[must_use]
    pub fn redis(&self) -> &Redis {
        self.shared().store().redis()
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Cluster").field("node", &self.node()).finish_non_exhaustive()
    }
}
