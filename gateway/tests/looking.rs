//! A GET of the push address looks at a connection.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use scf_websocket_test_harness::{Fault, FaultyRegistry, Gateway, InProcess, Reply, request};
use serde_json::{Value, json};

async fn look(gateway: &Gateway, method: &str, query: &str) -> Reply {
    request(gateway.addr(), method, &format!("/api-local{query}"), &[], b"").await
}

/// The id as it stands in a query.
fn encoded(id: &str) -> String {
    id.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis())
}

#[tokio::test]
async fn a_connection_is_found_until_it_ends() {
    let gateway = InProcess::echo().start().await;
    let before = now_ms();
    let mut client = gateway.connect("/chat/room").await;
    let id = client.id(&gateway).await;
    for query in [format!("?secConnectionID={}", encoded(&id)), format!("?instance=a&secConnectionID={id}")] {
        let reply = look(&gateway, "GET", &query).await;
        assert_eq!((reply.status, reply.err_no()), (200, 0), "{query}");
        let answer = reply.json();
        assert_eq!(answer["batch"], 1000);
        let found = &answer["connection"];
        assert_eq!(found["secConnectionID"], id.as_str());
        assert_eq!((&found["path"], &found["sourceIp"]), (&json!("/chat/room"), &json!("127.0.0.1")));
        assert_eq!(found["waitingBytes"], 0);
        let time = |name: &str| u128::from(found[name].as_u64().expect("milliseconds"));
        assert!(before <= time("connectedAt") && time("connectedAt") <= time("lastActiveAt"), "{found}");
        assert!(time("lastActiveAt") <= now_ms(), "{found}");
    }
    let first = look(&gateway, "GET", &format!("?secConnectionID={id}")).await.json();
    client.ask("more").await;
    let later = look(&gateway, "GET", &format!("?secConnectionID={id}")).await.json();
    assert!(later["connection"]["lastActiveAt"].as_u64() >= first["connection"]["lastActiveAt"].as_u64());
    gateway.push_json(json!({"action": "closing", "secConnectionID": id})).await;
    client.closed().await;
    let reply = look(&gateway, "GET", &format!("?secConnectionID={}", encoded(&id))).await;
    assert_eq!((reply.status, reply.err_no()), (200, 404));
    assert_eq!((reply.json().get("connection"), &reply.json()["batch"]), (None::<&Value>, &json!(1000)));
}

#[tokio::test]
async fn what_is_no_look_is_refused_with_a_sentence() {
    let gateway = InProcess::echo().start().await;
    for query in ["", "?", "?secConnectionID", "?connection=x", "?instance=a"] {
        let reply = look(&gateway, "GET", query).await;
        assert_eq!((reply.status, reply.err_no()), (400, 400), "{query}");
        assert!(reply.body.contains("?secConnectionID="), "{}", reply.body);
    }
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
        let reply = look(&gateway, method, "?secConnectionID=x").await;
        assert_eq!((reply.status, reply.err_no()), (405, 405), "{method}");
        assert!(reply.head.to_ascii_lowercase().contains("allow: get, post"), "{}", reply.head);
        assert_eq!(reply.json()["batch"], 1000);
    }
}

#[tokio::test]
async fn a_connection_that_cannot_be_asked_for_now_is_503() {
    let registry = FaultyRegistry::new();
    let gateway = InProcess::echo().registry(registry.clone()).start().await;
    registry.fail(Fault::DropRequest);
    let reply = look(&gateway, "GET", "?secConnectionID=x").await;
    assert_eq!((reply.status, reply.err_no()), (503, 503));
    registry.fail(Fault::Delay(Duration::from_millis(1)));
    assert_eq!(look(&gateway, "GET", "?secConnectionID=x").await.err_no(), 404);
}
