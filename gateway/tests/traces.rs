//! A client's trace: the header with which it asks to connect is in its event, and goes out with each call for it.

use std::sync::Arc;

use axum::http::HeaderName;
use scf_websocket_test_harness::{
    elsewhere::server::{Reply, Request, Server},
    from_file,
};
use serde_json::Value;

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// What the three functions have received of a client that sent this header: the header, and the event.
async fn seen_with(traceparent: &str) -> Vec<(String, Value)> {
    let accept = |_: Request| -> futures_util::future::BoxFuture<'static, Reply> {
        Box::pin(async { Reply::ok(r#"{"errNo":0,"errMsg":"ok"}"#) })
    };
    let server = Server::start(Arc::new(accept), None).await;
    let gateway = from_file(&format!(
        "listen = \"127.0.0.1:0\"\n[[api]]\npath = \"/\"\nregister = \"http://{0}/register\"\n\
         transfer = \"http://{0}/transfer\"\ncleanup = \"http://{0}/cleanup\"\n",
        server.addr
    ))
    .start();
    let header = (HeaderName::from_static("traceparent"), traceparent);
    let (mut client, _) = gateway.connect_with("/", &[header]).await.expect("accepted");
    client.send_text("hello").await;
    server.requests(2).await;
    client.close().await;
    server.requests(3).await;
    let event = |request: &Request| serde_json::from_slice(&request.body).expect("an event");
    server.seen().iter().map(|request| (request.header("traceparent").to_owned(), event(request))).collect()
}

#[tokio::test]
async fn it_is_in_the_event_and_in_each_call() {
    let seen = seen_with(TRACE).await;
    for (header, event) in &seen {
        assert_eq!(header, TRACE, "{event}");
    }
    assert_eq!(seen[0].1["requestContext"]["traceparent"], TRACE);
    // The other events are those of the contract, and have no more fields than that.
    for (_, event) in &seen[1..] {
        let mut fields = event.as_object().expect("an event").keys();
        assert_eq!((fields.next().map(String::as_str), fields.next()), (Some("websocket"), None), "{event}");
    }
}

#[tokio::test]
async fn one_that_is_invalid_is_replaced() {
    let seen = seen_with("00-00000000000000000000000000000000-00f067aa0ba902b7-01").await;
    let request_id = seen[0].1["requestContext"]["requestId"].as_str().expect("an id").replace('-', "");
    assert!(seen[0].0.starts_with(&format!("00-{request_id}-")), "{seen:?}");
    assert!(seen[0].1["requestContext"].get("traceparent").is_none(), "{seen:?}");
}
