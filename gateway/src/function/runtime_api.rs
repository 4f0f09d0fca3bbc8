//! The runtime API that SCF gives to one instance of a custom runtime: `ready`, `next`, `response`, `error`.
//!
//! [`RuntimeApi::start`] → the runtime gets [`RuntimeApi::addr`] → [`RuntimeApi::ready`] → one [`RuntimeApi::invoke`]
//! after the other. It is independent of processes, and stands in for SCF in tests.
//!
//! Dropping the future that waits for an event's outcome withdraws the event. An outcome that arrives later is answered
//! with 200, ignored, and logged as a warning, as on SCF.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::Request,
    http::{
        HeaderName, HeaderValue, Method, StatusCode,
        header::{ALLOW, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use hyper::body::Incoming;
use log::Level;
use parking_lot::Mutex;
use tokio::{
    net::TcpListener,
    sync::{Mutex as Turn, Notify, OwnedMutexGuard, oneshot, watch},
};

use crate::{
    contract::MAX_EVENT_BYTES,
    observe::log_limit::{self, LogLimit},
    server::http::{BodyError, Handler, HeaderCase, HttpConnection, Server, read_body},
};

/// The headers that go with an event, and how they are written. `None` (or `false`) leaves one out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeLimits {
    /// `memory_limit_in_mb`
    pub memory_limit_in_mb: Option<HeaderValue>,
    /// `time_limit_in_ms`. Only passed to the runtime; the caller enforces it by dropping the invocation.
    pub time_limit_in_ms: Option<HeaderValue>,
    /// Whether `request_id` is sent.
    pub request_id: bool,
    /// How the header names are written.
    pub header_case: HeaderCase,
}

impl RuntimeLimits {
    /// All three headers, in lower case.
    #[must_use]
    pub fn new(memory_mb: u64, time: Duration) -> Self {
        let time_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            memory_limit_in_mb: Some(memory_mb.into()),
            time_limit_in_ms: Some(time_ms.into()),
            request_id: true,
            header_case: HeaderCase::Lower,
        }
    }
}

impl Default for RuntimeLimits {
    /// SCF's own defaults: 128 MB, 3 s.
    fn default() -> Self {
        Self::new(128, Duration::from_secs(3))
    }
}

/// The outcome of an event. The first one is final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The body of `POST /runtime/invocation/response`.
    Response(Bytes),
    /// The body of `POST /runtime/invocation/error`.
    Error(Bytes),
}

/// An event's outcome, and how it was processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// What the runtime posted first.
    pub outcome: Outcome,
    /// How often `next` returned the event.
    pub handed_out: u32,
    /// From the first time that `next` returned the event until its outcome was accepted.
    pub took: Duration,
}

/// A running runtime API. Dropping it closes its address.
///
/// ```no_run
/// # async fn run() -> std::io::Result<()> {
/// use scf_websocket_gateway::function::runtime_api::{Outcome, RuntimeApi, RuntimeLimits};
///
/// let api = RuntimeApi::start(RuntimeLimits::default()).await?;
/// println!("start the runtime with SCF_RUNTIME_API=127.0.0.1 SCF_RUNTIME_API_PORT={}", api.addr().port());
/// api.ready().await;
/// let event = r#"{"websocket":{"action":"closing","secConnectionID":"id=="}}"#;
/// match api.invoke("c6af9ac6-7b61-11e6-9a41-93e8deadbeef", event).await {
///     Outcome::Response(answer) => println!("{}", String::from_utf8_lossy(&answer)),
///     Outcome::Error(message) => println!("failed: {}", String::from_utf8_lossy(&message)),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RuntimeApi {
    shared: Arc<RuntimeApiInner>,
    server: Server,
}

impl RuntimeApi {
    /// Starts one on a free port of the loopback address. Fails only if there is none.
    pub async fn start(limits: RuntimeLimits) -> io::Result<Self> {
        Self::start_logging("runtime API", limits, LogLimit::new(log_limit::SINGLE)).await
    }

