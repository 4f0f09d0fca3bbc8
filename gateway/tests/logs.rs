//! The log: text or JSON, and a connection's whole life under its id.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::MetadataExt as _,
    process::Stdio,
};

use axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use scf_websocket_test_harness::{Gateway, echo, from_file, misbehaving};
use serde_json::{Value, json};

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
    let mark = gateway.events("transfer")[0]["websocket"]["data"].as_str().map(str::len);
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
    let closed = life.iter().find(|line| line["code"].is_number()).expect("a line about its end");
    let fields = [
        ("address", json!("127.0.0.1")),
        ("path", json!("/")),
        ("code", json!(1000)),
        ("reason", json!("closed_by_client")),
        ("frames_in", json!(1)),
        ("frames_out", json!(1)),
        ("bytes_in", json!(mark)),
        ("bytes_out", json!(mark)),
    ];
    for (name, value) in fields {
        assert_eq!(closed[name], value, "{name} in {closed}");
    }
    assert!(closed["ms"].is_u64(), "{closed}");
    let called = life.iter().find(|line| line["role"] == "transfer").expect("a traced call");
    assert_eq!((&called["outcome"], &called["instance"]), (&json!("ok"), &json!("transfer-1")), "{called}");
    assert!(called["function_ms"].as_f64() < called["total_ms"].as_f64(), "{called}");
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

/// A file with these lines at its top.
fn file(top: &str) -> String {
    let functions =
        ["register", "transfer", "cleanup"].map(|role| format!("{role} = \"process:$RUNTIMES/echo.py\"\n"));
    let api = format!("[[api]]\npath = \"/\"\n{}", functions.concat());
    format!(
        "listen = \"127.0.0.1:0\"\npush_token = \"hunter2\"\n{top}\n{api}[api.env]\nRECORD = \"$FOLDER/record\"\n"
    )
}

#[tokio::test]
async fn the_first_line_says_what_was_started_and_the_last_what_it_did() {
    let mut gateway = from_file(&file("")).start();
    let mut client = gateway.connect("/").await;
    client.send_text("hello").await;
    assert_eq!(client.next_text().await, "hello");
    client.close().await;
    gateway.wait_for_events("cleanup", 1).await;
    gateway.signal("TERM");
    assert_eq!(gateway.ended().await.code(), Some(0));
    let log = gateway.log();
    let started = log.lines().find(|line| line.contains("] gateway ")).expect("a line");
    for part in [
        env!("CARGO_PKG_VERSION"),
        "/gateway.toml: clients ws://127.0.0.1:0; push ",
        "/api-…",
        "api /: register ",
    ] {
        assert!(started.contains(part), "{part} in {started}");
    }
    assert!(!log.contains("hunter2"), "{log}");
    let totals = log.lines().find(|line| line.contains("] after ")).expect("a line");
    for part in
        ["1 clients", "1 frames (5 bytes) in", "1 frames (5 bytes) out", "3 calls of functions", "1 pushes"]
    {
        assert!(totals.contains(part), "{part} in {totals}");
    }
}

/// Standard error is the journal where `JOURNAL_STREAM` names it, and nowhere else.
#[tokio::test]
async fn a_line_for_the_journal_begins_with_its_priority() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal");
    for (offset, priority) in [(0, "<6>["), (1, "[")] {
        let journal = fs::File::create(&path).expect("a file");
        let metadata = journal.metadata().expect("a file");
        let stream = format!("{}:{}", metadata.dev(), metadata.ino() + offset);
        let gateway = echo().log_to(Stdio::from(journal)).own_env("JOURNAL_STREAM", &stream).start();
        gateway.connect("/").await.close().await;
        gateway.wait_for_events("cleanup", 1).await;
        let log = fs::read_to_string(&path).expect("a log");
        assert!(!log.is_empty() && log.lines().all(|line| line.starts_with(priority)), "{log}");
    }
}

#[tokio::test]
async fn format_and_level_come_from_the_file_and_the_environment_overrides_them() {
    let json = "log_format = \"json\"\nlog_level = \"error\"";
    for (top, variables, expected) in [
        (json, vec![], (true, false)),
        // An empty variable is none.
        (json, vec![("RUST_LOG", "")], (true, false)),
        (json, vec![("RUST_LOG", "info"), ("GATEWAY_LOG_FORMAT", "text")], (false, true)),
        ("", vec![("RUST_LOG", "")], (false, true)),
        ("", vec![("GATEWAY_LOG_FORMAT", "json")], (true, true)),
    ] {
        let mut gateway = from_file(&file(top));
        for (name, value) in &variables {
            gateway = gateway.own_env(name, value);
        }
        let mut gateway = gateway.start();
        gateway.signal("TERM");
        gateway.ended().await;
        let (log, (json, info)) = (gateway.log(), expected);
        assert_eq!(log.lines().all(|line| line.starts_with('{')), json, "{log}");
        assert_eq!(log.contains("shut down"), info, "{log}");
    }
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
