//! The smoke test of a packaged web function: the example chat with 50 clients over three instances and Redis, on a
//! stand-in for the platform, for two time limits; then with 1, 2 and 100 connections an instance, in the first of which each
//! end of a connection freezes an instance. Accounts for each client: registers, cleanups, frames.
//!
//! `WEB_ZIP` names the zip, `SECONDS` how long the first part goes on (40). Ends with 1 if anything has no explanation.

mod account;
mod client;
#[expect(dead_code, reason = "the soak asks it more")]
#[path = "../soak/logged.rs"]
mod logged;
mod pusher;
mod runs;

use std::{
    env,
    path::Path,
    process::{Command, ExitCode},
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;
use scf_websocket_test_harness::{
    Redis,
    web_platform::{Deployed, Isolation, Platform, Rules, SECRETS},
};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use self::{account::Account, client::Journal};

const TIME_LIMIT: Duration = Duration::from_secs(20);
const PUSH_TOKEN: &str = "smoke-token";
const FROZEN: Duration = Duration::from_secs(3);
/// The lease of a node, and what follows from its end.
const TAKE_OVER: Duration = Duration::from_mins(1);

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let seconds = env::var("SECONDS").map_or(40, |text| text.parse().expect("SECONDS is a whole number"));
    let mut unexplained = part(50, 17, Duration::from_secs(seconds)).await;
    let others = [(4, 1), (6, 2), (10, 100)];
    let others = others.map(|(clients, connections)| part(clients, connections, TIME_LIMIT * 3 / 2));
    unexplained += join_all(others).await.iter().sum::<usize>();
    println!("unexplained: {unexplained}");
    if unexplained == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How many things have no explanation.
async fn part(clients: usize, connections: usize, time: Duration) -> usize {
    let title =
        format!("\n## {clients} clients, {connections} connections an instance, {} s", time.as_secs());
    let folder = tempfile::tempdir().expect("a folder");
    let code = folder.path().join("code");
    unzip(&env::var("WEB_ZIP").expect("WEB_ZIP names the zip; `make smoke WEB=1` does"), &code);
    let (cluster, store) = (Redis::start(&[]), Redis::start(&[]));
    let variables = [("GATEWAY_PUSH_TOKEN", PUSH_TOKEN), ("WS_STORE", &store.url()), ("RUST_LOG", "info")];
    let deployed = Deployed {
        folder: code,
        variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        cluster_port: Some(cluster.port),
    };
    let rules = Rules { frozen: Some(FROZEN), ..Rules::new(TIME_LIMIT, connections) };
    let platform = Platform::start(deployed, rules).await;
    let journal = Arc::new(Journal::default());
    let (over, is_over) = watch::channel(false);
    let running: Vec<_> = (0..clients)
        .map(|number| {
            tokio::spawn(client::live(number, platform.clone(), Arc::clone(&journal), is_over.clone()))
        })
        .collect();
    let pusher = tokio::spawn(pusher::push(platform.clone(), PUSH_TOKEN, is_over));
    sleep(time).await;
    let _ = over.send(true);
    for client in running {
        client.await.expect("a client's task");
    }
    let from_outside = pusher.await.expect("the pusher's task");
    let left = everything_cleaned_up(&platform, &cluster).await;
    let logs = platform.logs().await;
    if let Some(folder) = env::var_os("KEEP_LOG") {
        keep(&logs, Path::new(&folder), connections);
    }
    let mut account = Account::of(&journal.lives(), &logs, &platform.killed().await);
    for violation in platform.violations() {
        account.unexplained(violation);
    }
    for secret in SECRETS.iter().chain(&[PUSH_TOKEN]) {
        if logs.iter().any(|log| log.contains(secret)) {
            account.unexplained(format!("{secret} is in an instance's log"));
        }
    }
    for refused in from_outside.unexplained(&logs) {
        account.unexplained(refused);
    }
    if let Some(left) = left {
        account.unexplained(format!("connections are still recorded in Redis: {left}"));
    }
    let isolation = match platform.isolation().await {
        Some(Isolation::ReadOnlyRoot) => "each instance in an empty root, read-only but for /tmp",
        _ => "NOT CHECKED: this machine allows no mount namespaces, so that the root is not read-only",
    };
    platform.end().await;
    let counts = account::table("platform", &platform.counts());
    let answers = account::table("pushes from outside", &from_outside.answers);
    // At once, since parts run beside each other.
    println!("{title}\n{isolation}\n{counts}{answers}{account}");
    account.unexplained_count()
}

/// An instance that is awake cleans up after those that were frozen or killed. What is left after a while, if anything.
async fn everything_cleaned_up(platform: &Platform, cluster: &Redis) -> Option<String> {
    let _awake = platform.occupy().await;
    let begun = Instant::now();
    loop {
        let left = cluster.command("KEYS *connections*");
        if left == "*0\r\n" {
            return None;
        }
        if begun.elapsed() > TAKE_OVER {
            return Some(left);
        }
        sleep(Duration::from_millis(100)).await;
    }
}

fn unzip(zip: &str, folder: &Path) {
    let status = Command::new("unzip").args(["-q", zip, "-d"]).arg(folder).status().expect("unzip");
    assert!(status.success(), "{zip} cannot be unpacked");
}

fn keep(logs: &[String], folder: &Path, connections: usize) {
    std::fs::create_dir_all(folder).expect("the logs' folder");
    for (number, log) in logs.iter().enumerate() {
        std::fs::write(folder.join(format!("{connections}-{number}.log")), log).expect("a log's copy");
    }
}
