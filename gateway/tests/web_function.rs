//! `[web_function]`: the gateway inside a web function keeps to what its platform allows.

use std::time::Instant;

use axum::http::HeaderName;
use futures_util::{StreamExt as _, future::join_all};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_websockets::{CloseCode, Message};

use scf_websocket_test_harness::{
    Client, FromFile, Gateway, Need, Redis, Relay, SOON, eventually, from_file, needs, web_platform::SECRETS,
};

/// A web function with these lines in its section and these variables of its functions.
fn web_function(lines: &str, variables: &str) -> FromFile {
    from_file(&format!(
        r#"
        listen = "127.0.0.1:0"
        drain_seconds = 1
        [web_function]
        {lines}
        [[api]]
        path = "/"
        register = "process:$RUNTIMES/echo.py"
        transfer = "process:$RUNTIMES/echo.py"
        cleanup = "process:$RUNTIMES/echo.py"
        [api.env]
        RECORD = "$FOLDER/record"
        {variables}
        "#
    ))
    .own_env("GATEWAY_PUSH_TOKEN", "secret")
}

fn start(lines: &str) -> Gateway {
    web_function(lines, "").start()
}

async fn push(gateway: &Gateway, id: &str, text: &str) -> Value {
    let push = json!({"action": "data send", "secConnectionID": id, "dataType": "text", "data": text});
    gateway.push_json(push).await.json()
}

#[tokio::test]
async fn a_connection_is_closed_before_the_time_limit_and_its_client_may_come_back() {
    let gateway = start("time_limit_seconds = 2");
    let mut client = gateway.connect("/").await;
    let (code, reason) = client.closed().await;
    assert_eq!((code, reason.as_str()), (CloseCode::NORMAL_CLOSURE, "the time limit of the web function"));
    gateway.wait_for_events("cleanup", 1).await;
    assert_eq!(gateway.connect("/").await.ask("again").await, "again");
}

#[tokio::test]
async fn only_1000_and_1011_are_sent() {
    let gateway = start("");
    let mut client = gateway.connect("/").await;
    client.send(Message::binary(vec![0; 256 * 1024 + 1])).await;
    let (code, reason) = client.closed().await;
    assert_eq!(
        (code, reason.as_str()),
        (CloseCode::INTERNAL_SERVER_ERROR, "a frame has more than 262144 bytes")
    );

    let mut client = gateway.connect("/").await;
    client.send(Message::close(Some(CloseCode::GOING_AWAY), "")).await;
    assert_eq!(client.closed().await.0, CloseCode::NORMAL_CLOSURE);
    let mut client = gateway.connect("/").await;
    client.send(Message::close(None, "")).await;
    assert_eq!(client.closed().await.0, CloseCode::NORMAL_CLOSURE);

    let mut client = gateway.connect("/").await;
    gateway.signal("TERM");
    let (code, reason) = client.closed().await;
    assert_eq!((code, reason.as_str()), (CloseCode::NORMAL_CLOSURE, "the gateway is shutting down"));
}

#[tokio::test]
async fn the_platforms_headers_reach_no_function_and_no_log_and_name_the_client() {
    let gateway = start("");
    let headers = [
        ("x-scf-remote-addr", "203.0.113.7"),
        ("x-scf-secret-id", SECRETS[0]),
        ("x-scf-secret-key", SECRETS[1]),
        ("x-scf-session-token", SECRETS[2]),
        ("x-forwarded-for", "198.51.100.1"),
        ("x-own", "stays"),
    ]
    .map(|(name, value)| (HeaderName::from_static(name), value));
    let (mut client, _) = gateway.connect_with("/", &headers).await.expect("accepted");
    client.ask("hello").await;
    let event = gateway.events("register").remove(0);
    assert_eq!(event["requestContext"]["sourceIp"], "203.0.113.7");
    assert_eq!(event["headers"]["x-own"], "stays");
    let recorded = gateway.record().iter().map(Value::to_string).collect::<String>();
    gateway.wait_for_log("opened from 203.0.113.7").await;
    for text in [recorded, gateway.log()] {
        assert!(!text.contains("x-scf-") && SECRETS.iter().all(|secret| !text.contains(secret)), "{text}");
    }
    assert!(!gateway.log().contains("X-Forwarded-For"), "{}", gateway.log());
}

#[tokio::test]
async fn a_frame_that_the_platform_would_refuse_is_refused_to_its_pusher() {
    let gateway = start("");
    let mut client = gateway.connect("/").await;
    let id = client.id(&gateway).await;
    let answer = push(&gateway, &id, &"x".repeat(256 * 1024 + 1)).await;
    assert_eq!(answer["errNo"], 413, "{answer}");
    let most = "x".repeat(256 * 1024);
    assert_eq!(push(&gateway, &id, &most).await["errNo"], 0);
    assert!(client.next_text().await == most);
}

