//! Passes pushes for connections of the other process on to it, while there are two.

use std::{
    fmt, io,
    net::Ipv4Addr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use axum::Router;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _, ready};
use http_body_util::Full;
use hyper::{Request, StatusCode, header::CONTENT_TYPE};
use log::Level;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    config::secret::Secret,
    contract::{Attributes, Close, MAX_BATCH},
    function::remote::client::{HttpClient, SendError, Trust, TrustError},
    observe::{log_limit::LogLimit, report::Reports},
    push::{PushAddress, PushUrl, address::Tokens, direct::Direct},
    registry::{ConnectionInfo, Deliver, Delivery, DeliveryError},
    server::http::{Routed, Server},
};

/// A kept connection may have ended with the other process.
const IDLE: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// An answer names the connections of a batch that it did not reach.
const ANSWER_LIMIT_BYTES: usize = 1 << 20;

/// The connections of this process, and behind them those of the other one.
#[derive(Default)]
pub struct Relay {
    own: Arc<Own>,
    other: ArcSwapOption<Other>,
}

/// Nothing before the gateway's registry is there.
#[derive(Default)]
struct Own(OnceLock<Arc<dyn Deliver>>);

impl Deliver for Own {
    fn deliver<'a>(
        &'a self,
        ids: &'a [String],
        delivery: Delivery,
    ) -> BoxFuture<'a, Vec<Result<(), DeliveryError>>> {
        match self.0.get() {
            Some(registry) => registry.deliver(ids, delivery),
            None => ready(vec![Err(DeliveryError::NotFound); ids.len()]).boxed(),
        }
    }

    fn look_up<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<ConnectionInfo, DeliveryError>> {
        match self.0.get() {
            Some(registry) => registry.look_up(id),
            None => ready(Err(DeliveryError::NotFound)).boxed(),
        }
    }
}

struct Other {
    client: HttpClient,
    address: String,
    log_limit: LogLimit,
}

/// A push address on this machine's loopback address, for the other process alone: it does not relay.
#[derive(Debug)]
pub struct PrivateAddress {
    /// With the secret in it.
    pub url: String,
    _server: Server,
}

impl Relay {
    /// The connections of this process. The first call counts.
    pub(crate) fn set_own(&self, registry: Arc<dyn Deliver>) {
        self.own.0.get_or_init(|| registry);
    }

    /// Pushes for unknown connections go to this address from now on, or nowhere.
    pub fn set_other(&self, address: Option<&str>) -> Result<(), TrustError> {
        let other = match address {
            Some(address) => {
                // Plain HTTP: what is trusted does not matter.
                let client = HttpClient::new(&Trust::System, IDLE)?;
                let (address, log_limit) = (address.to_owned(), LogLimit::default());
                Some(Arc::new(Other { client, address, log_limit }))
            }
            None => None,
        };
        self.other.store(other);
        Ok(())
    }

    /// Whether there is another process.
    #[must_use]
    pub fn has_other(&self) -> bool {
        self.other.load().is_some()
    }

    /// Opens this process' own.
    pub async fn open_private_address(&self) -> io::Result<PrivateAddress> {
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).map_err(io::Error::other)?;
        let secret = Secret::new(secret.map(|byte| format!("{byte:02x}")).concat());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let registry = Arc::clone(&self.own) as Arc<dyn Deliver>;
        let address = PushAddress::new(
            registry,
            Reports::default(),
            Arc::default(),
            Arc::default(),
            crate::contract::MAX_EVENT_BYTES,
        );
        let handler = Direct {
            tokens: Tokens::new(Some(&secret), None),
            address: Arc::new(address),
            rest: Routed::handler(Router::new()),
        };
        let server = Server::start_private(listener, Arc::new(handler))?;
        let url = PushUrl::default();
        url.set(&format!("http://{}", server.addr()), Some(&secret));
        Ok(PrivateAddress { url: url.now().to_string(), _server: server })
    }

    async fn deliver_to_all(&self, ids: &[String], delivery: Delivery) -> Vec<Result<(), DeliveryError>> {
        let mut results = self.own.deliver(ids, delivery.clone()).await;
        let Some(other) = self.other.load_full() else { return results };
        let unknown: Vec<usize> =
            (0..results.len()).filter(|index| results[*index] == Err(DeliveryError::NotFound)).collect();
        for batch in unknown.chunks(MAX_BATCH) {
            let ids: Vec<&str> = batch.iter().map(|index| ids[*index].as_str()).collect();
            for (index, result) in batch.iter().zip(other.deliver(&ids, &delivery).await) {
                results[*index] = result;
            }
        }
        results
    }
}

