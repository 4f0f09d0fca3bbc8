//! A connection ends, and the cleanup function hears of it exactly once, or never where a function ended it.

use std::time::Duration;

use futures_util::SinkExt as _;
use scf_websocket_test_harness::{Gateway, InProcess, SOON};
use tokio::{
    io::AsyncWriteExt as _,
    time::{sleep, timeout},
};
use tokio_websockets::{CloseCode, Message};

/// Ends the gateway, by when each event is carried out.
async fn cleaned_up_once(mut gateway: Gateway, how: &str) {
    let closing = gateway.wait_for_events("cleanup", 1).await;
    let registered = &gateway.events("register")[0]["websocket"]["secConnectionID"];
    assert_eq!(closing[0]["websocket"]["action"], "closing");
    assert_eq!(&closing[0]["websocket"]["secConnectionID"], registered);
    let record = gateway.wait_for_record(how, |record| record["what"] == "closed").await;
    assert!(record["message"].as_str().is_some_and(|message| message.contains(how)), "{record}");
    gateway.shutdown().await;
    assert_eq!(gateway.events("cleanup").len(), 1);
}

#[tokio::test]
async fn the_client_closes() {
    let gateway = InProcess::echo().start().await;
    let mut client = gateway.connect("/").await;
    client.send(Message::close(Some(CloseCode::GOING_AWAY), "bye")).await;
    assert_eq!(client.closed().await.0, CloseCode::GOING_AWAY, "the reply repeats the code");
    cleaned_up_once(gateway, "closed by the client (1001)").await;
}

#[tokio::test]
async fn the_line_is_cut() {
    let gateway = InProcess::echo().start().await;
    let client = gateway.connect("/").await;
    drop(client);
    cleaned_up_once(gateway, "connection lost").await;
}

#[tokio::test]
async fn the_line_is_cut_within_a_frame() {
    let gateway = InProcess::echo().start().await;
    let mut client = gateway.connect("/").await;
    client.send_text("whole").await;
    client.socket.get_mut().write_all(&[0x81, 0x85, 0, 0, 0, 0, b'h']).await.expect("sent");
    drop(client);
    gateway.wait_for_events("cleanup", 1).await;
    assert_eq!(gateway.events("transfer").len(), 1, "only the whole frame is an event");
    cleaned_up_once(gateway, "connection lost").await;
}

#[tokio::test]
async fn nobody_says_anything() {
    let gateway =
        InProcess::echo().api(|api| api.settings.idle_timeout = Duration::from_secs(2)).start().await;
    let mut client = gateway.connect("/").await;
    // Carrying something keeps it open.
    for _ in 0..4 {
        sleep(Duration::from_millis(600)).await;
        client.send_text("still here").await;
        assert_eq!(client.next_text().await, "still here");
    }
    assert!(gateway.events("cleanup").is_empty());
    let (code, reason) = client.closed().await;
    assert_eq!((code, reason.as_str()), (CloseCode::NORMAL_CLOSURE, "idle"));
    cleaned_up_once(gateway, "idle for 2 s").await;
}

#[tokio::test]
async fn the_client_is_gone_without_a_word() {
    let gateway =
        InProcess::echo().api(|api| api.settings.idle_timeout = Duration::from_secs(2)).start().await;
    // Never read from: no pong is ever sent. Pushes keep it from being idle.
    let _client = gateway.connect("/").await;
    let registered = gateway.events("register")[0]["websocket"]["secConnectionID"].clone();
    let push = serde_json::json!({"action": "data send", "secConnectionID": registered, "dataType": "text", "data": "x"});
    let push_until_closed = async {
        while gateway.push_json(push.clone()).await.err_no() == 0 {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(SOON * 3, push_until_closed).await.expect("closed");
    cleaned_up_once(gateway, "no sign of life").await;
}

#[tokio::test]
async fn a_transfer_fails() {
    let gateway = InProcess::echo().start().await;
    let mut client = gateway.connect("/").await;
    client.socket.feed(Message::text("before")).await.expect("queued");
    client.socket.feed(Message::text("fail")).await.expect("queued");
    client.socket.feed(Message::text("after")).await.expect("queued");
    client.socket.flush().await.expect("sent");
    assert_eq!(client.next_text().await, "before");
    assert_eq!(client.failed(&gateway).await, "the transfer function failed");
    gateway.wait_for_events("cleanup", 1).await;
    assert_eq!(gateway.events("transfer").len(), 2, "nothing is carried out behind a gap");
    cleaned_up_once(gateway, "the transfer function failed").await;
}

#[tokio::test]
async fn a_function_closes_it() {
    let mut gateway = InProcess::echo().start().await;
    let mut client = gateway.connect("/").await;
    client.socket.feed(Message::text("close me")).await.expect("queued");
    client.socket.feed(Message::text("after")).await.expect("queued");
    client.socket.flush().await.expect("sent");
    assert_eq!(client.closed().await.0, CloseCode::NORMAL_CLOSURE);
    drop(client);
    let record = gateway.wait_for_record("closed", |record| record["what"] == "closed").await;
    assert_eq!(record["message"], "closed by a function (1000)");
    let made = gateway.wait_for_record("the push", |record| record["pushes"][0]["action"] == "closing").await;
    assert_eq!(made["pushes"][0]["err_no"], 0);
    gateway
        .wait_for_record("the end of the transfer", |record| {
            record["role"] == "transfer" && record["outcome"] == "ok"
        })
        .await;
    gateway.shutdown().await;
    assert!(gateway.events("cleanup").is_empty(), "the function knows already");
    assert_eq!(gateway.events("transfer").len(), 1, "it wanted the client gone");
}

#[tokio::test]
async fn what_was_sent_before_the_close_is_carried_out_before_the_cleanup() {
    let gateway = InProcess::echo().start().await;
    let mut client = gateway.connect("/").await;
    client.socket.feed(Message::text("hold")).await.expect("queued");
    for number in 0..20 {
        client.socket.feed(Message::text(number.to_string())).await.expect("queued");
    }
    client.send(Message::close(Some(CloseCode::NORMAL_CLOSURE), "")).await;
    // The client is let go at once, it need not wait for the transfers.
    assert_eq!(client.closed().await.0, CloseCode::NORMAL_CLOSURE);
    assert!(gateway.events("transfer").len() <= 1);
    gateway.release();
    gateway.wait_for_events("cleanup", 1).await;
    let record = gateway.record();
    let roles: Vec<&str> = record.iter().filter_map(|entry| entry["role"].as_str()).collect();
    let data: Vec<String> = record[2..22]
        .iter()
        .filter_map(|entry| entry["event"]["websocket"]["data"].as_str())
        .map(str::to_owned)
        .collect();
    assert_eq!(roles.len(), 23);
    assert_eq!(roles[22], "cleanup");
    assert_eq!(data, (0..20).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_accepted_client_can_be_pushed_to_until_it_leaves() {
    let gateway = InProcess::echo().start().await;
    let client = gateway.connect("/").await;
    let id = gateway.events("register")[0]["websocket"]["secConnectionID"].clone();
    let closing = serde_json::json!({"action": "closing", "secConnectionID": id});
    client.close().await;
    assert_ne!(gateway.push_json(closing).await.err_no(), 0);
}
