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
//! A node that does not answer is gone, and pushes to its clients 404, only if its lease has ended and the asking node has
//! been connected to Redis for the time of a lease without interruption: a Redis that restarts may have lost the leases
//! of nodes that live.
//!
//! # What Redis has to allow
//!
//! `PING`, `SELECT`, `SET`, `EXISTS`, `PUBLISH` and `SUBSCRIBE`, on keys and channels that begin with `scf-ws:`. Redis
//! ends a subscription that falls behind by the limit of `client-output-buffer-limit pubsub`; the node subscribes again,
//! and requests that were lost meanwhile are answered with 503.
//!
//! # What is where in Redis
//!
//! | name | what |
//! | --- | --- |
//! | key `scf-ws:node:<node>` | exists as long as the node is alive: it is set for [`lease::LEASE`] and renewed every [`lease::HEARTBEAT`] |
//! | channel `scf-ws:<db>:to:<node>` | what the other nodes send to a node: requests and answers |
//!
//! `<node>` is a [`NodeId`] in hexadecimal, `<db>` the number of the database, which channels do not belong to by
//! themselves. [`names`] makes all of them.

mod inbox;
pub mod lease;
pub mod names;
pub mod node;
mod outgoing;
mod peers;
mod publisher;
pub mod redis;
mod registry;
mod wire;

use std::sync::Arc;

use tokio::sync::watch;

use self::lease::LeaseKeeper;
pub use self::{
    node::NodeId,
    redis::{Redis, RedisError, RedisUrl},
    registry::ClusterRegistry,
};
use crate::function::remote::client::{TlsError, Trust};

/// What a node needs to join a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterSettings {
    /// The server that all nodes share.
    pub redis: RedisUrl,
    /// Whose certificates are accepted of a `rediss://` server.
    pub trust: Trust,
}

impl ClusterSettings {
    /// The nodes that share this server, with the certificates that the system trusts.
    #[must_use]
    pub fn new(redis: RedisUrl) -> Self {
        Self { redis, trust: Trust::System }
    }
}

/// This process as a node of a cluster. Dropped, it leaves without notice.
#[derive(Debug)]
pub struct Cluster {
    node: watch::Sender<NodeId>,
    redis: Redis,
    _lease: LeaseKeeper,
}

/// Why a node cannot join.
#[derive(Debug)]
#[non_exhaustive]
pub enum JoinError {
    /// TLS towards the server cannot be set up.
    Tls(TlsError),
    /// The system gave no random bytes for the node's id.
    Randomness(getrandom::Error),
}

impl std::fmt::Display for JoinError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tls(error) => error.fmt(formatter),
            Self::Randomness(error) => {
                write!(formatter, "the system gave no random bytes for a node's id: {error}")
            }
        }
    }
}

impl std::error::Error for JoinError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Tls(error) => Some(error),
            Self::Randomness(error) => Some(error),
        }
    }
}

impl Cluster {
    /// Joins under a new id. Does not wait for the server, which may be away.
    pub fn join(settings: &ClusterSettings) -> Result<Arc<Self>, JoinError> {
        let node = NodeId::random().map_err(JoinError::Randomness)?;
        let redis = Redis::connect(&settings.redis, &settings.trust).map_err(JoinError::Tls)?;
        let lease = LeaseKeeper::start(node, redis.clone());
        Ok(Arc::new(Self { node: watch::Sender::new(node), redis, _lease: lease }))
    }

    /// Which node this is.
    #[must_use]
    pub fn node(&self) -> NodeId {
        *self.node.borrow()
    }

    /// Likewise, and how to wait for another one.
    #[must_use]
    pub fn node_changes(&self) -> watch::Receiver<NodeId> {
        self.node.subscribe()
    }

    /// The server that the nodes share.
    #[must_use]
    pub fn redis(&self) -> &Redis {
        &self.redis
    }
}