    /// Likewise; warnings begin with the name, and what the runtime does wrong counts towards the limit.
    pub(crate) async fn start_logging(
        name: impl Into<String>,
        limits: RuntimeLimits,
        log_limit: LogLimit,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let case = limits.header_case;
        let shared = Arc::new(RuntimeApiInner {
            name: name.into(),
            limits,
            ready: watch::Sender::new(false),
            slot: Mutex::default(),
            offered: Notify::new(),
            turn: Arc::default(),
            log_limit,
        });
        let server = Server::start_handler(listener, Arc::new(RuntimeHandler(Arc::clone(&shared))), case)?;
        Ok(Self { shared, server })
    }

    /// What goes into `SCF_RUNTIME_API` and `SCF_RUNTIME_API_PORT`.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// Waits until the runtime has called `ready`.
    pub async fn ready(&self) {
        // The sender lives as long as `self`, so this cannot fail.
        let _ = self.shared.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// Carries out the event. Waits for the invocation before it, then without a time limit.
    pub async fn invoke(&self, request_id: &str, event: impl Into<Bytes>) -> Outcome {
        self.offer(request_id, event).await.decided().await.outcome
    }

    /// Offers the event to the next call of `next`, once the invocation before it is over.
    pub async fn offer(&self, request_id: &str, event: impl Into<Bytes>) -> Offer {
        let turn = Arc::clone(&self.shared.turn).lock_owned().await;
        let (decided_sender, decided) = oneshot::channel();
        let mut slot = self.shared.slot.lock();
        slot.taken_at = None;
        slot.current = Some(CurrentEvent {
            request_id: request_id.to_owned(),
            event: event.into(),
            handed_out: 0,
            decided: decided_sender,
        });
        drop(slot);
        self.shared.offered.notify_waiters();
        Offer { shared: Arc::clone(&self.shared), decided, _turn: turn }
    }
}

/// An event that is offered or being carried out. Dropping it withdraws the event.
pub struct Offer {
    shared: Arc<RuntimeApiInner>,
    decided: oneshot::Receiver<Completion>,
    _turn: OwnedMutexGuard<()>,
}

impl Offer {
    /// When `next` returned the event for the first time, if it has.
    #[must_use]
    pub fn taken_at(&self) -> Option<Instant> {
        self.shared.slot.lock().taken_at
    }

    /// Waits for the outcome. To be called until it has returned one; it is cancel safe.
    pub async fn decided(&mut self) -> Completion {
        match (&mut self.decided).await {
            Ok(decided) => decided,
            // Nothing else empties the slot while this offer holds it.
            Err(_) => std::future::pending().await,
        }
    }
}

impl fmt::Debug for Offer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Offer").field("runtime", &self.shared.name).finish_non_exhaustive()
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        self.shared.slot.lock().current = None;
    }
}

#[derive(Debug)]
struct RuntimeApiInner {
    name: String,
    limits: RuntimeLimits,
    ready: watch::Sender<bool>,
    slot: Mutex<Slot>,
    offered: Notify,
    /// Held by the offer whose event is in the slot: one event at a time.
    turn: Arc<Turn<()>>,
    /// What the runtime does wrong.
    log_limit: LogLimit,
}

#[derive(Debug, Default)]
struct Slot {
    current: Option<CurrentEvent>,
    /// When the event of the current or last offer was handed out first.
    taken_at: Option<Instant>,
    /// Whether any event was ever handed out. If so, an outcome without an event is late; if not, it is an error.
    used: bool,
}

#[derive(Debug)]
struct CurrentEvent {
    request_id: String,
    event: Bytes,
    handed_out: u32,
    decided: oneshot::Sender<Completion>,
}

/// The calls of the runtime. There is no router, because an event takes two of them.
struct RuntimeHandler(Arc<RuntimeApiInner>);

impl Handler for RuntimeHandler {
    fn handle(&self, request: Request<Incoming>, _: &HttpConnection) -> BoxFuture<'static, Response> {
        let shared = Arc::clone(&self.0);
        let (is_get, is_post) = (request.method() == Method::GET, request.method() == Method::POST);
        let body = |request: Request<Incoming>| request.into_body();
        match request.uri().path() {
            "/runtime/invocation/next" if is_get => async move { next(&shared).await }.boxed(),
            "/runtime/invocation/response" if is_post => {
                async move { decide(&shared, "response", body(request), Outcome::Response).await }.boxed()
            }
            "/runtime/invocation/error" if is_post => {
                async move { decide(&shared, "error", body(request), Outcome::Error).await }.boxed()
            }
            "/runtime/init/ready" if is_post => async move { ready(&shared, body(request)).await }.boxed(),
            "/runtime/invocation/next" => refuse_method("GET"),
            "/runtime/invocation/response" | "/runtime/invocation/error" | "/runtime/init/ready" => {
                refuse_method("POST")
            }
            _ => std::future::ready(StatusCode::NOT_FOUND.into_response()).boxed(),
        }
    }
}

