//! The soak: real clients in a room over Redis, while everything fails that can. At the end every frame, every delivery
//! and every closing event is accounted for.
//!
//! `BOOTSTRAP` names the program of the functions, `SECONDS` how long it goes on (600). With the argument `cluster`
//! there are three nodes, otherwise one gateway without a cluster. Prints the account; ends with 1 if anything in it has no
//! explanation.

mod account;
mod chaos;
mod client;
mod dice;
mod functions;
mod journal;
mod logged;
mod node;
mod pushes;
mod runs;
mod tallies;

use std::{env, process::ExitCode, sync::Arc, time::Duration};

use scf_websocket_test_harness::Redis;
use tokio::{
    sync::{Mutex, watch},
    time::sleep,
};

use self::{
    chaos::{Chaos, Cluster},
    client::Phase,
    functions::Program,
    journal::Journal,
    node::{Node, Settings},
    pushes::Pushes,
    runs::Runs,
};

const LEASE: Duration = Duration::from_secs(2);
/// What is under way when the frames end is over by then, the take-over of a node included.
const SETTLING: Duration = Duration::from_secs(15);

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let seconds = env::var("SECONDS").map_or(600, |text| text.parse().expect("SECONDS is a whole number"));
    let time = Duration::from_secs(seconds);
    // Each client sends a frame about this often, which goes to all clients.
    let is_explained = match env::args().nth(1).as_deref() {
        Some("cluster") => run(time, 3, (600, Duration::from_secs(40))).await,
        None => run(time, 1, (200, Duration::from_secs(20))).await,
        Some(other) => panic!("{other:?} is no soak: there are `cluster` and the one without an argument"),
    };
    if is_explained {
        println!("soak: everything is accounted for");
        return ExitCode::SUCCESS;
    }
    println!("soak: FAILED");
    ExitCode::FAILURE
}

/// Whether everything is explained.
async fn run(time: Duration, count: usize, (clients, between_frames): (usize, Duration)) -> bool {
    let redis = Arc::new(Mutex::new(Redis::start(&[])));
    // In a cluster, the room has a Redis of its own, to which nothing happens; a gateway alone has only the room's.
    let store = (count > 1).then(|| Redis::start(&[]));
    let settings = Settings {
        program: Program::named(),
        redis_port: redis.lock().await.port,
        cluster: store.as_ref().map(|store| (store.url(), LEASE)),
    };
    let (runs, journal, pushes) = (Runs::default(), Journal::default(), Pushes::default());
    let mut nodes = Vec::new();
    for _ in 0..count {
        nodes.push(Arc::new(Mutex::new(Node::start(settings.clone(), &runs).await)));
    }
    println!(
        "soak: {clients} clients, nodes: {count}, a frame from each every {} s, {} s",
        between_frames.as_secs(),
        time.as_secs()
    );
    let (phase, phases) = watch::channel(Phase::Sending);
    let (lives, clients) = client::start((clients, between_frames), &runs, &journal, &phases);

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
    let left = redis.lock().await.command("KEYS {scf-ws}:connections:*");
    let account = account::draw_up(&journal, &runs, &pushes);
    println!("{}\n{account}", chaos.done);
    if left != "*0\r\n" {
        println!("soak: connections are still recorded in Redis: {left}");
        ended_well = false;
    }
    if let Some(folder) = env::var_os("KEEP_LOG") {
        runs.write_logs(folder.as_ref());
    }
    ended_well && account.is_explained()
}
