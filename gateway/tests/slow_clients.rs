//! A client that does not read is closed, and neither its functions nor other clients wait for it.

use std::time::Duration;

use futures_util::SinkExt as _;
use scf_websocket_test_harness::{Client, Gateway, InProcess, Need, SOON, echo, needs};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tokio_websockets::{CloseCode, Message};

/// More frames than the kernel's buffers and a queue of 1 MiB can hold of [`FRAME_BYTES`] each.
const MANY: usize = 200;
const FRAME_BYTES: usize = 256 * 1024;

fn send(id: &str, data: &str) -> Value {
    json!({"action": "data send", "secConnectionID": id, "dataType": "text", "data": data})
}

async fn closed_for(gateway: &Gateway, id: &str, why: &str) {
    let closed = |record: &Value| {
        record["what"] == "closed"
            && record["connection"] == id
            && record["message"].as_str().is_some_and(|message| message.contains(why))
    };
    gateway.wait_for_record(why, closed).await;
}

async fn cleaned_up(gateway: &Gateway, id: &str) {
    let events = gateway.wait_for_events("cleanup", 1).await;
    assert_eq!(events[0]["websocket"]["secConnectionID"], id);
    assert_eq!(events.len(), 1);
}

#[tokio::test]
async fn a_push_waits_for_no_client() {
    let gateway = InProcess::echo().start().await;
    let (mut slow, mut quick) = (gateway.connect("/").await, gateway.connect("/").await);
    let (slow_id, quick_id) = (slow.id(&gateway).await, quick.id(&gateway).await);
    let frame = send(&slow_id, &"x".repeat(FRAME_BYTES));
    let mut pushed = 0;
    let refused = loop {
        let reply = gateway.push_json(frame.clone()).await;
        if reply.err_no() != 0 {
            break reply;
        }
        pushed += 1;
        assert!(pushed < MANY, "the memory is not the place for what a client does not read");
        assert_eq!(gateway.push_json(send(&quick_id, "quick")).await.err_no(), 0);
        assert_eq!(quick.next_text().await, "quick");
    };
    assert_eq!((refused.status, refused.err_no()), (200, 404), "the function forgets the client");
    assert_eq!(gateway.push_json(frame).await.err_no(), 404);
    let mut received = 0;
    let (code, reason) = loop {
        let message = slow.next().await;
        if let Some((code, reason)) = message.as_close() {
            break (code, reason.to_owned());
        }
        received += 1;
    };
    assert_eq!((code, reason.as_str()), (CloseCode::POLICY_VIOLATION, "too slow"));
    assert!(received < pushed, "what waited is discarded: {received} of {pushed}");
    cleaned_up(&gateway, &slow_id).await;
    closed_for(&gateway, &slow_id, "closed by the gateway (1008): too slow, more than 1048576 bytes wait")
        .await;
    quick.close().await;
}

#[tokio::test]
async fn the_queue_holds_as_much_as_it_is_told() {
    let gateway =
        InProcess::echo().clients(|clients| clients.limits.send_queue_bytes = 100_000_000).start().await;
    let mut slow = gateway.connect("/").await;
    let id = slow.id(&gateway).await;
    let frame = send(&id, &"x".repeat(FRAME_BYTES));
    for _ in 0..MANY {
        assert_eq!(gateway.push_json(frame.clone()).await.err_no(), 0);
    }
    for _ in 0..MANY {
        assert_eq!(slow.next_text().await.len(), FRAME_BYTES);
    }
    slow.close().await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_for_ten_seconds_is_cut() {
    let gateway =
        InProcess::echo().clients(|clients| clients.limits.send_queue_bytes = 100_000_000).start().await;
    let mut slow = gateway.connect("/").await;
    let id = slow.id(&gateway).await;
    let frame = send(&id, &"x".repeat(FRAME_BYTES));
    for _ in 0..MANY {
        assert_eq!(gateway.push_json(frame.clone()).await.err_no(), 0);
    }
    cleaned_up(&gateway, &id).await;
    closed_for(&gateway, &id, "too slow, the client has read nothing for 10 s").await;
}

/// Sends until the gateway takes no more.
async fn send_without_reading(client: &mut Client, frame: &Message, pause: Duration) {
    while client.socket.send(frame.clone()).await.is_ok() {
        sleep(pause).await;
    }
}

#[tokio::test]
async fn a_client_that_sends_and_never_reads_is_closed() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = echo().start();
    let mut client = gateway.connect("/").await;
    let id = client.id(&gateway).await;
    let frame = Message::text("x".repeat(FRAME_BYTES / 2));
    tokio::select! {
        () = closed_for(&gateway, &id, "closed by the gateway (1008): too slow") => {}
        () = send_without_reading(&mut client, &frame, Duration::ZERO) => {
            closed_for(&gateway, &id, "closed by the gateway (1008): too slow").await;
        }
    }
    gateway.wait_for_log("transfer-1 | push: the client does not read").await;
    cleaned_up(&gateway, &id).await;
}

#[tokio::test]
async fn a_client_that_sends_little_and_answers_no_ping_is_cut() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = echo().args(&["--idle-timeout", "2"]).start();
    let mut client = gateway.connect("/").await;
    let id = client.id(&gateway).await;
    let nothing_to_read = Message::text("say nothing");
    let sending = send_without_reading(&mut client, &nothing_to_read, Duration::from_millis(100));
    timeout(SOON * 3, sending).await.expect("cut");
    closed_for(&gateway, &id, "has left 6 pings unanswered").await;
    cleaned_up(&gateway, &id).await;
}
