//! Limits on clients: each refusal has a status or a close code, a metric, and a line of the log that names the limit.

use std::{num::NonZeroU32, time::Duration};

use futures_util::future::join_all;
use scf_websocket_gateway::{
    function::{Failure, Role},
    limits::Limits,
};
use scf_websocket_test_harness::{Client, Gateway, InProcess, eventually, in_process_log};
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_websockets::{CloseCode, Message};

pub(crate) async fn limited(change: impl FnOnce(&mut Limits)) -> Gateway {
    InProcess::echo().clients(|clients| change(&mut clients.limits)).start().await
}

/// Waits until the metric has so many, and the log a line that names the limit.
pub(crate) async fn hits(gateway: &Gateway, limit: &str, count: f64) {
    let key = format!("(limits.{limit})");
    eventually(&format!("a line with {key}"), || in_process_log().contains(&key).then_some(())).await;
    gateway.wait_for_metric(&format!(r#"scf_gateway_limit_hits_total{{limit="{limit}"}}"#), count).await;
}

async fn refused(gateway: &Gateway, status: u16, sentence: &str) {
    let reply = gateway.ask("/", &[]).await;
    assert_eq!(reply.status, status, "{reply:?}");
    assert_eq!(reply.json()["errMsg"], sentence);
    assert!(reply.head.to_ascii_lowercase().contains("\r\nretry-after: 1"), "{reply:?}");
}

#[tokio::test]
async fn connections_are_limited_in_total() {
    let gateway = limited(|limits| limits.connections = 1).await;
    let client = gateway.connect("/").await;
    refused(&gateway, 503, "the gateway has 1 connections, its limit").await;
    hits(&gateway, "connections", 1.0).await;
    client.close().await;
    gateway.wait_for_events("cleanup", 1).await;
    gateway.wait_for_metric(r#"scf_gateway_connections{api="/"}"#, 0.0).await;
    // The connection counts until its end, a moment after its cleanup.
    for _ in 0..1000 {
        if let Ok((client, _)) = gateway.connect_with("/", &[]).await {
            return client.close().await;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("the connection that has ended still counts");
}

#[tokio::test]
async fn connections_are_limited_by_address() {
    let gateway = limited(|limits| limits.connections_per_ip = 1).await;
    let client = gateway.connect("/").await;
    refused(&gateway, 429, "this address has 1 connections, its limit").await;
    hits(&gateway, "connections_per_ip", 1.0).await;
    let series = r#"scf_gateway_handshakes_total{api="/",outcome="limit"}"#;
    gateway.wait_for_metric(series, 1.0).await;
    assert_eq!(gateway.events("register").len(), 1, "no function is asked about a client over a limit");
    client.close().await;
}

#[tokio::test]
async fn handshakes_are_limited_by_address() {
    // One in a second: of many at once, the others are refused.
    let gateway = limited(|limits| limits.handshakes_per_second_per_ip = NonZeroU32::MIN).await;
    let replies = join_all((0..20).map(|_| gateway.ask("/refuse", &[]))).await;
    let statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
    assert!(statuses.contains(&403), "the first reaches the function: {statuses:?}");
    assert!(statuses.contains(&429), "{statuses:?}");
    let refused = u32::try_from(statuses.iter().filter(|status| **status == 429).count()).expect("few");
    hits(&gateway, "handshakes_per_second_per_ip", f64::from(refused)).await;
}

async fn closed(mut client: Client) -> (CloseCode, String) {
    client.closed().await
}

#[tokio::test]
async fn a_client_that_sends_too_many_frames_a_second_is_closed() {
    let gateway = limited(|limits| limits.frames_per_second = NonZeroU32::MIN).await;
    let mut client = gateway.connect("/").await;
    let mut quiet = gateway.connect("/").await;
    quiet.send_text("drop").await;
    for _ in 0..20 {
        client.send_text("drop").await;
    }
    let text = "too many frames a second".to_owned();
    assert_eq!(closed(client).await, (CloseCode::POLICY_VIOLATION, text));
    hits(&gateway, "frames_per_second", 1.0).await;
    gateway.wait_for_metric(r#"scf_gateway_closes_total{api="/",reason="too_fast"}"#, 1.0).await;
    quiet.close().await;
}

#[tokio::test]
async fn a_frame_over_the_limit_is_refused_and_one_of_its_size_is_not() {
    let gateway = limited(|limits| limits.frame_bytes = 1000).await;
    let mut client = gateway.connect("/").await;
    let most = "x".repeat(1000);
    client.send_text(&most).await;
    assert_eq!(client.next_text().await, most);
    client.send_text(&"x".repeat(1001)).await;
    let text = "a frame has more than 1000 bytes".to_owned();
    assert_eq!(closed(client).await, (CloseCode::MESSAGE_TOO_BIG, text));
    hits(&gateway, "frame_bytes", 1.0).await;
}

#[tokio::test]
async fn a_frame_of_6_mb_and_one_byte_is_refused() {
    let gateway = limited(|_| ()).await;
    let mut client = gateway.connect("/").await;
    client.send(Message::binary(vec![0; (6 << 20) + 1])).await;
    let text = "a frame or its event exceeds 6 MiB".to_owned();
    assert_eq!(closed(client).await, (CloseCode::MESSAGE_TOO_BIG, text));
    hits(&gateway, "frame_bytes", 1.0).await;
}

#[tokio::test]
async fn a_client_for_which_too_much_waits_is_closed() {
    let gateway = limited(|limits| limits.send_queue_bytes = 10_000).await;
    let mut client = gateway.connect("/").await;
    let id = client.id(&gateway).await;
    // The client reads nothing: its window, and then the queue, fill up.
    let data = "x".repeat(1 << 20);
    let push = json!({"action": "data send", "secConnectionID": id, "dataType": "text", "data": data});
    let mut answers = Vec::new();
    while answers.last() != Some(&404) && answers.len() < 100 {
        answers.push(gateway.push_json(push.clone()).await.json()["errNo"].as_i64().expect("a number"));
    }
    assert_eq!(answers.last(), Some(&404), "{answers:?}");
    hits(&gateway, "send_queue_bytes", 1.0).await;
    assert!(gateway.metric(r#"scf_gateway_pushes_total{outcome="queue_full"}"#) >= 1.0);
    gateway.wait_for_metric("scf_gateway_send_queue_bytes", 0.0).await;
}

/// Register knows each client by its path.
async fn named(role: Role, event: Value) -> Result<Value, Failure> {
    let mut answer = json!({"errNo": 0, "errMsg": "ok", "websocket": {}});
    if role == Role::Register {
        let path = event["requestContext"]["path"].as_str().unwrap_or_default();
        answer["websocket"]["attributes"] = json!({"user": path.trim_matches('/'), "level": "3"});
    }
    Ok(answer)
}

#[tokio::test]
async fn connections_are_limited_by_what_register_says_of_their_clients() {
    let counts = [("user".to_owned(), 2), ("team".to_owned(), 1)].into();
    let gateway = InProcess::of(named)
        .clients(|clients| clients.limits.connections_per_attribute = counts)
        .start()
        .await;
    let first = gateway.connect("/ann").await;
    let _second = gateway.connect("/ann").await;
    let reply = gateway.ask("/ann", &[]).await;
    assert_eq!((reply.status, reply.retry_after()), (429, Some(1)), "{reply:?}");
    assert_eq!(reply.json()["errMsg"], "this client has 2 connections, its limit");
    let _other = gateway.connect("/bob").await;
    hits(&gateway, "connections_per_attribute", 1.0).await;
    gateway.wait_for_metric(r#"scf_gateway_handshakes_total{api="/",outcome="limit"}"#, 1.0).await;
    gateway.wait_for_metric(r#"scf_gateway_handshakes_total{api="/",outcome="accepted"}"#, 3.0).await;
    // Register has accepted it, and its end is told with what register said.
    let cleanups = gateway.wait_for_events("cleanup", 1).await;
    assert_eq!(cleanups[0]["attributes"], json!({"user": "ann", "level": "3"}));
    first.close().await;
    for _ in 0..1000 {
        if gateway.connect_with("/ann", &[]).await.is_ok() {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("a connection that has ended still counts");
}
