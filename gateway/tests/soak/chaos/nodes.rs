//! Faults of nodes. Each takes a while, and gives whether it ended well; `None` if something else is done to the node.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use tokio::{
    sync::{Mutex, OwnedMutexGuard, OwnedRwLockReadGuard},
    time::sleep,
};

use super::Cluster;
use crate::{
    journal::{Journal, LifeId},
    node::Node,
    pushes::Kind,
};

pub type Running = Option<BoxFuture<'static, bool>>;

/// To how many of its clients something is pushed when a node is suspended.
const PUSHED: usize = 12;

/// For so long the records of a process that has ended may be there: the lease, and a cleanup function that hangs.
const TAKE_OVER: Duration = Duration::from_mins(1);

fn free(node: Arc<Mutex<Node>>) -> Option<OwnedMutexGuard<Node>> {
    node.try_lock_owned().ok()
}

pub fn suspend(node: Arc<Mutex<Node>>, time: Duration) -> Running {
    let mut node = free(node)?;
    Some(async move { node.stop(time).await }.map(|()| true).boxed())
}

pub fn cut_off(node: Arc<Mutex<Node>>, time: Duration) -> Running {
    let mut node = free(node)?;
    Some(async move { node.cut_off(time).await }.map(|()| true).boxed())
}

pub fn kill(cluster: Cluster, node: Arc<Mutex<Node>>, time: Duration) -> Running {
    let (mut node, records) = ends(&cluster, node)?;
    let left = async move {
        let names = node.names();
        node.kill(time).await;
        drop(node);
        is_taken_over(&cluster, names, records).await
    };
    Some(left.boxed())
}

pub fn replace(cluster: Cluster, node: Arc<Mutex<Node>>) -> Running {
    let (mut node, records) = ends(&cluster, node)?;
    let left = async move {
        let names = node.names();
        let ended_well = node.replace().await;
        drop(node);
        is_taken_over(&cluster, names, records).await & ended_well
    };
    Some(left.boxed())
}

/// Kills a node while all cleanup functions hang.
pub fn hang_cleanups(cluster: Cluster, node: Arc<Mutex<Node>>, time: Duration) -> Running {
    let pids = cluster.runs.pids();
    let program = cluster.program.clone();
    let killed = kill(cluster, node, Duration::ZERO)?;
    let hung = async move {
        // The others notice the loss within the time of a lease.
        tokio::join!(killed, program.hang_cleanups(&pids, time * 2)).0
    };
    Some(hung.boxed())
}

/// A node whose process is about to end: what it leaves in Redis is needed.
fn ends(
    cluster: &Cluster,
    node: Arc<Mutex<Node>>,
) -> Option<(OwnedMutexGuard<Node>, OwnedRwLockReadGuard<()>)> {
    let records = Arc::clone(&cluster.records).try_read_owned().ok()?;
    Some((free(node)?, records))
}

/// Waits until no records are left of a process that was called so.
async fn is_taken_over(
    cluster: &Cluster,
    names: impl IntoIterator<Item = scf_websocket_gateway::cluster::NodeId>,
    records: OwnedRwLockReadGuard<()>,
) -> bool {
    let keys: Vec<_> = names.into_iter().map(|name| format!("{{scf-ws}}:connections:{name}")).collect();
    let keys = keys.join(" ");
    let begun = Instant::now();
    while !keys.is_empty() && cluster.redis.lock().await.command(&format!("EXISTS {keys}")) != ":0\r\n" {
        if begun.elapsed() > TAKE_OVER {
            println!("soak: these records are not taken over: {keys}");
            return false;
        }
        sleep(Duration::from_millis(200)).await;
    }
    drop(records);
    true
}

/// The connections of a node that are open as far as their clients know.
pub fn open_connections(node: &Node, journal: &Journal) -> Vec<(LifeId, String)> {
    node.connections().into_iter().filter(|(life, _)| journal.is_open(*life)).collect()
}

/// Suspends a node while others, and the node itself, push to its clients and close their connections.
pub fn suspend_with_pushes(cluster: Cluster, node: Arc<Mutex<Node>>, time: Duration, offset: u64) -> Running {
    let mut node = free(node)?;
    let others = cluster.nodes.iter().filter_map(|other| other.try_lock().ok().map(|other| other.run));
    let asked: Vec<_> = others.chain([node.run]).collect();
    let open = open_connections(&node, &cluster.journal);
    let offset = usize::try_from(offset).expect("small");
    let chosen: Vec<_> = open.iter().cycle().skip(offset).take(PUSHED.min(open.len())).cloned().collect();
    let pushes = chosen.into_iter().enumerate().map(move |(number, (life, id))| {
        let (cluster, by) = (cluster.clone(), asked[number % asked.len()]);
        let kind = if number % 3 == 0 { Kind::Frame } else { Kind::Close };
        async move {
            // The first ones are under way when the node is suspended, the others arrive in the course of that time.
            let share = u32::try_from(number.saturating_sub(4)).expect("small");
            sleep(time * share / 10).await;
            cluster.pushes.make(kind, (life, &id), by, &cluster.runs).await;
        }
    });
    let pushes = join_all(pushes);
    Some(async move { tokio::join!(node.stop(time), pushes) }.map(|_| true).boxed())
}
