//! Faults of the cluster's Redis. Each takes a while.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::FutureExt as _;
use tokio::{sync::Mutex, time::sleep};

use super::{Cluster, nodes::Running};
use crate::cluster::node::Node;

/// How Redis loses its data. Whatever it has lost, the nodes that live write again.
#[derive(Debug, Clone, Copy)]
pub enum Loss {
    /// It is killed, and comes back empty.
    Restart,
    /// FLUSHALL, which cuts no connection, while a node is suspended or cut off.
    Flush,
    /// It is killed, and comes back with the data of its last snapshot.
    Snapshot,
}

pub fn restart(cluster: Cluster, pause: Duration) -> Running {
    let restarted = async move {
        let trouble = cluster.runs.redis_suffers();
        let mut redis = cluster.redis.lock().await;
        redis.stop();
        sleep(pause).await;
        redis.restart();
        cluster.runs.redis_heals(trouble);
        true
    };
    Some(restarted.boxed())
}

pub fn pause(cluster: Cluster, pause: Duration) -> Running {
    let paused = async move {
        let redis = cluster.redis.lock().await;
        let trouble = cluster.runs.redis_suffers();
        redis.pause();
        sleep(pause).await;
        redis.resume();
        cluster.runs.redis_heals(trouble);
        true
    };
    Some(paused.boxed())
}

/// Redis has no memory for writes. A restart in the meantime gives it memory again.
pub fn fill(cluster: Cluster, time: Duration) -> Running {
    let records = Arc::clone(&cluster.records).try_read_owned().ok()?;
    let filled = async move {
        let trouble = cluster.runs.redis_suffers();
        cluster.redis.lock().await.command("CONFIG SET maxmemory 1");
        sleep(time).await;
        cluster.redis.lock().await.command("CONFIG SET maxmemory 0");
        cluster.runs.redis_heals(trouble);
        drop(records);
        true
    };
    Some(filled.boxed())
}

/// Redis loses data when no process has left records to the others, and no process ends until all have written theirs
/// again: docs/cluster.md does not promise anything beyond that.
pub fn lose_data(cluster: Cluster, loss: Loss, node: Arc<Mutex<Node>>, time: Duration) -> Running {
    // One after the other.
    let alone = Arc::clone(&cluster.losing).try_lock_owned().ok()?;
    let lost = async move {
        let saved = Instant::now();
        if let Loss::Snapshot = loss {
            cluster.redis.lock().await.command("SAVE");
            // Meanwhile clients come and go, and nodes too.
            sleep(time * 2).await;
        }
        let records = cluster.records.write().await;
        let trouble = cluster.runs.redis_suffers();
        match loss {
            Loss::Restart => {
                let mut redis = cluster.redis.lock().await;
                redis.command("FLUSHALL");
                redis.stop();
                sleep(time / 3).await;
                redis.restart();
            }
            Loss::Flush => flush(&cluster, node, time).await,
            Loss::Snapshot => {
                let mut redis = cluster.redis.lock().await;
                redis.stop();
                sleep(time / 3).await;
                cluster.runs.redis_is_restored(saved);
                redis.restart_from_snapshot();
            }
        }
        cluster.runs.redis_heals(trouble);
        everything_is_written_again(&cluster).await;
        drop((records, alone));
        true
    };
    Some(lost.boxed())
}

async fn flush(cluster: &Cluster, node: Arc<Mutex<Node>>, time: Duration) {
    let flush = async {
        sleep(time / 2).await;
        cluster.redis.lock().await.command("FLUSHALL");
    };
    let is_suspended = time.subsec_millis() % 2 == 0;
    let away = async {
        let mut node = node.lock().await;
        if is_suspended { node.stop(time).await } else { node.cut_off(time).await }
    };
    tokio::join!(flush, away);
}

/// Waits, not for ever, until each node has a lease, and no others have records; and then for the records, which a node
/// writes again when it has renewed its lease.
async fn everything_is_written_again(cluster: &Cluster) {
    let mut nodes = Vec::new();
    for node in &cluster.nodes {
        nodes.push(node.lock().await);
    }
    for _ in 0..200 {
        let (live, recorded) = (named(cluster, "node").await, named(cluster, "connections").await);
        if live.len() == nodes.len() && recorded.is_subset(&live) {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    sleep(cluster.lease / 2).await;
}

async fn named(cluster: &Cluster, kind: &str) -> HashSet<String> {
    let answer = cluster.redis.lock().await.command(&format!("KEYS {{scf-ws}}:{kind}:*"));
    let names = answer.lines().filter_map(|line| line.strip_prefix(&format!("{{scf-ws}}:{kind}:")));
    names.map(str::to_owned).collect()
}
