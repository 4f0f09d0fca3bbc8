//! A hand-over while hundreds of clients are connected, each of which connects again as soon as it is closed, and functions
//! push all along.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use scf_websocket_test_harness::{Client, Gateway, SOON, eventually, from_file};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_websockets::CloseCode;

use super::{Functions, NewProcess, Pusher};

const CLIENTS: usize = 300;
const PUSHERS: usize = 4;
const DRAIN_SECONDS: u32 = 3;
/// A client is back within 100 ms on a machine that has nothing else to do; here all the other tests run.
const MAX_GAP: Duration = Duration::from_secs(5);

/// What all of them share.
struct Scene {
    gateway: Gateway,
    functions: Functions,
    /// Clients that are connected to the new process.
    moved: AtomicUsize,
    pushing_is_over: AtomicBool,
    is_over: AtomicBool,
}

/// What a client has seen.
#[derive(Default)]
struct Seen {
    /// From the close frame to the next open connection.
    gap: Duration,
    refused: Vec<String>,
    received: HashSet<String>,
}

impl Scene {
    /// Stays connected until all is over; closed with 1001 once, when the old process hands its clients over.
    async fn client(&self, number: usize) -> Seen {
        let mut seen = Seen::default();
        let mut client = self.connected(number, &mut seen).await;
        seen.read(&mut client, &self.is_over).await;
        let closed = Instant::now();
        // The reply to the close frame goes out, and the gateway ends the connection.
        assert!(timeout(SOON, client.socket.next()).await.expect("in time").is_none());
        let mut client = self.connected(number, &mut seen).await;
        seen.gap = closed.elapsed();
        self.moved.fetch_add(1, Ordering::Relaxed);
        seen.read(&mut client, &self.is_over).await;
        seen
    }

    async fn connected(&self, number: usize, seen: &mut Seen) -> Client {
        loop {
            match self.gateway.connect_with(&format!("/?n={number}"), &[]).await {
                Ok((client, _)) => return client,
                Err(error) => seen.refused.push(error.to_string()),
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Pushes to one client after the other, each text once, and returns those that were accepted. A client may be unknown
    /// only while it is about to connect again.
    async fn pusher(&self, first: usize) -> Vec<String> {
        let (mut accepted, mut pusher) = (Vec::new(), Pusher::of(&self.gateway));
        for round in 0.. {
            for number in (first..CLIENTS).step_by(PUSHERS) {
                if self.pushing_is_over.load(Ordering::Relaxed) {
                    return accepted;
                }
                let id = self.functions.id(number).expect("registered");
                let text = format!("{number} {round}");
                match pusher.push(&id, &text).await {
                    0 => accepted.push(text),
                    404 => {
                        let has_moved = || (self.functions.id(number)? != id).then_some(());
                        eventually(
                            &format!("another connection of client {number}, lost to pushes"),
                            has_moved,
                        )
                        .await;
                    }
                    err_no => panic!("a push to client {number} was answered {err_no}"),
                }
                sleep(Duration::from_millis(1)).await;
            }
        }
        accepted
    }
}

impl Seen {
    /// Reads until the gateway closes the connection, or all is over.
    async fn read(&mut self, client: &mut Client, is_over: &AtomicBool) {
        loop {
            let next = timeout(Duration::from_millis(500), client.next()).await;
            match next {
                Err(_) if is_over.load(Ordering::Relaxed) => return,
                Err(_) => {}
                Ok(message) => match (message.as_text(), message.as_close()) {
                    (Some(text), _) => assert!(self.received.insert(text.to_owned()), "{text} came twice"),
                    (None, Some((code, reason))) => {
                        assert_eq!((code, reason), (CloseCode::GOING_AWAY, "the gateway is shutting down"));
                        return;
                    }
                    (None, None) => panic!("neither text nor close: {message:?}"),
                },
            }
        }
    }
}

#[tokio::test]
async fn no_handshake_is_refused_and_no_push_is_lost() {
    let functions = Functions::start(CLIENTS).await;
    let gateway = from_file(&functions.file(DRAIN_SECONDS)).start();
    let scene = Arc::new(Scene {
        gateway,
        functions,
        moved: AtomicUsize::new(0),
        pushing_is_over: AtomicBool::new(false),
        is_over: AtomicBool::new(false),
    });
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let scene = Arc::clone(&scene);
        clients.spawn(async move { scene.client(number).await });
    }
    let all = || (0..CLIENTS).all(|number| scene.functions.id(number).is_some()).then_some(());
    eventually("all clients", all).await;
    let mut pushers = JoinSet::new();
    for first in 0..PUSHERS {
        let scene = Arc::clone(&scene);
        pushers.spawn(async move { scene.pusher(first).await });
    }
    sleep(Duration::from_millis(500)).await;

    scene.gateway.signal("USR2");
    let _new = NewProcess::of(&scene.gateway, 0).await;
    let moved = || (scene.moved.load(Ordering::Relaxed) == CLIENTS).then_some(());
    timeout(SOON, eventually("the clients' return", moved)).await.expect("in time");
    scene.gateway.wait_for_log("the process before this one has ended").await;
    scene.pushing_is_over.store(true, Ordering::Relaxed);
    let pushed: HashSet<String> = pushers.join_all().await.into_iter().flatten().collect();
    scene.is_over.store(true, Ordering::Relaxed);
    let seen = clients.join_all().await;

    let received: HashSet<String> = seen.iter().flat_map(|seen| seen.received.iter().cloned()).collect();
    let refused: Vec<_> = seen.iter().flat_map(|seen| &seen.refused).collect();
    let mut gaps: Vec<Duration> = seen.iter().map(|seen| seen.gap).collect();
    gaps.sort_unstable();
    let (median, largest) = (gaps[CLIENTS / 2], gaps[CLIENTS - 1]);
    println!(
        "{CLIENTS} clients: {} handshakes refused, {} of {} pushes lost, gap {median:?} (median), {largest:?} (largest)",
        refused.len(),
        pushed.difference(&received).count(),
        pushed.len()
    );
    assert!(refused.is_empty(), "{refused:?}");
    assert_eq!(received, pushed);
    assert!(pushed.len() > 50, "only {} pushes", pushed.len());
    assert!(largest < MAX_GAP, "a client was away for {largest:?}");
}
