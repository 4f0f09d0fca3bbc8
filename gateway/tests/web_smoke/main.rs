//! The smoke test of a packaged web function: the example chat with 50 clients over three instances and Redis, on a
//! stand-in for the platform, for two time limits; then with 1, 2 and 100 connections an instance, in the first of which each
//! end of a connection freezes an instance. Accounts for each client: registers, cleanups, frames.
//!
//! `WEB_ZIP` names the zip. With `SECONDS` all of that goes on for so long, at the same time. Ends with 1 if anything has no
//! explanation.

mod account;
mod client;
#[expect(dead_code, reason = "the soak asks it more")]
#[path = "../soak/logged.rs"]
mod logged;
mod opened;
mod pusher;
mod runs;

use std::{
    collections::BTreeMap,
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

use self::{
    account::{Account, Seen},
    client::Journal,
};

const TIME_LIMIT: Duration = Duration::from_secs(20);
const PUSH_TOKEN: &str = "smoke-token";
/// Some stopped instances are killed before their lease ends, some after it, and some go on.
const KILLED_AFTER: &[Option<Duration>] = &[
    None,
    Some(Duration::from_secs(1)),
    None,
    Some(Duration::from_secs(3)),
    None,
    Some(Duration::from_secs(7)),
];
const TICK: Duration = Duration::from_millis(50);
/// The lease of a node, and what follows from its end.
const TAKE_OVER: Duration = Duration::from_mins(1);

/// Clients, and connections an instance.
const PARTS: [(usize, usize); 4] = [(50, 17), (4, 1), (6, 2), (10, 100)];
/// What has to have happened, or nothing was tried.
const TRIED: [&str; 2] = ["instances resumed by a request", "instances killed while they were stopped"];

/// A machine that stands still for longer does not keep the platform's times, and what it says of them is void.
const LONGEST_STALL: Duration = Duration::from_secs(1);
const ATTEMPTS: usize = 3;

type Counts = BTreeMap<String, usize>;

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let seconds: Option<u64> =
        env::var("SECONDS").ok().map(|text| text.parse().expect("SECONDS is a whole number"));
    let (time, turns) = match seconds.map(Duration::from_secs) {
        Some(time) => (time, vec![&PARTS[..]]),
        None => (TIME_LIMIT * 2, vec![&PARTS[..1], &PARTS[1..]]),
    };
    let mut seen = Counts::new();
    let mut unexplained = 0;
    for turn in turns {
        for attempt in 1.. {
            let parts = turn.iter().map(|(clients, connections)| part(*clients, *connections, time));
            let parts = join_all(parts).await;
            let times: usize = parts.iter().map(|part| part.unexplained).sum();
            let is_void = parts.iter().any(|part| part.stall > LONGEST_STALL);
            if times > 0 && is_void && attempt < ATTEMPTS && seconds.is_none() {
                println!("\nthis machine stood still for more than {LONGEST_STALL:?}: once more");
                continue;
            }
            unexplained += times;
            for (what, times) in parts.into_iter().flat_map(|part| part.counts) {
                *seen.entry(what).or_default() += times;
            }
            break;
        }
    }
    for what in TRIED.iter().filter(|what| !seen.contains_key(**what)) {
        println!("UNEXPLAINED no {what}");
        unexplained += 1;
    }
    println!("unexplained: {unexplained}");
    if unexplained == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Part {
    unexplained: usize,
    /// What the platform did.
    counts: Counts,
    /// For how long this machine stood still at most.
    stall: Duration,
}

async fn part(clients: usize, connections: usize, time: Duration) -> Part {
    let title =
        format!("\n## {clients} clients, {connections} connections an instance, {} s", time.as_secs());
    let folder = tempfile::tempdir().expect("a folder");
    let code = folder.path().join("code");
    unzip(&env::var("WEB_ZIP").expect("WEB_ZIP names the zip; `make smoke WEB=1` does"), &code);
    let (cluster, store) = (Redis::start(&[]), Redis::start(&[]));
    let variables = [("GATEWAY_PUSH_TOKEN", PUSH_TOKEN), ("RUST_LOG", "info")];
    let deployed = Deployed {
        folder: code,
        variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        redis: vec![("GATEWAY_CLUSTER", cluster.port), ("WS_STORE", store.port)],
    };
    let rules = Rules { killed_after: KILLED_AFTER, ..Rules::new(TIME_LIMIT, connections) };
    let platform = Platform::start(deployed, rules).await;
    let journal = Arc::new(Journal::default());
    let (over, is_over) = watch::channel(false);
    let running: Vec<_> = (0..clients)
        .map(|number| {
            tokio::spawn(client::live(number, platform.clone(), Arc::clone(&journal), is_over.clone()))
        })
        .collect();
    let stall = tokio::spawn(stalls(is_over.clone()));
    let pusher = tokio::spawn(pusher::push(platform.clone(), PUSH_TOKEN, is_over));
    sleep(time).await;
    let _ = over.send(true);
    for client in running {
        client.await.expect("a client's task");
    }
    let stall = stall.await.expect("no panic");
    let from_outside = pusher.await.expect("the pusher's task");
    let left = everything_cleaned_up(&platform, &cluster).await;
    let logs = platform.logs().await;
    if let Some(folder) = env::var_os("KEEP_LOG") {
        keep(&logs, Path::new(&folder), connections);
    }
    let (lives, histories) = (journal.lives(), platform.histories().await);
    let seen = Seen { lives: &lives, logs: &logs, histories: &histories, pushed: &from_outside, stall };
    let mut account = Account::of(&seen);
    for violation in platform.violations() {
        account.unexplained(violation);
    }
    for secret in SECRETS.iter().chain(&[PUSH_TOKEN]) {
        if logs.iter().any(|log| log.contains(secret)) {
            account.unexplained(format!("{secret} is in an instance's log"));
        }
    }
    if let Some(left) = left {
        account.unexplained(format!("connections are still recorded in Redis: {left}"));
    }
    let isolation = match platform.isolation().await {
        Some(Isolation::ReadOnlyRoot) => "each instance in an empty root, read-only but for /tmp",
        _ => "NOT CHECKED: this machine allows no mount namespaces, so that the root is not read-only",
    };
    platform.end().await;
    let mut counts = platform.counts();
    let lost = logs.iter().map(|log| log.matches(" was declared lost: ").count()).sum();
    counts.insert("instances that woke after they were declared lost".to_owned(), lost);
    let platform = account::table("platform", &counts);
    let answers = account::table("pushes from outside", &from_outside.answers);
    // At once, since parts run beside each other.
    println!(
        "{title}, this machine stood still for {} ms at most\n{isolation}\n{platform}{answers}{account}",
        stall.as_millis()
    );
    Part { unexplained: account.unexplained_count(), counts, stall }
}

/// For how long this machine stood still at most.
async fn stalls(is_over: watch::Receiver<bool>) -> Duration {
    let mut most = Duration::ZERO;
    while !*is_over.borrow() {
        let begun = Instant::now();
        sleep(TICK).await;
        most = most.max(begun.elapsed().saturating_sub(TICK));
    }
    most
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