#[derive(Deserialize)]
struct RelayedAnswer {
    #[serde(default)]
    failed: Vec<RelayedFailure>,
    connection: Option<RelayedConnection>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RelayedFailure {
    #[serde(rename = "secConnectionID")]
    connection: String,
    err_no: u32,
    err_msg: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RelayedConnection {
    path: String,
    source_ip: std::net::IpAddr,
    connected_at: u64,
    last_active_at: u64,
    waiting_bytes: usize,
    attributes: Option<Attributes>,
}

impl Other {
    async fn deliver(&self, ids: &[&str], delivery: &Delivery) -> Vec<Result<(), DeliveryError>> {
        let mut websocket = match delivery {
            Delivery::Frame(frame) => {
                if let Some(text) = frame.as_text() {
                    json!({"action": "data send", "dataType": "text", "data": text})
                } else {
                    let data = STANDARD.encode(frame.payload());
                    json!({"action": "data send", "dataType": "binary", "data": data})
                }
            }
            Delivery::Close(Close { code, reason, cleanup }) => {
                json!({"action": "closing", "code": code, "reason": &**reason, "cleanup": cleanup})
            }
        };
        websocket["secConnectionIDs"] = json!(ids);
        let request = Request::post(&self.address)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(json!({ "websocket": websocket }).to_string())));
        match self.ask(request).await {
            Ok(answer) => {
                let failed = |id: &&str| {
                    let failed = answer.failed.iter().find(|failed| failed.connection == **id)?;
                    Some(match failed.err_no {
                        404 => DeliveryError::NotFound,
                        _ => DeliveryError::Unreachable(failed.err_msg.clone()),
                    })
                };
                ids.iter().map(|id| failed(id).map_or(Ok(()), Err)).collect()
            }
            Err(error) => vec![Err(error); ids.len()],
        }
    }

    async fn look_up(&self, id: &str) -> Result<ConnectionInfo, DeliveryError> {
        let id = utf8_percent_encode(id, NON_ALPHANUMERIC);
        let request = Request::get(format!("{}?secConnectionID={id}", self.address)).body(Full::default());
        let found = self.ask(request).await?.connection.ok_or(DeliveryError::NotFound)?;
        Ok(ConnectionInfo {
            path: found.path.into(),
            source_ip: found.source_ip,
            connected_at_ms: found.connected_at,
            last_active_at_ms: found.last_active_at,
            waiting_bytes: found.waiting_bytes,
            attributes: found.attributes.map(Arc::new),
            traffic: None,
        })
    }

    /// The other process' answer. If it has ended, its connections are gone.
    async fn ask(
        &self,
        request: Result<Request<Full<Bytes>>, hyper::http::Error>,
    ) -> Result<RelayedAnswer, DeliveryError> {
        let unreachable = |why: String| {
            let line = format_args!("the other process of this gateway did not take a push: {why}");
            self.log_limit.log(Level::Warn, None, line);
            DeliveryError::Unreachable(why)
        };
        let request = request.map_err(|error| unreachable(error.to_string()))?;
        let sent = tokio::time::timeout(ANSWER_TIMEOUT, self.client.send(request, ANSWER_LIMIT_BYTES)).await;
        match sent {
            Ok(Ok(answer)) if answer.status == StatusCode::OK => {
                serde_json::from_slice(&answer.body).map_err(|error| unreachable(error.to_string()))
            }
            Ok(Ok(answer)) => Err(unreachable(format!("it answered {}", answer.status))),
            Ok(Err(SendError::NotSent(_))) => Err(DeliveryError::NotFound),
            Ok(Err(error)) => Err(unreachable(error.to_string())),
            Err(_) => Err(unreachable(format!("no answer within {ANSWER_TIMEOUT:?}"))),
        }
    }
}

impl Deliver for Relay {
    fn deliver<'a>(
        &'a self,
        ids: &'a [String],
        delivery: Delivery,
    ) -> BoxFuture<'a, Vec<Result<(), DeliveryError>>> {
        // Almost always there is no other process, and nothing to allocate for it.
        if self.other.load().is_none() {
            return self.own.deliver(ids, delivery);
        }
        self.deliver_to_all(ids, delivery).boxed()
    }

    fn look_up<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<ConnectionInfo, DeliveryError>> {
        async move {
            match (self.own.look_up(id).await, self.other.load_full()) {
                (Err(DeliveryError::NotFound), Some(other)) => other.look_up(id).await,
                (result, _) => result,
            }
        }
        .boxed()
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Relay").finish_non_exhaustive()
    }
}
