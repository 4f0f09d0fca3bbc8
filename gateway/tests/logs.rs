//! The log: text or JSON, and a connection's whole life under its id.

use std::{fs::OpenOptions, process::Stdio};

use axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use scf_websocket_test_harness::{Gateway, echo, misbehaving};
use serde_json::Value;

/// Waits until the connection's end is logged, and returns the lines that name it.
async fn life(gateway: &Gateway, id: &str, end: &str) -> Vec<String> {
    gateway.wait_for_log(end).await;
    gateway.log().lines().filter(|line| line.contains(id)).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_connections_life_is_found_with_one_search() {
    let gateway = misbehaving("error", Some("transfer")).args(&["--trace"]).start();
    let mut client = gateway.connect("/chat").await;
    client.send_text("x").await;
    client.closed().await;
    gateway.wait_for_log("trace role=cleanup").await;
    let opened = gateway.log();
    let opened = opened.lines().find(|line| line.contains(" opened from ")).expect("a line");
    let id = opened.split(' ').find(|word| word.ends_with("==")).expect("an id");
    let life = life(&gateway, id, "trace role=cleanup").await;
    for (count, part) in [
        (1, "trace role=register"),
        (1, " opened from 127.0.0.1:"),
        (1, "WARN ] the transfer function failed (request "),
        (1, "closed by the gateway (1011)"),
        (1, "trace role=transfer"),
        (1, "trace role=cleanup"),
    ] {
        let found = life.iter().filter(|line| line.contains(part)).count();
        assert_eq!(found, count, "{part} in\n{}", life.join("\n"));
    }
    for line in &life {
        assert!(line.contains("request"), "no request id: {line}");
    }
}

#[tokio::test]
async fn in_json_each_line_is_an_object_with_the_ids_as_fields() {
    let gateway = echo().args(&["--log-format", "json", "--trace"]).start();
    let mut client = gateway.connect("/").await;
    let id = client.id(&gateway).await;
    client.close().await;
    gateway.wait_for_log("trace role=cleanup").await;
    let offer = [(SEC_WEBSOCKET_PROTOCOL, "chat")];
    let (client, _) = gateway.connect_with("/protocol-other", &offer).await.expect("accepted");
    client.close().await;
    assert_eq!(gateway.ask("/refuse", &[]).await.status, 403);
    gateway.wait_for_log("was refused with 403").await;
    let log = gateway.log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for line in &lines {
        let time = line["time"].as_str().expect("a time");
        assert!(time.ends_with('Z') && time.len() == "2026-01-01T00:00:00.000Z".len(), "{line}");
        assert!(line["level"].is_string() && line["message"].is_string(), "{line}");
    }
    let life: Vec<_> = lines.iter().filter(|line| line["connection"] == id.as_str()).collect();
    let has =
        |part: &str| life.iter().any(|line| line["message"].as_str().unwrap_or_default().contains(part));
    for part in [
        "opened from",
        "closed by the client",
        "trace role=register",
        "trace role=transfer",
        "trace role=cleanup",
    ] {
        assert!(has(part), "{part} in {life:?}");
    }
    for line in &life {
        assert_eq!(line["request_id"].as_str().map(str::len), Some(36), "{line}");
    }
    // Whatever names a connection has both.
    for line in &lines {
        let names_one = line["message"].as_str().is_some_and(|message| message.contains("=="));
        assert_eq!(names_one, line["connection"].is_string() && line["request_id"].is_string(), "{line}");
    }
    let warned = lines.iter().find(|line| line["level"] == "WARN").expect("a line");
    assert!(warned.to_string().contains("did not offer") && warned["connection"].is_string(), "{warned}");
    let refused = lines.iter().find(|line| line["message"].to_string().contains("was refused with 403"));
    let refused = refused.expect("a line");
    assert!(refused["connection"].is_string() && refused["request_id"].is_string(), "{refused}");
}

#[tokio::test]
async fn a_full_disk_under_the_log_stops_nothing() {
    let full = OpenOptions::new().write(true).open("/dev/full").expect("a device that is always full");
    let gateway = echo().log_to(Stdio::from(full)).args(&["--trace"]).start();
    for _ in 0..3 {
        let mut client = gateway.connect("/").await;
        client.send_text("hello").await;
        assert_eq!(client.next_text().await, "hello");
        client.close().await;
    }
    gateway.wait_for_events("cleanup", 3).await;
}
