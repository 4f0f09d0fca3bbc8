//! What the page shows behind `gateway.toml`: the paths of the APIs, clients that are refused without a call, the calls that
//! pushes of HTTP functions belong to, and how many rows are kept.

use std::sync::{Arc, OnceLock};

use scf_websocket_test_harness::{
    Gateway, echo,
    elsewhere::server::{Reply, Request, Server},
    from_file, request, wait_for_record,
};
use serde_json::{Value, json};
use tokio::sync::Barrier;

/// An API whose functions are at this address.
fn api(path: &str, addr: &str) -> String {
    format!(
        "[[api]]\npath = \"{path}\"\nregister = \"http://{addr}/\"\ntransfer = \"http://{addr}/\"\ncleanup = \"http://{addr}/\"\n"
    )
}

/// `host:port` of the page.
fn page(gateway: &Gateway) -> &str {
    let page = gateway.page.as_deref().expect("admin_listen serves it");
    page.trim_start_matches("http://").trim_end_matches('/')
}

#[tokio::test]
async fn the_paths_are_those_that_new_connections_find() {
    let top = "listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n";
    let nowhere = "127.0.0.1:9";
    let gateway = from_file(&format!("{top}{}{}", api("/chat", nowhere), api("/game", nowhere))).start();
    let paths = async || {
        let health = request(page(&gateway), "GET", "/admin/health", &[], b"").await.json();
        let functions = health["functions"].as_array().expect("a list").clone();
        let mut paths: Vec<Value> =
            functions.into_iter().map(|mut function| function["api"].take()).collect();
        paths.dedup();
        paths
    };
    assert_eq!(paths().await, ["/chat", "/game"]);
    gateway.rewrite(&format!("{top}{}", api("/quiz", nowhere)));
    gateway.signal("HUP");
    gateway.wait_for_log("configuration reloaded").await;
    assert_eq!(paths().await, ["/quiz"]);
}

#[tokio::test]
async fn a_client_that_is_refused_without_a_call_is_a_row_with_its_reason() {
    let file = format!(
        "listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n[limits]\nhandshakes_per_second_per_ip = 1\n{}\
         origins = [\"https://example.com\"]\n",
        api("/chat", "127.0.0.1:9")
    );
    let gateway = from_file(&file).start();
    for (path, headers, status, reason) in [
        ("/chatt", &[][..], 404, "no WebSocket API has this path"),
        ("/chat", &[("Sec-WebSocket-Version", "8")], 426, "only version 13 of the WebSocket protocol"),
        ("/chat", &[("Origin", "https://evil.example")], 403, "https://evil.example"),
        ("/chat", &[("Origin", "https://evil.example")], 429, "handshakes"),
    ] {
        // The limit has a second's worth of handshakes.
        let refused = gateway.ask(path, headers).await;
        assert_eq!(refused.status, status, "{refused:?}");
        let row = wait_for_record(page(&gateway), reason, |record| {
            record["message"].as_str().is_some_and(|message| message.contains(reason))
        });
        let row = row.await;
        assert_eq!(
            (&row["kind"], &row["what"], &row["path"]),
            (&json!("connection"), &json!("refused"), &json!(path))
        );
        assert_eq!(row["connection"], Value::Null, "{row}");
    }
}

