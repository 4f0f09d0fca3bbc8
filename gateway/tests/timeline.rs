//! The timeline: whom what happened is attributed to, what is counted, and what may be done from the page.

use scf_websocket_test_harness::{Gateway, Need, echo, misbehaving, needs, request};
use serde_json::{Value, json};

const STARTS: usize = 40;

/// The reason of each is the last thing that the process prints before it ends.
#[tokio::test]
async fn each_crashed_start_shows_its_reason() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = misbehaving("complains and exits", None).start();
    for _ in 0..STARTS {
        assert_eq!(gateway.ask("/", &[]).await.status, 502);
    }
    let records = gateway.records(|records| crashed(records).len() == STARTS).await;
    for record in crashed(&records) {
        let message = record["message"].as_str().expect("a message");
        assert!(message.ends_with("end of the reason"), "{message}");
        let log = record["log"].as_array().expect("lines");
        let last = log.last().and_then(Value::as_str);
        assert!(last.is_some_and(|line| line.ends_with("end of the reason")), "{record}");
    }
}

fn crashed(records: &[Value]) -> Vec<&Value> {
    records.iter().filter(|record| record["outcome"] == "crashed").collect()
}

#[tokio::test]
async fn a_crash_in_the_middle_shows_the_last_line() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = misbehaving("complains in the middle", Some("transfer")).start();
    let mut client = gateway.connect("/").await;
    client.send_text("x").await;
    client.closed().await;
    let record = gateway.wait_for_record("the crash", |record| record["outcome"] == "crashed").await;
    let message = record["message"].as_str().expect("a message");
    assert!(
        message.ends_with("in the middle of the invocation, its last line of output: out of paper"),
        "{message}"
    );
}

#[tokio::test]
async fn a_malformed_push_belongs_to_the_invocation_that_made_it() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = misbehaving("pushes rubbish", Some("transfer")).start();
    let mut client = gateway.connect("/").await;
    client.send_text("x").await;
    let record = gateway
        .wait_for_record("the malformed push", |record| {
            record["pushes_malformed"] == 1 && record["outcome"] == "ok"
        })
        .await;
    assert_eq!(record["role"], "transfer");
    let push = &record["pushes"][0];
    assert_eq!((&push["err_no"], &push["action"]), (&json!(400), &Value::Null));
    assert_eq!(push["data"], "{\"websocket\": rubbish");
    gateway.wait_for_record("the figures", |figures| figures["errors"] == 1).await;
}

#[tokio::test]
async fn a_push_by_anybody_else_is_a_record_of_its_own() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = echo().start();
    gateway.push_json(json!({"action": "closing", "secConnectionID": "unknown=="})).await;
    gateway.push(b"nonsense").await;
    let of = |connection: Value| {
        move |record: &Value| record["kind"] == "push" && record["connection"] == connection
    };
    let closing = gateway.wait_for_record("a push", of(json!("unknown=="))).await;
    assert_eq!((&closing["action"], &closing["err_no"]), (&json!("closing"), &json!(404)));
    let malformed = gateway.wait_for_record("what is no push", of(Value::Null)).await;
    assert_eq!((&malformed["data"], &malformed["err_no"]), (&json!("nonsense"), &json!(400)));
}

#[tokio::test]
async fn open_connections_are_listed() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = echo().start();
    let mut client = gateway.connect("/protocol-chat").await;
    let id = client.id(&gateway).await;
    let listed = gateway.wait_for_record("the list", |listed| listed["total"] == 1).await;
    let connection = &listed["newest"][0];
    assert_eq!(connection["connection"], id.as_str());
    assert_eq!(
        (&connection["path"], &connection["sub_protocol"]),
        (&json!("/protocol-chat"), &json!("chat"))
    );
    client.close().await;
    gateway.wait_for_record("an empty list", |listed| listed["total"] == 0).await;
}

