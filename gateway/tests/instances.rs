//! How function processes are started, reused, limited and ended.

use std::time::{Duration, Instant};

use scf_websocket_test_harness::{Need, echo, kill, misbehaving, needs};
use tokio_websockets::CloseCode;

#[tokio::test]
async fn a_function_finds_what_scf_would_give_it() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = echo()
        .args(&["--timeout", "4000", "--memory", "256"])
        .env("WS_OF_CALLER", "flag")
        .own_env("WS_OWN", "inherited")
        .own_env("WS_OF_CALLER", "overridden")
        .own_env("SECRET", "of the gateway's user")
        .start();
    let _client = gateway.connect("/").await;
    let entry = &gateway.record()[0];
    assert_eq!(entry["headers"]["time_limit_in_ms"], "4000");
    assert_eq!(entry["headers"]["memory_limit_in_mb"], "256");
    assert_eq!(entry["headers"]["request_id"].as_str().map(str::len), Some(36));
    let environment = entry["environment"].as_object().expect("an object");
    for (name, value) in [
        ("SCF_RUNTIME_API", "127.0.0.1"),
        ("_HANDLER", "index.main_handler"),
        ("SCF_NAMESPACE", "default"),
        ("SCF_FUNCTIONNAME", "register"),
        ("SCF_FUNCTIONVERSION", "$LATEST"),
        ("TENCENTCLOUD_RUNENV", "SCF"),
        ("WS_ROLE", "register"),
        ("WS_OWN", "inherited"),
        ("WS_OF_CALLER", "flag"),
    ] {
        assert_eq!(environment[name], value, "{name}");
    }
    for name in [
        "SCF_RUNTIME_API_PORT",
        "TENCENTCLOUD_REGION",
        "TENCENTCLOUD_APPID",
        "TENCENTCLOUD_UIN",
        "TENCENTCLOUD_SECRETID",
        "TENCENTCLOUD_SECRETKEY",
        "TENCENTCLOUD_SESSIONTOKEN",
        "PATH",
    ] {
        assert!(environment[name].as_str().is_some_and(|value| !value.is_empty()), "{name}");
    }
    let push_url = format!("{}?instance=register-1", gateway.push);
    assert_eq!(environment["WS_PUSH_URL"], push_url.as_str());
    assert!(!environment.contains_key("SECRET"));
}

#[tokio::test]
async fn a_push_address_of_the_callers_own_is_kept() {
    if !needs(Need::Python) {
        return;
    }
    let gateway =
        echo().own_env("WS_PUSH_URL", "http://127.0.0.1:9/api").own_env("WS_ROLE", "cleanup").start();
    let _client = gateway.connect("/").await;
    let environment = &gateway.record()[0]["environment"];
    assert_eq!(environment["WS_PUSH_URL"], "http://127.0.0.1:9/api");
    assert_eq!(environment["WS_ROLE"], "register", "the role is the gateway's affair");
}

#[tokio::test]
async fn one_program_that_finds_its_role_by_itself_is_told_so() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = misbehaving("not at all", Some("no role")).env("WS_ROLE", "auto").start();
    // This runtime knows no such role, and its answer is no decision.
    let refused = gateway.ask("/", &[]).await;
    assert_eq!(refused.status, 502);
    gateway.wait_for_log("is not a valid decision").await;
}

#[tokio::test]
async fn idle_instances_are_reused_the_most_recent_first() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = echo().start();
    let mut client = gateway.connect("/").await;
    for _ in 0..5 {
        client.send_text("x").await;
        client.next_text().await;
    }
    assert_eq!(gateway.pids("transfer").len(), 1);
    let cold = gateway.wait_for_record("a cold start", |record| record["cold"] == true).await;
    assert!(cold["init_ms"].as_f64().is_some_and(|time| time > 1.0), "{cold}");
    let warm = |record: &serde_json::Value| record["cold"] == false && record["outcome"] == "ok";
    let warm = gateway.wait_for_record("a warm one", warm).await;
    assert_eq!(warm["instance"], "transfer-1");
    assert_eq!(warm["init_ms"], serde_json::Value::Null);
}

#[tokio::test]
async fn of_two_idle_instances_the_one_used_last_is_taken() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = echo().start();
    let (mut one, mut other) = (gateway.connect("/").await, gateway.connect("/").await);
    one.send_text("hold").await;
    gateway.wait_for_events("transfer", 1).await;
    other.send_text("x").await;
    other.next_text().await;
    gateway.release();
    for instance in ["transfer-1", "transfer-2"] {
        let done = |record: &serde_json::Value| record["instance"] == instance && record["outcome"] == "ok";
        gateway.wait_for_record("the end of each", done).await;
    }
    // Taken in turns, they would alternate.
    for text in ["a", "b", "c", "d"] {
        other.send_text(text).await;
        assert_eq!(other.next_text().await, text);
    }
    let record = gateway.record();
    let mut pids: Vec<_> =
        record.iter().filter(|entry| entry["role"] == "transfer").map(|entry| &entry["pid"]).collect();
    let later = pids.split_off(2);
    assert_ne!(pids[0], pids[1], "two at once");
    assert!(later.len() == 4 && later.iter().all(|pid| *pid == later[0]), "{later:?}");
}