/// An HTTP function that pushes each frame back: `traced` with the trace of its call, `late` likewise after its answer,
/// `plain` without it; with ` together` once two calls have come that far.
async fn pushing(push_url: Arc<OnceLock<String>>) -> Server {
    let together = Arc::new(Barrier::new(2));
    let handler = move |call: Request| {
        let (push_url, together) = (Arc::clone(&push_url), Arc::clone(&together));
        let answer = async move {
            let event: Value = serde_json::from_slice(&call.body).expect("an event");
            let Some(text) = event["websocket"]["data"].as_str() else {
                return Reply::ok(json!({"errNo": 0, "websocket": event["websocket"]}).to_string());
            };
            let push = json!({"websocket": {
                "action": "data send", "dataType": "text", "data": text,
                "secConnectionID": event["websocket"]["secConnectionID"],
            }});
            let trace = [("traceparent", call.header("traceparent").to_owned())];
            let headers = if text.starts_with("plain") { vec![] } else { Vec::from(trace) };
            let url = push_url.get().expect("the gateway has started").clone();
            let send = async move {
                let (addr, path) = url.trim_start_matches("http://").split_once('/').expect("a path");
                let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                request(addr, "POST", &format!("/{path}"), &headers, push.to_string().as_bytes()).await;
            };
            if text == "late" {
                tokio::spawn(async move {
                    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
                    send.await;
                });
            } else {
                if text.ends_with("together") {
                    together.wait().await;
                }
                send.await;
                if text.ends_with("together") {
                    together.wait().await;
                }
            }
            Reply::ok("{}")
        };
        Box::pin(answer) as _
    };
    Server::start(Arc::new(handler), None).await
}

#[tokio::test]
async fn a_push_of_an_http_function_belongs_to_its_call_where_that_can_be_known() {
    let push_url = Arc::new(OnceLock::new());
    let server = pushing(Arc::clone(&push_url)).await;
    let file = format!(
        "listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n{}",
        api("/", &server.addr.to_string())
    );
    let gateway = from_file(&file).start();
    push_url.set(gateway.push.clone()).expect("set once");
    let (mut ann, mut ben) = tokio::join!(gateway.connect("/"), gateway.connect("/"));
    let of_call = async |text: &str, connection: Option<&Value>| {
        let row = wait_for_record(page(&gateway), text, |record| {
            record["pushes"][0]["data"] == text && connection.is_none_or(|id| record["connection"] == *id)
        });
        let row = row.await;
        assert_eq!((&row["role"], &row["pushes_total"]), (&json!("transfer"), &json!(1)), "{row}");
        assert_eq!(row["pushes"][0]["connection"], row["connection"], "its own client's: {row}");
        row["connection"].clone()
    };
    let mut ids = Vec::new();
    for client in [&mut ann, &mut ben] {
        for text in ["plain", "traced", "late"] {
            assert_eq!(client.ask(text).await, text);
        }
    }
    for text in ["plain", "traced", "late"] {
        ids.push(of_call(text, None).await);
    }
    // With two calls at once, only the trace tells whose a push is.
    ann.send_text("traced together").await;
    assert_eq!(ben.ask("traced together").await, "traced together");
    assert_eq!(ann.next_text().await, "traced together");
    let first = of_call("traced together", None).await;
    let other =
        |record: &Value| record["pushes"][0]["data"] == "traced together" && record["connection"] != first;
    wait_for_record(page(&gateway), "the other call", other).await;
    ann.send_text("plain together").await;
    assert_eq!(ben.ask("plain together").await, "plain together");
    assert_eq!(ann.next_text().await, "plain together");
    let alone = |record: &Value| record["kind"] == "push" && record["data"] == "plain together";
    wait_for_record(page(&gateway), "a push of its own", alone).await;
}

#[tokio::test]
async fn the_page_keeps_as_many_rows_as_it_is_told() {
    let gateway = echo().args(&["--page-rows", "3"]).start();
    let mut client = gateway.connect("/").await;
    for text in ["one", "two", "three", "four"] {
        assert_eq!(client.ask(text).await, text);
    }
    wait_for_record(gateway.addr(), "how many are kept", |rows| *rows == 3).await;
    let is_last = |record: &Value| record["event"].as_str().is_some_and(|event| event.contains("four"));
    gateway.wait_for_record("the last", |record| is_last(record) && record["outcome"] == "ok").await;
    // The register function's row and those of the first frames are gone.
    let records = gateway.records(|records| records.last().is_some_and(is_last)).await;
    assert_eq!(records.len(), 3, "{records:?}");
}
