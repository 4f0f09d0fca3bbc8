//! What meets many alike is summarised: floods from outside, and the lines that each of them makes.

use std::{sync::Arc, time::Instant};

use futures_util::{FutureExt as _, SinkExt as _, future::join_all};
use scf_websocket_test_harness::{
    Gateway, Need, Redis, echo,
    elsewhere::server::{self, Server},
    eventually, from_file, needs,
};
use serde_json::json;
use tokio_websockets::Message;

/// For how long lines count together.
const INTERVAL_SECONDS: u64 = 10;

/// Waits until all of `count` lines with this text are accounted for, written or summarised, and checks that of each
/// interval no more than so many were written.
async fn summarised(gateway: &Gateway, text: &str, count: u64, allowed: u64, begun: Instant) {
    let written = |log: &str| {
        let lines =
            log.lines().filter(|line| line.contains(text) && !line.contains(" more like this within "));
        lines.count() as u64
    };
    let left_out = |log: &str| -> u64 {
        let summaries = log.lines().filter(|line| line.contains(text));
        let counts =
            summaries.filter_map(|line| line.split_once(" more like this within ")?.0.rsplit_once(' '));
        counts.map(|(_, count)| count.parse::<u64>().expect("a count")).sum()
    };
    eventually(&format!("{count} lines with {text:?}"), || {
        let log = gateway.log();
        (written(&log) + left_out(&log) >= count).then_some(())
    })
    .await;
    let log = gateway.log();
    let intervals = 1 + begun.elapsed().as_secs() / INTERVAL_SECONDS;
    let written = written(&log);
    assert!(written <= intervals * allowed, "{written} lines in {intervals} intervals:\n{log}");
    assert_eq!(written + left_out(&log), count, "{log}");
}

fn limits() -> &'static str {
    "[limits]\nframes_per_second = 1000000\nhandshakes_per_second_per_ip = 1000000\n"
}

#[tokio::test]
async fn a_backend_that_fails_for_each_client() {
    let begun = Instant::now();
    let refuse = |_| async { server::Reply::Whole(500, Vec::new(), b"rubbish".to_vec()) }.boxed();
    let server = Server::start(Arc::new(refuse), None).await;
    let gateway = from_file(&format!(
        "listen = \"127.0.0.1:0\"\n{}[[api]]\npath = \"/\"\nregister = \"http://{1}/register\"\n\
         transfer = \"http://{1}/\"\ncleanup = \"http://{1}/\"\nfunction_timeout_seconds = 1\n",
        limits(),
        server.addr
    ))
    .start();
    for _ in 0..10 {
        for refused in join_all((0..10).map(|_| gateway.ask("/", &[]))).await {
            assert_eq!(refused.status, 502, "{refused:?}");
        }
    }
    summarised(&gateway, "/register answered 500 Internal Server Error: rubbish", 100, 20, begun).await;
    summarised(&gateway, "was refused with 502", 100, 20, begun).await;
}

#[tokio::test]
async fn a_function_that_prints_a_line_for_each_frame() {
    if !needs(Need::Python) {
        return;
    }
    let begun = Instant::now();
    let gateway = echo().args(&["--max-instances", "1", "--timeout", "30000"]).start();
    let mut client = gateway.connect("/").await;
    for (text, count) in [("as always", 2000), ("ERROR: again", 200)] {
        for _ in 0..count {
            client.socket.feed(Message::text(format!("say {text}"))).await.expect("queued");
        }
    }
    client.socket.flush().await.expect("sent");
    assert_eq!(client.ask("done").await, "done");
    summarised(&gateway, "transfer-1 | as always", 2000, 500, begun).await;
    summarised(&gateway, "transfer-1 | ERROR: again", 200, 50, begun).await;
}

#[tokio::test]
async fn pushes_that_are_none() {
    if !needs(Need::Python) {
        return;
    }
    let begun = Instant::now();
    let gateway = echo().start();
    for _ in 0..100 {
        assert_eq!(gateway.push(b"rubbish").await.status, 400);
    }
    summarised(&gateway, "refused a reverse push: ", 100, 1, begun).await;
}

#[tokio::test]
async fn pushes_to_other_nodes_while_redis_is_away() {
    if !(needs(Need::Redis) && needs(Need::Python)) {
        return;
    }
    let mut redis = Redis::start(&[]);
    let gateway = crate::cluster::node::process(&redis.url()).start();
    redis.stop();
    gateway.wait_for_log("has ended: ").await;
    let begun = Instant::now();
    for _ in 0..100 {
        // A connection of some other node.
        let to = json!({"action": "closing", "secConnectionID": "AAECAwQFBgcICQoLDA0ODw=="});
        assert_eq!(gateway.push_json(to).await.status, 503);
    }
    summarised(&gateway, "a reverse push was not delivered to 1 of 1 connections", 100, 1, begun).await;
}
