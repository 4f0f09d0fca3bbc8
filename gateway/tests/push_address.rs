//! The reverse push address: what functions send to clients.

use bytes::Bytes;
use scf_websocket_test_harness::{InProcess, Need, echo, needs, request};
use serde_json::{Value, json};
use tokio_websockets::CloseCode;

#[tokio::test]
async fn frames_and_a_close_reach_the_client_in_order() {
    let gateway = InProcess::echo().start().await;
    let mut client = gateway.connect("/").await;
    let id = client.id(&gateway).await;
    for (data_type, data) in [("text", "\"hello\""), ("binary", "AP8="), ("text", "")] {
        let push = json!({"action": "data send", "secConnectionID": id, "dataType": data_type, "data": data});
        let reply = gateway.push_json(push).await;
        assert_eq!((reply.status, reply.json()), (200, json!({"errNo": 0, "errMsg": "ok", "batch": 1000})));
    }
    assert_eq!(client.next_text().await, "\"hello\"");
    let binary = client.next().await;
    assert!(binary.is_binary());
    assert_eq!(Bytes::from(binary.into_payload()), Bytes::from_static(&[0, 255]));
    assert_eq!(client.next_text().await, "");
    let closing = json!({"action": "closing", "secConnectionID": id});
    assert_eq!(gateway.push_json(closing.clone()).await.err_no(), 0);
    assert_eq!(client.closed().await, (CloseCode::NORMAL_CLOSURE, String::new()));
    let again = gateway.push_json(closing).await;
    assert_eq!(again.status, 200);
    assert_ne!(again.err_no(), 0);
}

#[tokio::test]
async fn one_client_reaches_another() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = echo().start();
    let (mut one, mut other) = (gateway.connect("/").await, gateway.connect("/").await);
    let id = other.id(&gateway).await;
    one.send_text(&format!("push {id} from one")).await;
    assert_eq!(other.next_text().await, "from one");
    let answer: Value = serde_json::from_str(&one.next_text().await).expect("the push's answer");
    assert_eq!(answer["errNo"], 0);
    one.send_text("push nobody== x").await;
    let answer: Value = serde_json::from_str(&one.next_text().await).expect("the push's answer");
    assert_ne!(answer["errNo"], 0);
    let record = gateway
        .wait_for_record("both pushes of one invocation", |record| record["pushes"][1]["err_no"] == 0)
        .await;
    assert_eq!(record["pushes"][0]["data_type"], "text");
}

#[tokio::test]
async fn what_is_malformed_is_400() {
    let gateway = InProcess::echo().start().await;
    let send = |fields: &str| format!(r#"{{"websocket":{{"secConnectionID":"x"{fields}}}}}"#);
    for body in [
        String::new(),
        "nonsense".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        r#"{"websocket":{"action":"closing"}}"#.to_owned(),
        send(""),
        send(r#","action":"dance""#),
        send(r#","action":"data send","dataType":"text""#),
        send(r#","action":"data send","data":"x""#),
        send(r#","action":"data send","dataType":"json","data":"x""#),
        send(r#","action":"data send","dataType":"binary","data":"no Base64!""#),
        "[".repeat(100_000),
    ] {
        let reply = gateway.push(body.as_bytes()).await;
        assert_eq!(reply.status, 400, "{body:.100}: {reply:?}");
        assert_eq!(reply.err_no(), 400, "{body:.100}");
    }
    assert_eq!(gateway.push(&[0xff, 0xfe]).await.status, 400);
}

#[tokio::test]
async fn only_a_push_of_a_sound_size_is_taken() {
    let gateway = InProcess::echo().start().await;
    let large = gateway.push(&vec![b' '; 9 << 20]).await;
    assert_eq!((large.status, large.err_no()), (413, 413));
    // Within the body's limit, but no frame.
    let data = "x".repeat(6 * 1024 * 1024 + 1);
    let push = json!({"action": "data send", "secConnectionID": "x", "dataType": "text", "data": data});
    let large = gateway.push_json(push).await;
    assert_eq!((large.status, large.err_no()), (413, 413));
}

#[tokio::test]
async fn it_can_have_an_address_and_a_token_of_its_own() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = echo().args(&["--push-listen", "127.0.0.1:0", "--push-token", "s3-cret_"]).start();
    assert!(gateway.push.ends_with("/api-s3-cret_"), "{}", gateway.push);
    let mut client = gateway.connect("/").await;
    client.send_text("there and back").await;
    assert_eq!(client.next_text().await, "there and back");
    let push_addr = gateway.push.trim_start_matches("http://").trim_end_matches("/api-s3-cret_").to_owned();
    assert_ne!(push_addr, gateway.addr());
    let reply = request(gateway.addr(), "POST", "/api-s3-cret_", &[], b"{}").await;
    assert_eq!(reply.status, 403, "not at the clients' address");
    assert!(!gateway.log().contains("s3-cret_"), "a secret is not logged");
}