#[tokio::test]
async fn a_recorded_and_a_given_event_are_replayed() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = echo().start();
    let mut client = gateway.connect("/").await;
    client.send_text("once more").await;
    assert_eq!(client.next_text().await, "once more");
    let record = gateway
        .wait_for_record("the frame", |record| record["role"] == "transfer" && record["outcome"] == "ok")
        .await;
    let replayed = act(&gateway, "/timeline/replay", &json!({ "id": record["id"] }), &[]).await;
    assert_eq!((replayed.status, replayed.err_no()), (202, 0));
    assert_eq!(client.next_text().await, "once more");
    let event: Value = serde_json::from_str(record["event"].as_str().expect("an event")).expect("JSON");
    act(&gateway, "/timeline/replay", &json!({ "role": "transfer", "event": event }), &[]).await;
    assert_eq!(client.next_text().await, "once more");
    let replay = gateway
        .wait_for_record("the replay", |record| record["replay"] == true && record["outcome"] == "ok")
        .await;
    assert_eq!((&replay["connection"], &replay["event"]), (&record["connection"], &record["event"]));
    let events = gateway.wait_for_events("transfer", 3).await;
    assert!(events.iter().all(|event| event["websocket"]["data"] == "once more"), "{events:?}");

    for (body, status) in [
        (json!({"id": 999_999}), 404),
        (json!({"role": "waiter", "event": {}}), 400),
        (json!({"role": "transfer"}), 400),
        (json!([]), 400),
    ] {
        assert_eq!(act(&gateway, "/timeline/replay", &body, &[]).await.status, status, "{body}");
    }
}

/// A page from elsewhere may send requests to this machine; none of them must do anything.
#[tokio::test]
async fn a_foreign_web_page_cannot_act() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = echo().start();
    let mut client = gateway.connect("/").await;
    let id = client.id(&gateway).await;
    let own = format!("http://{}", gateway.addr());
    let push = |data: &str| json!({"websocket": {"action": "data send", "secConnectionID": id, "dataType": "text", "data": data}});
    let foreign: [&[(&str, &str)]; 6] = [
        &[("Origin", "http://foreign.example")],
        &[("Origin", "null")],
        &[("Origin", &own), ("Sec-Fetch-Site", "cross-site")],
        &[("Host", "rebound.example"), ("Origin", "http://rebound.example")],
        &[("Content-Type", "text/plain"), ("Origin", "http://foreign.example")],
        &[("Content-Type", "text/plain")],
    ];
    for headers in foreign {
        let reply = act(&gateway, "/timeline/push", &push("foreign"), headers).await;
        assert_eq!(reply.status, 403, "{headers:?}");
        let reply = act(&gateway, "/timeline/replay", &json!({"id": 0}), headers).await;
        assert_eq!(reply.status, 403, "{headers:?}");
    }
    let headers = [("Origin", own.as_str()), ("Sec-Fetch-Site", "same-origin")];
    assert_eq!(act(&gateway, "/timeline/push", &push("own"), &headers).await.err_no(), 0);
    assert_eq!(client.next_text().await, "own");
    assert_eq!(gateway.events("register").len(), 1, "something was replayed");
}

#[tokio::test]
async fn without_a_page_there_is_nothing_to_act_on_and_traces_are_still_printed() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = echo().args(&["--listen", "0.0.0.0:0", "--push-listen", "127.0.0.1:0", "--trace"]).start();
    let addr = gateway.addr().replace("0.0.0.0", "127.0.0.1");
    for path in ["/timeline/push", "/timeline/replay"] {
        let reply =
            request(&addr, "POST", path, &[("Content-Type", "application/json")], b"{\"id\":0}").await;
        assert_eq!(reply.status, 403);
    }
    let uri = format!("ws://{addr}/").parse().expect("an address");
    let (socket, _) = tokio_websockets::ClientBuilder::from_uri(uri).connect().await.expect("accepted");
    let mut client = scf_websocket_test_harness::Client { socket };
    client.send_text("x").await;
    assert_eq!(client.next_text().await, "x");
    assert_eq!(gateway.gateway_ms("transfer", 1).await.len(), 1);
    gateway.wait_for_log("instance=transfer-1").await;
}

async fn act(
    gateway: &Gateway,
    path: &str,
    body: &Value,
    headers: &[(&str, &str)],
) -> scf_websocket_test_harness::Reply {
    let json = ("Content-Type", "application/json");
    let typed = headers.iter().any(|(name, _)| *name == "Content-Type");
    let headers: Vec<_> = headers.iter().copied().chain((!typed).then_some(json)).collect();
    request(gateway.addr(), "POST", path, &headers, body.to_string().as_bytes()).await
}
