//! The soak: 200 real clients in a room over Redis, while functions are killed and paused, Redis is killed, paused and
//! restarted, and lines are cut. At the end every frame and every delivery is accounted for.
//!
//! `BOOTSTRAP` names the program of the functions, `SECONDS` how long it goes on (600). Prints the account; ends with 1
//! if anything in it has no explanation.

mod account;
mod chaos;
mod client;
mod journal;

use std::{env, process::ExitCode, sync::Arc, time::Duration};

use scf_websocket_test_harness::{Redis, bootstrap};
use tokio::{sync::Mutex, sync::watch, time::sleep};

use self::{chaos::Chaos, client::Phase, journal::Journal};

const CLIENTS: usize = 200;
/// Each client sends a frame about this often; each frame goes to all clients.
const BETWEEN_FRAMES: Duration = Duration::from_secs(20);
/// What is under way when the frames end is over by then: an invocation and its wait for an instance.
const SETTLING: Duration = Duration::from_secs(10);

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let seconds = env::var("SECONDS").map_or(600, |text| text.parse().expect("SECONDS is a whole number"));
    let redis = Arc::new(Mutex::new(Redis::start(&[])));
    let store = redis.lock().await.url();
    let mut gateway = bootstrap()
        .env("WS_STORE", &store)
        .env("WS_PUSH_TO", "all")
        .env("WS_PUSH_ENCODING", "raw")
        .args(&["--trace"])
        .start();
    let (phase, phases) = watch::channel(Phase::Sending);
    let journal = Journal::default();
    let (lives, clients) = client::start(CLIENTS, &gateway.clients, &journal, &phases);
    println!("soak: {CLIENTS} clients, a frame from each every {} s, {seconds} s", BETWEEN_FRAMES.as_secs());

    sleep(Duration::from_secs(3)).await;
    let mut chaos = Chaos::new(gateway.pid(), Arc::clone(&redis), lives);
    chaos.reign(Duration::from_secs(seconds)).await;
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

    let account = account::draw_up(&journal, &gateway.log());
    println!("{}\n{account}", chaos.summary());
    if !status.success() {
        println!("soak: the gateway ended with {status}");
    } else if account.is_explained() {
        println!("soak: everything is accounted for");
        return ExitCode::SUCCESS;
    }
    if let Some(kept) = env::var_os("KEEP_LOG") {
        std::fs::write(kept, gateway.log()).expect("the log's copy");
    }
    println!("soak: FAILED");
    ExitCode::FAILURE
}