#[tokio::test]
async fn concurrent_events_get_instances_up_to_the_limit_and_then_wait() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = echo().args(&["--max-instances", "2"]).start();
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(gateway.connect("/").await);
    }
    let begun = Instant::now();
    for client in &mut clients {
        client.send_text("sleep 400").await;
    }
    for client in &mut clients {
        assert_eq!(client.next_text().await, "sleep 400");
    }
    assert!(
        begun.elapsed() >= Duration::from_millis(800),
        "two at once, two after them: {:?}",
        begun.elapsed()
    );
    assert_eq!(gateway.pids("transfer").len(), 2);
    let queued = |record: &serde_json::Value| {
        record["outcome"] == "ok" && record["queued_ms"].as_f64().is_some_and(|time| time > 300.0)
    };
    let queued = gateway.wait_for_record("one that waited", queued).await;
    let ms = |name: &str| queued[name].as_f64().unwrap_or_default();
    let elsewhere = ms("queued_ms") + ms("init_ms") + ms("function_ms");
    assert!(
        (ms("total_ms") - elsewhere - ms("gateway_ms")).abs() < 0.01,
        "waiting is not the gateway's, and nothing is counted twice: {queued}"
    );
}

#[tokio::test]
async fn a_crash_costs_one_connection_and_the_instance_is_replaced() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = echo().start();
    let (mut one, mut other) = (gateway.connect("/").await, gateway.connect("/").await);
    one.send_text("crash").await;
    assert_eq!(one.failed(&gateway).await, "the transfer function crashed");
    other.send_text("still here").await;
    assert_eq!(other.next_text().await, "still here");
    let ended = gateway.wait_for_record("its end", |record| record["what"] == "ended").await;
    assert_eq!(ended["message"], "exited with status 3");
    let crashed = gateway.wait_for_record("the crash", |record| record["outcome"] == "crashed").await;
    assert_eq!(crashed["message"], "transfer-1 exited with status 3 in the middle of the invocation");
    gateway.wait_for_events("cleanup", 1).await;
}

#[tokio::test]
async fn a_process_killed_by_hand_costs_one_connection_at_most() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = echo().start();
    let mut client = gateway.connect("/").await;
    client.send_text("before").await;
    client.next_text().await;
    let done = |record: &serde_json::Value| record["role"] == "transfer" && record["outcome"] == "ok";
    gateway.wait_for_record("the end of the invocation", done).await;
    let idle = u32::try_from(gateway.pids("transfer")[0]).expect("a process id");
    kill(idle, "KILL");
    let ended = gateway.wait_for_record("its end", |record| record["what"] == "ended").await;
    assert_eq!(ended["message"], "killed by signal 9");
    client.send_text("after").await;
    assert_eq!(client.next_text().await, "after");

    client.send_text("hold").await;
    gateway.wait_for_events("transfer", 3).await;
    let busy =
        u32::try_from(gateway.pids("transfer").into_iter().find(|pid| *pid != u64::from(idle)).expect("two"));
    kill(busy.expect("a process id"), "KILL");
    assert_eq!(client.closed().await.0, CloseCode::INTERNAL_SERVER_ERROR);
    gateway.connect("/").await.close().await;
}

#[tokio::test]
async fn an_event_that_takes_too_long_ends_its_process() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = echo().args(&["--timeout", "300"]).start();
    let mut client = gateway.connect("/").await;
    client.send_text("sleep 5000").await;
    assert_eq!(client.failed(&gateway).await, "the transfer function timed out");
    let ended = gateway.wait_for_record("its end", |record| record["what"] == "ended").await;
    assert_eq!(ended["message"], "killed: not answered within 300 ms");
    let late = gateway.wait_for_record("the time-out", |record| record["outcome"] == "timed_out").await;
    assert!(late["function_ms"].as_f64().is_some_and(|time| time >= 300.0), "{late}");
}

#[tokio::test]
async fn output_is_in_the_log_and_in_the_time_line() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = echo().start();
    let mut client = gateway.connect("/").await;
    gateway.wait_for_log("register-1 | register starts").await;
    // It was started for this invocation, to whose time the start belongs.
    let cold = |record: &serde_json::Value| record["cold"] == true && record["log"][0] == "register starts";
    gateway.wait_for_record("the line in the invocation that the instance was started for", cold).await;
    // Standard error, within an invocation: the push is refused because the client has left.
    client.send_text("hold").await;
    client.send_text("x").await;
    gateway.wait_for_events("transfer", 1).await;
    drop(client);
    gateway.wait_for_record("its end", |record| record["what"] == "closed").await;
    gateway.release();
    gateway.wait_for_log("transfer-1 | push: there is no such connection").await;
    let line =
        |record: &serde_json::Value| record["log"][0].as_str().is_some_and(|line| line.starts_with("push:"));
    let invocation = gateway.wait_for_record("the line in the invocation's record", line).await;
    assert_eq!(invocation["kind"], "invocation");
}

#[tokio::test]
async fn a_line_that_a_function_logs_as_an_error_is_an_error_in_the_log() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = echo().own_env("RUST_LOG", "error").start();
    let mut client = gateway.connect("/").await;
    client.send_text("say [2026-11-24T18:00:00Z ERROR handler] it is broken").await;
    client.send_text("say [2026-11-24T18:00:00Z INFO  handler] it works").await;
    client.send_text("say [2026-11-24T18:00:00Z ERROR handler] again").await;
    gateway.wait_for_log("transfer-1 | [2026-11-24T18:00:00Z ERROR handler] again").await;
    let log = gateway.log();
    assert!(log.lines().all(|line| line.contains(" ERROR ")), "{log}");
    assert_eq!(log.lines().filter(|line| line.contains("transfer-1 | ")).count(), 2, "{log}");
}
