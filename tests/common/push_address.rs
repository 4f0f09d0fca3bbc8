//! The gateway's reverse push address without clients: it records the pushes that arrive.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use scf_websocket_gateway::BoxFuture;
use scf_websocket_gateway::http::{HeaderCase, Peer, Server};
use scf_websocket_gateway::push;
use scf_websocket_gateway::registry::{
    ConnectionInfo, ConnectionRegistry, Delivery, DeliveryError, Outbox, RegistryError,
};
use scf_websocket_gateway::report::Reports;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// A received push.
#[derive(Debug, Clone)]
pub struct Arrived {
    pub peer: SocketAddr,
    pub content_type: String,
    pub body: String,
}

/// A running push address. It knows every connection id except those passed to `forget`.
pub struct PushAddress {
    server: Server,
    arrived: Arc<Mutex<Vec<Arrived>>>,
    gone: Arc<Mutex<HashSet<String>>>,
    // Dropped last: the server runs on it.
    _tokio: Runtime,
}

impl PushAddress {
    pub fn start() -> Self {
        let arrived = Arc::default();
        let gone: Arc<Mutex<HashSet<String>>> = Arc::default();
        let recorded = Arc::clone(&arrived);
        let connections = Arc::new(AllButGone { gone: Arc::clone(&gone) });
        let router = push::router(connections, Reports::default())
            .layer(middleware::from_fn(move |request, next| record(Arc::clone(&recorded), request, next)));
        let tokio = Runtime::new().expect("a tokio runtime");
        let server = tokio.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            Server::start(listener, router, HeaderCase::Lower).expect("a server")
        });
        Self { server, arrived, gone, _tokio: tokio }
    }

    /// The value for `WS_PUSH_URL`. The variable `PUSH_HOST` sets a host name for the functions to resolve.
    pub fn url(&self) -> String {
        let host = std::env::var("PUSH_HOST").unwrap_or_else(|_| "127.0.0.1".into());
        format!("http://{host}:{}{}", self.server.addr().port(), push::PATH)
    }

    /// The pushes since the last call.
    pub fn take(&self) -> Vec<Arrived> {
        std::mem::take(&mut self.arrived.lock().expect("not poisoned"))
    }

    /// The bodies of the pushes since the last call.
    pub fn take_bodies(&self) -> Vec<String> {
        self.take().into_iter().map(|push| push.body).collect()
    }

    /// Makes this connection unknown from now on.
    pub fn forget(&self, connection: &str) {
        self.gone.lock().expect("not poisoned").insert(connection.to_owned());
    }
}

async fn record(arrived: Arc<Mutex<Vec<Arrived>>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("a whole body");
    let push = Arrived {
        peer: parts.extensions.get::<Peer>().expect("every request has a peer").0,
        content_type: parts
            .headers
            .get("content-type")
            .map_or_else(String::new, |value| value.to_str().expect("an ASCII content type").to_owned()),
        body: String::from_utf8(body.to_vec()).expect("a push in UTF-8"),
    };
    arrived.lock().expect("not poisoned").push(push);
    next.run(Request::from_parts(parts, Body::from(body))).await
}

/// Every connection exists, except those in `gone`.
struct AllButGone {
    gone: Arc<Mutex<HashSet<String>>>,
}

impl AllButGone {
    fn lookup(&self, id: &str) -> Result<(), DeliveryError> {
        let gone = self.gone.lock().expect("not poisoned").contains(id);
        if gone { Err(DeliveryError::NotFound) } else { Ok(()) }
    }
}

impl ConnectionRegistry for AllButGone {
    fn add<'a>(&'a self, _: &'a str, _: Outbox) -> BoxFuture<'a, Result<(), RegistryError>> {
        Box::pin(async { Ok(()) })
    }

    fn remove<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<bool, RegistryError>> {
        Box::pin(async { Ok(true) })
    }

    fn deliver<'a>(
        &'a self,
        ids: &'a [String],
        _: Delivery,
    ) -> BoxFuture<'a, Vec<Result<(), DeliveryError>>> {
        Box::pin(async { ids.iter().map(|id| self.lookup(id)).collect() })
    }

    fn look_up<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<ConnectionInfo, DeliveryError>> {
        Box::pin(async { Err(DeliveryError::NotFound) })
    }
}
