//! Faults of the machine and of clients. No other client notices them.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use scf_websocket_gateway::{Api, ClientSettings, FunctionSource};
use scf_websocket_test_harness::{Gateway, InProcess, SOON, echo, eventually};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

/// The processor time of a process, in clock ticks.
fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process lives");
    let fields: Vec<_> = stat.rsplit_once(") ").expect("a name").1.split(' ').collect();
    [11, 12].iter().map(|index| fields[*index].parse::<u64>().expect("a number")).sum()
}

#[tokio::test]
async fn without_file_descriptors_accepting_pauses_and_recovers() {
    let gateway = echo().start();
    let mut before = gateway.connect("/").await;
    before.send_text("hello").await;
    assert_eq!(before.next_text().await, "hello");
    let open = fs::read_dir(format!("/proc/{}/fd", gateway.pid())).expect("its files").count();
    limit_files(&gateway, open + 2);
    let mut waiting = Vec::new();
    for _ in 0..10 {
        // The operating system takes them into its queue whether or not the gateway can.
        waiting.push(TcpStream::connect(gateway.addr()).await.expect("queued"));
    }
    gateway.wait_for_log("cannot accept a connection: ").await;
    let (begun, spent) = (Instant::now(), ticks(gateway.pid()));
    // Connections that are there notice nothing.
    for _ in 0..20 {
        before.send_text("still here").await;
        assert_eq!(before.next_text().await, "still here");
        sleep(Duration::from_millis(50)).await;
    }
    let spent = ticks(gateway.pid()) - spent;
    let elapsed = begun.elapsed();
    // A loop that spins takes a whole processor: a hundred ticks a second.
    let most = elapsed.as_millis() / 10 / 2;
    assert!(u128::from(spent) < most, "{spent} ticks of processor time within {elapsed:?}");
    assert_eq!(
        gateway.log().matches("cannot accept a connection").count(),
        1,
        "one line, not one an attempt"
    );
    limit_files(&gateway, 1024);
    gateway.connect("/").await.close().await;
    gateway.wait_for_log("connections are accepted again").await;
    drop(waiting);
}

/// Lets the gateway have this many files open.
fn limit_files(gateway: &Gateway, count: usize) {
    let limit = format!("--nofile={count}:1024");
    let pid = gateway.pid().to_string();
    let status = Command::new("prlimit").args(["--pid", &pid, &limit]).status().expect("prlimit");
    assert!(status.success(), "prlimit {limit}");
}

/// Two APIs, of which a client is connected to the second one.
async fn with_another_api(settings: ClientSettings) -> Gateway {
    let mut functions: Option<FunctionSource> = None;
    InProcess::echo()
        .api(|api| {
            functions = Some(api.register.clone());
            "/chat".clone_into(&mut api.path);
        })
        .gateway(|builder| {
            let functions = functions.expect("the functions of the first API");
            builder.clients(settings).api(Api::of("/other", functions))
        })
        .start()
        .await
}

const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Connects and vanishes: at once, in the middle of its request, behind it, or once it is connected.
async fn vanish(addr: String, number: usize) {
    let mut stream = TcpStream::connect(addr).await.expect("a connection");
    let sent = match number % 4 {
        0 => "",
        1 => &REQUEST[..REQUEST.len() / 2],
        _ => REQUEST,
    };
    stream.write_all(sent.as_bytes()).await.expect("sent");
    if number % 4 == 3 {
        timeout(SOON, stream.read(&mut [0; 1024])).await.expect("an answer in time").expect("an answer");
    }
    // Without a word, and with a reset instead of an orderly end.
    stream.set_zero_linger().expect("an option of the socket");
}

#[tokio::test]
async fn a_thousand_clients_connect_and_vanish() {
    let gateway = with_another_api(ClientSettings::default()).await;
    let mut other = gateway.connect("/other").await;
    let mut clients = JoinSet::new();
    for number in 0..1000 {
        clients.spawn(vanish(gateway.addr().to_owned(), number));
        if clients.len() == 100 {
            clients.join_next().await.expect("a client").expect("no panic");
            other.send_text("drop").await;
        }
    }
    while let Some(ended) = clients.join_next().await {
        ended.expect("no panic");
    }
    other.send_text("hello").await;
    assert_eq!(other.next_text().await, "hello");
    gateway.wait_for_metric(r#"scf_gateway_connections{api="/chat"}"#, 0.0).await;
    // Each client that the function accepted has its cleanup, and no other.
    let accepted = gateway.metric(r#"scf_gateway_handshakes_total{api="/chat",outcome="accepted"}"#);
    assert!(accepted >= 250.0, "{accepted}");
    let cleanups = r#"scf_gateway_events_total{api="/chat",role="cleanup",outcome="ok"}"#;
    gateway.wait_for_metric(cleanups, accepted).await;
    gateway.wait_for_metric(r#"scf_gateway_events_in_flight{api="/chat",role="register"}"#, 0.0).await;
    other.close().await;
}

#[tokio::test]
async fn a_client_that_sends_a_byte_now_and_then_is_cut_in_time() {
    let mut settings = ClientSettings::default();
    settings.timeouts.request_head = Duration::from_millis(500);
    let gateway = with_another_api(settings).await;
    let mut other = gateway.connect("/other").await;
    let mut stream = TcpStream::connect(gateway.addr()).await.expect("a connection");
    let trickle = async {
        for byte in REQUEST.bytes() {
            // A byte a second, but sooner: each comes well within the time that the whole head has.
            if stream.write_all(&[byte]).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(100)).await;
            if let Ok(Ok(0) | Err(_)) = timeout(Duration::from_millis(1), stream.read(&mut [0; 64])).await {
                return;
            }
        }
        panic!("the whole head was accepted");
    };
    timeout(SOON, trickle).await.expect("cut in time");
    assert!(gateway.events("register").len() == 1, "only the other client was registered");
    other.send_text("hello").await;
    assert_eq!(other.next_text().await, "hello");
}

#[tokio::test]
async fn a_push_for_a_connection_that_is_just_closing_is_answered_once_and_for_all() {
    let gateway = InProcess::echo().start().await;
    for _ in 0..20 {
        let mut client = gateway.connect("/").await;
        let id = client.id(&gateway).await;
        let push = json!({"action": "data send", "secConnectionID": id, "dataType": "text", "data": "x"});
        let pushes = async {
            let mut answers = Vec::new();
            while answers.last() != Some(&404) && answers.len() < 1000 {
                let reply = gateway.push_json(push.clone()).await;
                assert_eq!(reply.status, 200, "{reply:?}");
                answers.push(reply.json()["errNo"].as_i64().expect("a number"));
            }
            answers
        };
        let (answers, ()) = tokio::join!(pushes, client.close());
        let (last, before) = answers.split_last().expect("at least one");
        assert_eq!(*last, 404, "the connection is forgotten");
        assert!(before.iter().all(|answer| *answer == 0), "{answers:?}");
        assert_eq!(gateway.push_json(push).await.json()["errNo"], 404, "and stays forgotten");
    }
    gateway.wait_for_events("cleanup", 20).await;
    eventually("nothing waits", || {
        (gateway.metric("scf_gateway_send_queue_bytes").abs() < f64::EPSILON).then_some(())
    })
    .await;
}