#[tokio::test]
async fn frames_leave_at_the_platforms_rate_and_all_of_them() {
    let gateway = start("frames_per_second = 20\nbytes_per_second = 100000");
    let mut client = gateway.connect("/").await;
    let id = client.id(&gateway).await;
    let begun = Instant::now();
    for number in 0..10 {
        assert_eq!(push(&gateway, &id, &number.to_string()).await["errNo"], 0);
    }
    assert_eq!(push(&gateway, &id, &"x".repeat(50_000)).await["errNo"], 0);
    assert_eq!(push(&gateway, &id, "last").await["errNo"], 0);
    for number in 0..10 {
        assert_eq!(client.next_text().await, number.to_string());
    }
    assert!(begun.elapsed().as_millis() >= 450, "{:?}", begun.elapsed());
    assert_eq!(client.next_text().await.len(), 50_000);
    let large = Instant::now();
    assert_eq!(client.next_text().await, "last");
    assert!(large.elapsed().as_millis() >= 450, "{:?}", large.elapsed());

    // Also what still waits when the connection is closed.
    for number in 0..5 {
        assert_eq!(push(&gateway, &id, &number.to_string()).await["errNo"], 0);
    }
    let begun = Instant::now();
    gateway.push_json(json!({"action": "closing", "secConnectionID": id})).await;
    for number in 0..5 {
        assert_eq!(client.next_text().await, number.to_string());
    }
    assert_eq!(client.closed().await.0, CloseCode::NORMAL_CLOSURE);
    assert!(begun.elapsed().as_millis() >= 200, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn more_than_fits_into_the_queue_of_a_paced_client_closes_it() {
    let gateway = start("frames_per_second = 1");
    let mut client = gateway.connect("/").await;
    let id = client.id(&gateway).await;
    let large = "x".repeat(200_000);
    let answers = [0; 8].map(|_| push(&gateway, &id, &large));
    let answers: Vec<_> = join_all(answers).await;
    let refused = answers.iter().filter(|answer| answer["errNo"] == 404).count();
    assert!(refused > 0, "{answers:?}");
    let (code, reason) = client.closed().await;
    assert_eq!((code, reason.as_str()), (CloseCode::INTERNAL_SERVER_ERROR, "too slow"));
}

#[tokio::test]
async fn what_a_closing_connection_has_no_time_for_is_in_the_log() {
    let gateway = start("frames_per_second = 1\ntime_limit_seconds = 5");
    let mut client = gateway.connect("/").await;
    let id = client.id(&gateway).await;
    for number in 0..9 {
        assert_eq!(push(&gateway, &id, &number.to_string()).await["errNo"], 0);
    }
    let mut arrived = 0;
    let close = loop {
        let message = timeout(SOON, client.socket.next()).await.expect("an end");
        let message = message.expect("a close frame before the end").expect("a frame");
        match message.as_close() {
            Some((code, reason)) => break (code, reason.to_owned()),
            None => arrived += 1,
        }
    };
    assert_eq!(close, (CloseCode::NORMAL_CLOSURE, "the time limit of the web function".to_owned()));
    let unsent = 9 - arrived;
    let line = format!("{id}: the connection had to end before {unsent} frames");
    gateway.wait_for_log(&line).await;
}

/// The platform may freeze the instance as soon as the close handshake is over.
#[tokio::test]
async fn cleanup_is_called_before_the_close_handshake_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let cleaned = folder.path().join("cleaned");
    let variables = format!("CLEANUP_MS = \"300\"\nCLEANED = {cleaned:?}");
    let gateway = web_function("", &variables).start();
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(gateway.connect("/").await);
    }
    let closing = clients.into_iter().map(Client::close);
    join_all(closing).await;
    let cleaned = std::fs::read_to_string(cleaned).unwrap_or_default();
    assert_eq!(cleaned, "cleaned\n".repeat(3), "{}", gateway.log());
}

#[tokio::test]
async fn a_cleanup_that_hangs_holds_no_client_up() {
    let file = web_function("time_limit_seconds = 5", "CLEANUP_MS = \"600000\"");
    let gateway = file.own_env("RUST_LOG", "info").start();
    gateway.connect("/").await.close().await;
    assert_eq!(gateway.events("cleanup").len(), 1, "it is under way");
}

#[tokio::test]
async fn functions_get_the_variables_of_the_web_function_but_not_those_of_platform_and_gateway() {
    let gateway = web_function("", "SHOW_VARIABLES = \"yes\"")
        .own_env("STORE_PASSWORD", "hunter2")
        .own_env("TENCENTCLOUD_SECRETKEY", SECRETS[1])
        .start();
    gateway.connect("/").await;
    let shown = "variable STORE_PASSWORD=hunter2";
    eventually("the function's variables", || gateway.log().contains(shown).then_some(())).await;
    assert!(!gateway.log().contains(SECRETS[1]) && !gateway.log().contains("GATEWAY_PUSH_TOKEN"));
}

#[tokio::test]
async fn without_a_token_it_does_not_start() {
    let output = web_function("", "").own_env("GATEWAY_PUSH_TOKEN", "").output();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("GATEWAY_PUSH_TOKEN"), "{said}");
}

/// Its connections to Redis are dead then, whether it can tell or not, and it may be frozen again with its next answer.
#[tokio::test]
async fn a_woken_instance_is_in_its_cluster_before_it_answers() {
    if !needs(Need::Redis) {
        return;
    }
    let redis = Redis::start(&[]);
    let relay = Relay::to(redis.port).await;
    let of_cluster = |port| {
        let url = format!("redis://127.0.0.1:{port}");
        web_function("", "").own_env("GATEWAY_CLUSTER", &url).start()
    };
    let (woken, other) = (of_cluster(relay.port), of_cluster(redis.port));
    let mut there = other.connect("/").await;
    let there_id = there.id(&other).await;
    woken.connect("/").await.close().await;
    for (round, kill) in [Relay::cut, Relay::silence, Relay::cut].iter().enumerate() {
        woken.signal("STOP");
        kill(&relay);
        relay.mend();
        woken.signal("CONT");
        if round > 0 {
            assert_eq!(push(&woken, &there_id, "from outside").await["errNo"], 0, "{}", woken.log());
            assert_eq!(there.next_text().await, "from outside");
        }
        let mut here = woken.connect("/").await;
        let registered = woken.events("register").pop().expect("recorded");
        let here_id = registered["websocket"]["secConnectionID"].as_str().expect("an id");
        assert_eq!(push(&other, here_id, "hello").await["errNo"], 0, "{}", woken.log());
        assert_eq!(here.next_text().await, "hello");
        here.close().await;
    }
}
