//! Faults of Redis: the cluster's, or without one the functions'. Each takes a while.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::{BoxFuture, FutureExt as _};
use scf_websocket_gateway::cluster::NodeId;
use scf_websocket_test_harness::Redis;
use tokio::{
    sync::{Mutex, MutexGuard},
    time::sleep,
};

use super::{
    Cluster,
    nodes::{self, Running},
};
use crate::{
    journal::LifeId,
    logged::{self, Logged, is_of_lost_node},
    node::Node,
    pushes::Answer,
};

/// For so long nodes may take after Redis has lost its data: a lease until they join again, another one until those that
/// were lost are taken over, and cleanup functions that hang.
const WRITTEN_AGAIN: Duration = Duration::from_mins(1);

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

pub fn restart(cluster: Cluster, pause: Duration) -> BoxFuture<'static, bool> {
    let restarted = async move {
        let trouble = cluster.runs.redis_suffers();
        let mut redis = cluster.redis.lock().await;
        redis.stop();
        sleep(pause).await;
        redis.restart();
        cluster.runs.redis_heals(trouble);
        true
    };
    restarted.boxed()
}

pub fn pause(cluster: Cluster, pause: Duration) -> BoxFuture<'static, bool> {
    let paused = async move {
        let redis = cluster.redis.lock().await;
        let trouble = cluster.runs.redis_suffers();
        redis.pause();
        sleep(pause).await;
        redis.resume();
        cluster.runs.redis_heals(trouble);
        true
    };
    paused.boxed()
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

/// Redis loses data when every node has a lease, so that one that was declared lost knows it, and no process ends until all
/// have written their records again: docs/cluster.md does not promise anything beyond that.
pub fn lose_data(cluster: Cluster, loss: Loss, node: Arc<Mutex<Node>>, time: Duration) -> Running {
    // One after the other.
    let alone = Arc::clone(&cluster.losing).try_lock_owned().ok()?;
    let emptied = async move {
        let saved = Instant::now();
        if let Loss::Snapshot = loss {
            cluster.redis.lock().await.command("SAVE");
            // Meanwhile clients come and go, and nodes too.
            sleep(time * 2).await;
        }
        let records = cluster.records.write().await;
        while named(&cluster, "node").await.len() < cluster.nodes.len() {
            sleep(Duration::from_millis(100)).await;
        }
        let trouble = cluster.runs.redis_suffers();
        match loss {
            Loss::Restart => {
                let mut redis = flush(&cluster).await;
                redis.stop();
                sleep(time / 3).await;
                redis.restart();
            }
            Loss::Flush => flush_without(&cluster, node, time).await,
            Loss::Snapshot => {
                let mut redis = flush(&cluster).await;
                redis.stop();
                sleep(time / 3).await;
                cluster.runs.redis_is_restored(saved);
                redis.restart_from_snapshot();
            }
        }
        cluster.runs.redis_heals(trouble);
        let is_written = everything_is_written_again(&cluster).await;
        drop((records, alone));
        is_written
    };
    Some(emptied.boxed())
}

/// Deletes all data once no node that was declared lost has records that were not taken over yet.
async fn flush(cluster: &Cluster) -> MutexGuard<'_, Redis> {
    const FLUSH: &str = "EVAL \"for _, key in ipairs(redis.call('KEYS', '{scf-ws}:connections:*')) do \
        if redis.call('EXISTS', (string.gsub(key, ':connections:', ':lost:'))) == 1 then return 0 end end \
        redis.call('FLUSHALL') return 1\" 0";
    loop {
        let redis = cluster.redis.lock().await;
        if redis.command(FLUSH) == ":1\r\n" {
            return redis;
        }
        drop(redis);
        sleep(Duration::from_millis(100)).await;
    }
}

