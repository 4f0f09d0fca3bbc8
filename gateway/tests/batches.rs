//! Pushes to many connections at once: who receives them, who is listed as failed, and what is refused.

use std::sync::Arc;

use scf_websocket_gateway::registry::ConnectionRegistry;
use scf_websocket_test_harness::{Client, Fault, FaultyRegistry, Gateway, InProcess};
use serde_json::{Value, json};
use tokio_websockets::CloseCode;

fn send(ids: &[String], data: &str) -> Value {
    json!({"action": "data send", "secConnectionIDs": ids, "dataType": "text", "data": data})
}

fn closing(ids: &[String]) -> Value {
    json!({"action": "closing", "secConnectionIDs": ids})
}

async fn clients(gateway: &Gateway, count: usize) -> (Vec<Client>, Vec<String>) {
    let (mut clients, mut ids) = (Vec::new(), Vec::new());
    for _ in 0..count {
        clients.push(gateway.connect("/").await);
    }
    for client in &mut clients {
        ids.push(client.id(gateway).await);
    }
    (clients, ids)
}

#[tokio::test]
async fn one_post_reaches_many_clients_and_lists_those_that_are_gone() {
    let gateway = InProcess::echo().start().await;
    let (mut clients, mut ids) = clients(&gateway, 3).await;
    ids.insert(1, "gone==".to_owned());
    let reply = gateway.push_json(send(&ids, "to all")).await;
    assert_eq!((reply.status, reply.err_no()), (200, 0));
    let failed = reply.json()["failed"].clone();
    assert_eq!(failed.as_array().map(Vec::len), Some(1), "{failed}");
    assert_eq!((&failed[0]["secConnectionID"], &failed[0]["errNo"]), (&json!("gone=="), &json!(404)));
    assert!(failed[0]["errMsg"].as_str().is_some_and(|sentence| sentence.contains("no such connection")));
    for client in &mut clients {
        assert_eq!(client.next_text().await, "to all");
    }
    let reply = gateway.push_json(closing(&ids)).await;
    assert_eq!(reply.json()["failed"][0]["secConnectionID"], "gone==");
    for client in &mut clients {
        assert_eq!(client.closed().await, (CloseCode::NORMAL_CLOSURE, String::new()));
    }
    let reply = gateway.push_json(closing(&ids)).await;
    assert_eq!(reply.json()["failed"].as_array().map(Vec::len), Some(4), "all are closed by now");
}

