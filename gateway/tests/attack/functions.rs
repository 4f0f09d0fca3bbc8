//! Functions at an HTTP address, in this process: they accept every client and echo every frame, or fail.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    routing::post,
    serve::{Listener as _, ListenerExt as _},
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[derive(Clone)]
struct Pusher {
    client: Client<HttpConnector, Full<Bytes>>,
    url: Arc<Mutex<String>>,
}

pub struct Functions {
    pub addr: SocketAddr,
    pusher: Pusher,
}

impl Functions {
    pub async fn start() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let pusher = Pusher { client, url: Arc::default() };
        let failing = || async { (StatusCode::INTERNAL_SERVER_ERROR, "rubbish") };
        let router = Router::new()
            .route("/register", post(|event: Bytes| async move { accepted(&event) }))
            .route("/transfer", post(transfer))
            .route("/cleanup", post(|| async {}))
            .route("/failing/{role}", post(failing))
            .with_state(pusher.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        let addr = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { addr, pusher }
    }

    /// Names the gateway that is attacked next.
    pub fn push_to(&self, url: &str) {
        url.clone_into(&mut self.pusher.url.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn accepted(event: &[u8]) -> String {
    let event: Value = serde_json::from_slice(event).expect("an event");
    let id = &event["websocket"]["secConnectionID"];
    let websocket = json!({"action": "connecting", "secConnectionID": id});
    json!({"errNo": 0, "errMsg": "ok", "websocket": websocket}).to_string()
}

async fn transfer(State(pusher): State<Pusher>, event: Bytes) {
    let mut event: Value = serde_json::from_slice(&event).expect("an event");
    event["websocket"]["action"] = "data send".into();
    let url = pusher.url.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let push = Request::post(url).body(Full::from(event.to_string())).expect("a request");
    if let Ok(answer) = pusher.client.request(push).await {
        // To the end, so that the connection is kept.
        let _ = answer.into_body().collect().await;
    }
}