fn refuse_method(allowed: &'static str) -> BoxFuture<'static, Response> {
    std::future::ready((StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, allowed)]).into_response()).boxed()
}

async fn ready(shared: &RuntimeApiInner, body: Incoming) -> Response {
    match read_body(body, MAX_EVENT_BYTES).await {
        Ok(_) => {
            shared.ready.send_replace(true);
            // At least one runtime in use fails on an empty answer.
            "OK".into_response()
        }
        Err(error) => refuse_body(shared, "ready", &error),
    }
}

async fn next(shared: &RuntimeApiInner) -> Response {
    loop {
        let offered = shared.offered.notified();
        tokio::pin!(offered);
        // Registered before looking, so that an event offered in between is not missed.
        offered.as_mut().enable();
        if let Some(response) = shared.hand_out() {
            return response;
        }
        offered.await;
    }
}

async fn decide(
    shared: &RuntimeApiInner,
    call: &str,
    body: Incoming,
    outcome: fn(Bytes) -> Outcome,
) -> Response {
    match read_body(body, MAX_EVENT_BYTES).await {
        Ok(body) => shared.accept(call, outcome(body)),
        Err(error) => refuse_body(shared, call, &error),
    }
}

impl RuntimeApiInner {
    fn hand_out(&self) -> Option<Response> {
        let mut slot = self.slot.lock();
        let Slot { current, taken_at, used } = &mut *slot;
        let current = current.as_mut()?;
        current.handed_out += 1;
        *used = true;
        taken_at.get_or_insert_with(Instant::now);
        if current.handed_out > 1 {
            self.warn(format_args!("`next` again within one invocation; it returns the same event"));
        }
        Some(self.answer(&current.request_id, current.event.clone()))
    }

    fn answer(&self, request_id: &str, event: Bytes) -> Response {
        let mut response = Response::new(Body::from(event));
        let request_id = self.limits.request_id.then(|| HeaderValue::from_str(request_id).ok()).flatten();
        let headers = response.headers_mut();
        headers.reserve(4);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in [
            ("request_id", request_id),
            ("memory_limit_in_mb", self.limits.memory_limit_in_mb.clone()),
            ("time_limit_in_ms", self.limits.time_limit_in_ms.clone()),
        ] {
            if let Some(value) = value {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        response
    }

    fn accept(&self, call: &str, outcome: Outcome) -> Response {
        let mut slot = self.slot.lock();
        let Some(current) = slot.current.take_if(|current| current.handed_out > 0) else {
            let used = slot.used;
            drop(slot);
            return self.too_late(call, used);
        };
        let took = slot.taken_at.map_or(Duration::ZERO, |taken| taken.elapsed());
        // If the caller has just given up, the outcome is not needed.
        let _ = current.decided.send(Completion { outcome, handed_out: current.handed_out, took });
        StatusCode::OK.into_response()
    }

    fn warn(&self, sentence: fmt::Arguments<'_>) {
        self.log_limit.log(Level::Warn, None, format_args!("{}: {sentence}", self.name));
    }

    fn too_late(&self, call: &str, used: bool) -> Response {
        if !used {
            let sentence = "no event has been handed out yet: call `next` first";
            return refuse(self, StatusCode::BAD_REQUEST, sentence);
        }
        self.warn(format_args!(
            "ignored a `{call}` whose invocation is already over: the first outcome is final"
        ));
        StatusCode::OK.into_response()
    }
}

fn refuse_body(shared: &RuntimeApiInner, call: &str, error: &BodyError) -> Response {
    refuse(shared, error.status(), &format!("`{call}`: {error}"))
}

fn refuse(shared: &RuntimeApiInner, status: StatusCode, sentence: &str) -> Response {
    shared.warn(format_args!("{sentence}"));
    (status, format!("{sentence}\n")).into_response()
}
