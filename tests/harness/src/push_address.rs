//! The gateway's reverse push address without clients: it records the pushes that arrive. It offers batches as the gateway
//! does, smaller ones, or none, as the vendor's.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{StatusCode, header::CONTENT_LENGTH},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use scf_websocket_gateway::{
    BoxFuture,
    contract::MAX_BATCH,
    http::{HeaderCase, Peer, Server},
    push,
    registry::{ConnectionInfo, Deliver, Delivery, DeliveryError},
    report::Reports,
};
use serde_json::Value;
use tokio::{net::TcpListener, runtime::Runtime};

/// What a push address says of batches in its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batches {
    /// Nothing: it takes single pushes.
    None,
    /// That it takes up to this many connections in one.
    Offered(usize),
}

impl Batches {
    /// As the vendor's gateway and as this workspace's.
    pub const BOTH: [Self; 2] = [Self::None, Self::Offered(1000)];

    /// The answer to a push that reached everyone it names.
    pub fn ok(self) -> String {
        format!(r#"{{"errNo":0,"errMsg":"ok"{}}}"#, self.field())
    }

    /// The answer to a batch, of which these connections failed with these numbers.
    pub fn failed(self, failed: &[(&str, u32)]) -> String {
        let failed: Vec<Value> = failed
            .iter()
            .map(|(id, err_no)| serde_json::json!({"secConnectionID": id, "errNo": err_no, "errMsg": "no"}))
            .collect();
        format!(r#"{{"errNo":0,"errMsg":"ok"{},"failed":{}}}"#, self.field(), Value::from(failed))
    }

    fn field(self) -> String {
        match self {
            Self::None => String::new(),
            Self::Offered(batch) => format!(r#","batch":{batch}"#),
        }
    }

    fn take(self, connections: usize) -> bool {
        connections == 1 || matches!(self, Self::Offered(batch) if connections <= batch)
    }
}

/// The ids that the body of a push names, one or a list.
pub fn pushed_ids(body: &str) -> Vec<String> {
    let push: Value = serde_json::from_str(body).expect("a push is JSON");
    let websocket = &push["websocket"];
    let id = |id: &Value| id.as_str().expect("an id").to_owned();
    match &websocket["secConnectionIDs"] {
        Value::Null => vec![id(&websocket["secConnectionID"])],
        ids => ids.as_array().expect("a list of ids").iter().map(id).collect(),
    }
}

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
    batches: Arc<Mutex<Batches>>,
    // Dropped last: the server runs on it.
    _tokio: Runtime,
}

impl PushAddress {
    /// One that offers what the gateway offers.
    pub fn start() -> Self {
        Self::with(Batches::Offered(MAX_BATCH))
    }

    /// One that offers this.
    pub fn with(batches: Batches) -> Self {
        let arrived = Arc::default();
        let batches = Arc::new(Mutex::new(batches));
        let offer = Arc::clone(&batches);
        let gone: Arc<Mutex<HashSet<String>>> = Arc::default();
        let recorded = Arc::clone(&arrived);
        let connections = Arc::new(AllButGone { gone: Arc::clone(&gone) });
        let router =
            push::router(connections, Reports::default()).layer(middleware::from_fn(move |request, next| {
                let batches = *offer.lock().expect("not poisoned");
                record(Arc::clone(&recorded), batches, request, next)
            }));
        let tokio = Runtime::new().expect("a tokio runtime");
        let server = tokio.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            Server::start(listener, router, HeaderCase::Lower).expect("a server")
        });
        Self { server, arrived, gone, batches, _tokio: tokio }
    }

    /// The value for `WS_PUSH_URL`. The variable `PUSH_HOST` sets a host name for the functions to resolve.
    pub fn url(&self) -> String {
        let host = std::env::var("PUSH_HOST").unwrap_or_else(|_| "127.0.0.1".into());
        format!("http://{host}:{}{}", self.port(), push::PATH)
    }

    pub fn port(&self) -> u16 {
        self.server.addr().port()
    }

    /// The pushes since the last call.
    pub fn take(&self) -> Vec<Arrived> {
        std::mem::take(&mut self.arrived.lock().expect("not poisoned"))
    }

    /// The bodies of the pushes since the last call.
    pub fn take_bodies(&self) -> Vec<String> {
        self.take().into_iter().map(|push| push.body).collect()
    }

    /// The ids in the pushes since the last call.
    pub fn take_ids(&self) -> Vec<String> {
        self.take_bodies().iter().flat_map(|body| pushed_ids(body)).collect()
    }

    /// Another gateway takes the place of this one, which offers this.
    pub fn replace(&self, batches: Batches) {
        *self.batches.lock().expect("not poisoned") = batches;
    }

    /// Makes this connection unknown from now on.
    pub fn forget(&self, connection: &str) {
        self.gone.lock().expect("not poisoned").insert(connection.to_owned());
    }
}

async fn record(
    arrived: Arc<Mutex<Vec<Arrived>>>,
    batches: Batches,
    request: Request,
    next: Next,
) -> Response {
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
    let taken = batches.take(pushed_ids(&push.body).len());
    arrived.lock().expect("not poisoned").push(push);
    if !taken {
        let refusal = format!(r#"{{"errNo":400,"errMsg":"no secConnectionID"{}}}"#, batches.field());
        return (StatusCode::BAD_REQUEST, refusal).into_response();
    }
    offer(batches, next.run(Request::from_parts(parts, Body::from(body))).await).await
}

/// The gateway's answer with another offer.
async fn offer(batches: Batches, answer: Response) -> Response {
    let (mut parts, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("a whole answer");
    let body = String::from_utf8(body.to_vec()).expect("an answer in UTF-8");
    parts.headers.remove(CONTENT_LENGTH);
    let gateways = Batches::Offered(MAX_BATCH).field();
    assert!(body.contains(&gateways), "each answer offers batches: {body}");
    Response::from_parts(parts, Body::from(body.replacen(&gateways, &batches.field(), 1)))
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

impl Deliver for AllButGone {
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