async fn flush_without(cluster: &Cluster, node: Arc<Mutex<Node>>, time: Duration) {
    let flush = async {
        sleep(time / 2).await;
        drop(flush(cluster).await);
    };
    let is_suspended = time.subsec_millis().is_multiple_of(2);
    let away = async {
        let mut node = node.lock().await;
        if is_suspended { node.stop(time).await } else { node.cut_off(time).await }
    };
    tokio::join!(flush, away);
}

/// Waits until each node has a lease, no others have records, every open connection has its record again, and every client
/// has had its closing event that was closed because its node was declared lost, or by a function that may not know: only
/// its process may know of it. Whether it came to that.
async fn everything_is_written_again(cluster: &Cluster) -> bool {
    let mut nodes = Vec::new();
    for node in &cluster.nodes {
        nodes.push(node.lock().await);
    }
    let begun = Instant::now();
    loop {
        let (live, recorded) = (named(cluster, "node").await, named(cluster, "connections").await);
        let mut missing = 0;
        for node in &nodes {
            missing += unrecorded(cluster, &nodes::open_connections(node, &cluster.journal)).await;
        }
        let is_written = live.len() == nodes.len() && recorded.is_subset(&live) && missing == 0;
        let is_overdue = begun.elapsed() > WRITTEN_AGAIN;
        if is_written || is_overdue {
            let due = due(cluster, &nodes);
            if is_written && due.is_empty() {
                return true;
            }
            if is_overdue {
                println!(
                    "soak: not everything is written again after Redis has lost its data: {live:?} live, {recorded:?} \
                     have records, {missing} connections have none, {due:?} are due"
                );
                return false;
            }
        }
        sleep(Duration::from_millis(500)).await;
    }
}

/// How many of these connections have no record.
async fn unrecorded(cluster: &Cluster, open: &[(LifeId, String)]) -> usize {
    const COUNT: &str = "EVAL \"local n = 0 for at = 1, #ARGV, 2 do \
        n = n + redis.call('HEXISTS', '{scf-ws}:connections:' .. ARGV[at], ARGV[at + 1]) end return n\" 0";
    let of = |id: &str| NodeId::of_connection(id).map_or_else(String::new, |node| node.to_string());
    let ids: Vec<_> = open.iter().map(|(_, id)| format!("{} {id}", of(id))).collect();
    let answer = cluster.redis.lock().await.command(&format!("{COUNT} {}", ids.join(" ")));
    let there = answer.trim().trim_start_matches(':').parse().unwrap_or(0);
    ids.len().saturating_sub(there)
}

/// The connections of these nodes of which only a process may know that a closing event is due: they were closed because
/// their node was declared lost, or by a push that was answered 503 or 404. A process that has ended may have called it.
fn due(cluster: &Cluster, nodes: &[MutexGuard<'_, Node>]) -> Vec<String> {
    let logs: Vec<_> = nodes.iter().map(|node| node.log()).collect();
    let logged = logged::read(&logs.iter().map(String::as_str).collect::<Vec<_>>());
    let pushes = cluster.pushes.all();
    let is_refused = |number: usize| {
        let answer = pushes.get(number).map(|push| &push.answer);
        matches!(answer, Some(Answer::Unreachable | Answer::Gone))
    };
    let runs = cluster.runs.all();
    let is_due = |told: &&Logged| {
        let is_in_doubt = told.closed.as_deref().is_some_and(is_of_lost_node)
            || told.closed_by_push.is_some_and(is_refused);
        is_in_doubt && told.cleanups.is_empty() && !runs.iter().any(|run| run.cleaned_up.contains(&told.id))
    };
    logged.opened.values().filter(is_due).map(|told| told.id.clone()).collect()
}

async fn named(cluster: &Cluster, kind: &str) -> HashSet<String> {
    let answer = cluster.redis.lock().await.command(&format!("KEYS {{scf-ws}}:{kind}:*"));
    let names = answer.lines().filter_map(|line| line.strip_prefix(&format!("{{scf-ws}}:{kind}:")));
    names.map(str::to_owned).collect()
}
