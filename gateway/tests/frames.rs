//! Frames travel to the transfer function and back.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use scf_websocket_test_harness::{InProcess, SOON, in_process_log};
use serde_json::json;
use tokio::{io::AsyncWriteExt as _, time::timeout};
use tokio_websockets::{CloseCode, Message};

#[tokio::test]
async fn text_arrives_as_it_is() {
    let gateway = InProcess::echo().start().await;
    let mut client = gateway.connect("/").await;
    for text in ["hello", "", "\"quoted\" \\ \u{0} \u{1f600} ü\n", "x"] {
        client.send_text(text).await;
        assert_eq!(client.next_text().await, text);
    }
    let event = &gateway.events("transfer")[0];
    let id = &gateway.events("register")[0]["websocket"]["secConnectionID"];
    let expected = json!({"websocket":
        {"action": "data recv", "secConnectionID": id, "dataType": "text", "data": "hello"}});
    assert_eq!(*event, expected);
}

#[tokio::test]
async fn binary_travels_in_base64() {
    let gateway = InProcess::echo().start().await;
    let mut client = gateway.connect("/").await;
    let bytes: Bytes = (0..=255).collect();
    client.send(Message::binary(bytes.clone())).await;
    let echoed = client.next().await;
    assert!(echoed.is_binary());
    assert_eq!(Bytes::from(echoed.into_payload()), bytes);
    let event = &gateway.events("transfer")[0]["websocket"];
    assert_eq!(event["dataType"], "binary");
    assert!(event["data"].as_str().is_some_and(|data| data.starts_with("AAECAwQF")), "{event}");
}

#[tokio::test]
async fn frames_of_one_connection_keep_their_order() {
    let gateway = InProcess::echo().start().await;
    let mut client = gateway.connect("/").await;
    let texts: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    for text in &texts {
        client.socket.feed(Message::text(text.clone())).await.expect("queued");
    }
    client.socket.flush().await.expect("sent");
    for text in &texts {
        assert_eq!(client.next_text().await, *text);
    }
    let events = gateway.events("transfer");
    let data: Vec<&str> = events.iter().filter_map(|event| event["websocket"]["data"].as_str()).collect();
    assert_eq!(data, texts);
}

#[tokio::test]
async fn a_megabyte_there_and_back() {
    let gateway = InProcess::echo().start().await;
    let mut client = gateway.connect("/").await;
    let text = "0123456789abcdef".repeat(64 * 1024);
    client.send_text(&text).await;
    assert!(client.next_text().await == text, "another text came back");
    let bytes = Bytes::from(text);
    client.send(Message::binary(bytes.clone())).await;
    assert!(Bytes::from(client.next().await.into_payload()) == bytes, "other bytes came back");
}

#[tokio::test]
async fn a_frame_or_event_over_6_mb_is_closed_with_1009() {
    let gateway = InProcess::echo().start().await;
    let limit = 6 * 1024 * 1024;
    for message in [
        Message::text("x".repeat(limit + 1)),
        // A frame within the limit whose event is not: in JSON each of these takes six bytes, or four for three.
        Message::text("\u{1}".repeat(limit / 6)),
        Message::binary(vec![0; limit / 4 * 3]),
    ] {
        let mut client = gateway.connect("/").await;
        client.send_text("before").await;
        // The close frame may come while this is still being sent.
        let _ = timeout(SOON, client.socket.send(message)).await.expect("taken off the line in time");
        assert_eq!(client.closed().await.0, CloseCode::MESSAGE_TOO_BIG);
    }
    assert_eq!(gateway.wait_for_events("cleanup", 3).await.len(), 3);
    // Which of the two it was: only a frame can be over a limit that is set.
    gateway.wait_for_metric(r#"scf_gateway_limit_hits_total{limit="frame_bytes"}"#, 1.0).await;
    gateway.wait_for_metric(r#"scf_gateway_closes_total{api="/",reason="too_big"}"#, 3.0).await;
    for bytes in [limit / 6, limit / 4 * 3] {
        let sentence = format!("closed by the gateway (1009): the event of a frame of {bytes} bytes has ");
        assert!(in_process_log().contains(&sentence), "{sentence}");
    }
    assert_eq!(gateway.events("transfer").len(), 3, "what came before is carried out");
    // The largest that fits: the event is the limit exactly.
    let around = json!({"websocket": {"action": "data recv", "secConnectionID": "x".repeat(24), "dataType": "text",
        "data": ""}});
    let fits = limit - around.to_string().len();
    let mut client = gateway.connect("/").await;
    client.send_text(&"x".repeat(fits)).await;
    assert_eq!(client.next_text().await.len(), fits);
    client.send_text(&"x".repeat(fits + 1)).await;
    assert_eq!(client.closed().await.0, CloseCode::MESSAGE_TOO_BIG);
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_closed_with_1007_and_no_websocket_with_1002() {
    let gateway = InProcess::echo().start().await;
    for (bytes, code) in [
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff][..], CloseCode::INVALID_FRAME_PAYLOAD_DATA),
        // An unmasked frame.
        (&[0x81, 0x01, b'x'][..], CloseCode::PROTOCOL_ERROR),
        // A reserved opcode.
        (&[0x83, 0x80, 0, 0, 0, 0][..], CloseCode::PROTOCOL_ERROR),
    ] {
        let mut client = gateway.connect("/").await;
        client.socket.get_mut().write_all(bytes).await.expect("sent");
        assert_eq!(client.closed().await.0, code);
    }
    gateway.wait_for_events("cleanup", 3).await;
    assert!(gateway.events("transfer").is_empty());
}

#[tokio::test]
async fn pings_are_answered_while_a_transfer_runs() {
    let gateway = InProcess::echo().start().await;
    let mut client = gateway.connect("/").await;
    client.send_text("hold").await;
    client.send(Message::ping("are you there")).await;
    let first = timeout(SOON, client.socket.next()).await.expect("in time").expect("open").expect("sound");
    assert!(first.is_pong(), "{first:?}");
    gateway.release();
}

#[tokio::test]
async fn a_client_that_sends_faster_than_its_frames_are_carried_out_is_held_back() {
    let gateway = InProcess::echo().start().await;
    let mut client = gateway.connect("/").await;
    client.send_text("hold").await;
    let frame = "x".repeat(512 * 1024);
    let send_all = async {
        // Far more than the gateway's queue and the kernel's buffers hold.
        for _ in 0..128 {
            client.socket.send(Message::text(frame.clone())).await.expect("sent");
        }
    };
    assert!(timeout(Duration::from_secs(2), send_all).await.is_err(), "the gateway's memory took it all");
}
