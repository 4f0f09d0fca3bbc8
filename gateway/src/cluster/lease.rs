//! Says that this node is alive: a key that expires unless it is renewed.

use std::time::Duration;

use log::warn;
use redis::cmd;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;

use super::{NodeId, Redis, RedisError, names};

/// A node that has not renewed its lease for this long is dead.
pub const LEASE: Duration = Duration::from_secs(5);
/// How often a lease is renewed.
pub const HEARTBEAT: Duration = Duration::from_secs(1);

/// Renews the lease of a node until it is dropped.
#[derive(Debug)]
pub(crate) struct LeaseKeeper(
    #[expect(dead_code, reason = "ends the task when dropped")] AbortOnDropHandle<()>,
);

impl LeaseKeeper {
    pub(crate) fn start(node: NodeId, redis: Redis) -> Self {
        Self(AbortOnDropHandle::new(tokio::spawn(keep(node, redis))))
    }
}

async fn keep(node: NodeId, redis: Redis) {
    let mut heartbeat = interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        heartbeat.tick().await;
        // That the server is away is in the log already.
        if let Err(RedisError::Refused(reason)) = renew(node, &redis).await {
            warn!("the lease of node {node} is not renewed: {reason}");
        }
    }
}

async fn renew(node: NodeId, redis: &Redis) -> Result<(), RedisError> {
    let lease_ms = LEASE.as_millis();
    let value = format!(r#"{{"version":"{}"}}"#, env!("CARGO_PKG_VERSION"));
    redis.query(cmd("SET").arg(names::node_key(node)).arg(value).arg("PX").arg(lease_ms.to_string())).await
}