#[tokio::test]
async fn each_answer_offers_batches_behind_the_vendors_fields() {
    let gateway = InProcess::echo().start().await;
    let (_clients, ids) = clients(&gateway, 1).await;
    let id = &ids[0];
    let one =
        |id: &str| json!({"action": "data send", "secConnectionID": id, "dataType": "text", "data": "x"});
    assert_eq!(gateway.push_json(one(id)).await.body, r#"{"errNo":0,"errMsg":"ok","batch":1000}"#);
    let gone = gateway.push_json(one("gone")).await.body;
    let vendors = r#"{"errNo":404,"errMsg":"there is no such connection, or no longer""#;
    assert_eq!(gone, format!(r#"{vendors},"batch":1000}}"#));
    let batch = gateway.push_json(send(&ids, "x")).await.body;
    assert_eq!(batch, r#"{"errNo":0,"errMsg":"ok","batch":1000,"failed":[]}"#);
    assert_eq!(gateway.push(b"nonsense").await.json()["batch"], 1000);
    assert_eq!(gateway.push(&vec![b' '; 9 << 20]).await.json()["batch"], 1000);
    let refused = gateway.ask("/", &[("Sec-WebSocket-Version", "12")]).await;
    assert!(!refused.body.contains("batch"), "it is the push address that offers them: {}", refused.body);
}

#[tokio::test]
async fn a_batch_is_sound_or_refused_as_a_whole() {
    let gateway = InProcess::echo().start().await;
    let (mut clients, ids) = clients(&gateway, 1).await;
    let many = |count| vec![ids[0].clone(); count];
    for (push, named) in [
        (send(&[], "x"), "empty"),
        (send(&many(1001), "x"), "1001"),
        (json!({"action": "closing", "secConnectionID": ids[0], "secConnectionIDs": ids}), "both"),
        (json!({"action": "closing"}), "neither"),
        (json!({"action": "closing", "secConnectionIDs": ids[0]}), "a list"),
        (json!({"action": "closing", "secConnectionIDs": [1]}), "a string"),
        (json!({"action": "dance", "secConnectionIDs": ids}), "dance"),
    ] {
        let reply = gateway.push_json(push).await;
        assert_eq!((reply.status, reply.err_no()), (400, 400), "{reply:?}");
        assert!(reply.body.contains(named), "{named}: {reply:?}");
        assert!(reply.json().get("failed").is_none(), "{reply:?}");
    }
    let twice = gateway.push_json(send(&many(2), "twice")).await;
    assert_eq!(twice.json()["failed"], json!([]));
    // Nothing of what was refused comes before it.
    assert_eq!(clients[0].next_text().await, "twice");
    assert_eq!(clients[0].next_text().await, "twice", "an id that is named twice is pushed to twice");
    let twice = gateway.push_json(closing(&many(2))).await.json();
    assert_eq!(twice["failed"].as_array().map(Vec::len), Some(1), "the second finds it closed: {twice}");
}

#[tokio::test]
async fn the_largest_frame_goes_to_the_largest_batch() {
    let gateway = InProcess::echo().start().await;
    let (mut clients, mut ids) = clients(&gateway, 1).await;
    ids.extend((ids.len()..1000).map(|number| format!("{number:0>250}")));
    let frame = "é".repeat(3 * 1024 * 1024);
    let reply = gateway.push_json(send(&ids, &frame)).await;
    assert_eq!(reply.json()["failed"].as_array().map(Vec::len), Some(999));
    assert_eq!(clients[0].next_text().await.len(), frame.len());
}

#[tokio::test]
async fn a_connection_that_cannot_be_reached_now_is_listed_with_503() {
    let registry = FaultyRegistry::new();
    let shared: Arc<dyn ConnectionRegistry> = registry.clone();
    let gateway = InProcess::echo().registry(shared).start().await;
    let (mut clients, ids) = clients(&gateway, 2).await;
    registry.fail(Fault::DropRequest);
    let reply = gateway.push_json(send(&ids, "lost")).await;
    assert_eq!((reply.status, reply.err_no()), (200, 0));
    let failed = reply.json()["failed"].clone();
    for (failed, id) in failed.as_array().expect("a list").iter().zip(&ids) {
        assert_eq!((&failed["secConnectionID"], &failed["errNo"]), (&json!(id), &json!(503)));
    }
    assert_eq!(failed.as_array().map(Vec::len), Some(2));
    registry.fail(Fault::None);
    assert_eq!(gateway.push_json(send(&ids, "again")).await.json()["failed"], json!([]));
    for client in &mut clients {
        assert_eq!(client.next_text().await, "again");
    }
}

#[tokio::test]
async fn each_connection_of_a_batch_is_counted() {
    let gateway = InProcess::echo().start().await;
    let (_clients, mut ids) = clients(&gateway, 2).await;
    let counted =
        |outcome: &str| gateway.metric(&format!("scf_gateway_pushes_total{{outcome=\"{outcome}\"}}"));
    let before = ["accepted", "gone", "malformed"].map(counted);
    ids.push("gone==".to_owned());
    gateway.push_json(send(&ids, "x")).await;
    gateway.push_json(send(&[], "x")).await;
    let wanted = [2.0, 1.0, 1.0];
    for ((outcome, before), more) in ["accepted", "gone", "malformed"].into_iter().zip(before).zip(wanted) {
        gateway
            .wait_for_metric(&format!("scf_gateway_pushes_total{{outcome=\"{outcome}\"}}"), before + more)
            .await;
    }
}

#[tokio::test]
async fn the_time_line_shows_a_batch_as_one_record() {
    let gateway = InProcess::echo().start().await;
    let (_clients, mut ids) = clients(&gateway, 2).await;
    ids.push("gone==".to_owned());
    gateway.push_json(send(&ids, "to all of you")).await;
    let record = gateway
        .wait_for_record("the batch", |record| record["kind"] == "push" && record["connections"] == 3)
        .await;
    assert_eq!(
        (&record["failed"], &record["err_no"], &record["connection"]),
        (&json!(1), &json!(0), &Value::Null)
    );
    assert_eq!(record["data"], "to all of you");
}
