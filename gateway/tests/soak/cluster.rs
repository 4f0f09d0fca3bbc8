//! Three nodes with 600 clients in a room: besides what fails with one gateway, nodes are killed, suspended for longer
//! than their lease, cut off from the cluster's Redis and replaced, their cleanup functions hang, and that Redis is killed,
//! paused, filled, emptied and set back to an older state.

mod chaos;
mod node;

use std::{sync::Arc, time::Duration};

use scf_websocket_test_harness::Redis;
use tokio::{
    sync::{Mutex, watch},
    time::sleep,
};

use self::{
    chaos::{Chaos, Cluster},
    node::{Node, Settings},
};
use crate::{
    account,
    client::{self, Phase},
    functions::Program,
    journal::Journal,
    pushes::Pushes,
    runs::Runs,
};

const NODES: usize = 3;
const CLIENTS: usize = 600;
/// Each client sends a frame about this often; each frame goes to all clients.
const BETWEEN_FRAMES: Duration = Duration::from_secs(40);
const LEASE: Duration = Duration::from_secs(2);
/// What is under way when the frames end is over by then, the take-over of a node included.
const SETTLING: Duration = Duration::from_secs(15);

/// Whether everything is explained.
pub async fn run(time: Duration) -> bool {
    let (redis, store) = (Arc::new(Mutex::new(Redis::start(&[]))), Redis::start(&[]));
    let settings = Settings {
        program: Program::named(),
        store: store.url(),
        redis_port: redis.lock().await.port,
        lease: LEASE,
    };
    let (runs, journal, pushes) = (Runs::default(), Journal::default(), Pushes::default());
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        nodes.push(Arc::new(Mutex::new(Node::start(settings.clone(), &runs).await)));
    }
    let (phase, phases) = watch::channel(Phase::Sending);
    let (lives, clients) = client::start((CLIENTS, BETWEEN_FRAMES), &runs, &journal, &phases);
    println!(
        "soak: {CLIENTS} clients of {NODES} nodes, a frame from each every {} s, {} s",
        BETWEEN_FRAMES.as_secs(),
        time.as_secs()
    );

    sleep(Duration::from_secs(5)).await;
    let cluster = Cluster {
        nodes: nodes.clone(),
        program: settings.program,
        redis: Arc::clone(&redis),
        lease: LEASE,
        runs: runs.clone(),
        journal: journal.clone(),
        pushes: pushes.clone(),
        records: Arc::default(),
        losing: Arc::default(),
    };
    let mut chaos = Chaos::new(cluster, lives);
    let mut ended_well = chaos.reign(time).await;
    let _ = phase.send(Phase::Settling);
    sleep(SETTLING).await;
    let _ = phase.send(Phase::Over);
    for client in clients {
        client.await.expect("a client's task");
    }
    // The cleanup functions' last events.
    sleep(Duration::from_secs(5)).await;
    for node in &nodes {
        ended_well &= node.lock().await.end().await;
    }
    let left = redis.lock().await.command("KEYS *connections*");
    let account = account::draw_up(&journal, &runs, &pushes);
    println!("{}\n{account}", chaos.done);
    if left != "*0\r\n" {
        println!("soak: connections are still recorded in Redis: {left}");
        ended_well = false;
    }
    if let Some(folder) = std::env::var_os("KEEP_LOG") {
        runs.write_logs(folder.as_ref());
    }
    ended_well && account.is_explained()
}
