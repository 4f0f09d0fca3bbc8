//! One gateway: functions are killed and paused, Redis is killed, paused and restarted, and connections are cut.

use std::{sync::Arc, time::Duration};

use scf_websocket_test_harness::{Redis, bootstrap};
use tokio::{
    sync::{Mutex, watch},
    time::sleep,
};

use crate::{
    account,
    chaos::Chaos,
    client::{self, Phase},
    journal::Journal,
    pushes::Pushes,
    runs::Runs,
};

const CLIENTS: usize = 200;
/// Each client sends a frame about this often; each frame goes to all clients.
const BETWEEN_FRAMES: Duration = Duration::from_secs(20);
/// What is under way when the frames end is over by then: an invocation and its wait for an instance.
const SETTLING: Duration = Duration::from_secs(10);

/// Whether everything is explained.
pub async fn run(time: Duration) -> bool {
    let redis = Arc::new(Mutex::new(Redis::start(&[])));
    let store = redis.lock().await.url();
    let mut gateway = bootstrap()
        .env("WS_STORE", &store)
        .env("WS_PUSH_TO", "all")
        .env("WS_PUSH_ENCODING", "raw")
        .args(&["--trace"])
        .start();
    let (runs, journal) = (Runs::default(), Journal::default());
    let run = runs.started(&gateway);
    let (phase, phases) = watch::channel(Phase::Sending);
    let (lives, clients) = client::start((CLIENTS, BETWEEN_FRAMES), &runs, &journal, &phases);
    println!(
        "soak: {CLIENTS} clients, a frame from each every {} s, {} s",
        BETWEEN_FRAMES.as_secs(),
        time.as_secs()
    );

    sleep(Duration::from_secs(3)).await;
    let mut chaos = Chaos::new(gateway.pid(), Arc::clone(&redis), lives);
    chaos.reign(time).await;
    let _ = phase.send(Phase::Settling);
    sleep(SETTLING).await;
    let _ = phase.send(Phase::Over);
    for client in clients {
        client.await.expect("a client's task");
    }
    // The cleanup functions' last events.
    sleep(Duration::from_secs(5)).await;
    gateway.signal("INT");
    let status = gateway.ended().await;
    runs.keep_log(run, gateway.log());

    let account = account::draw_up(&journal, &runs, &Pushes::default());
    println!("{}\n{account}", chaos.done);
    if !status.success() {
        println!("soak: the gateway ended with {status}");
    }
    if let Some(folder) = std::env::var_os("KEEP_LOG") {
        runs.write_logs(folder.as_ref());
    }
    status.success() && account.is_explained()
}
