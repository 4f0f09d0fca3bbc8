//! The reverse push address: where functions send frames to clients and close their connections.
//!
//! [`router`] answers `POST /api-local`, a push to one connection or to a batch of them, and `GET /api-local`, a look at
//! a connection. It needs nothing of the gateway but a [`Deliver`]. Each push is reported with its answer, and with its
//! caller, as far as that is known: an instance puts its name into the query as `?instance=NAME`, other functions may
//! pass on `traceparent`.

pub(crate) mod address;
pub(crate) mod direct;
mod look;
mod response;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    BoxError, Extension, Router,
    body::Body,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode, Uri,
        header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderName, ORIGIN},
    },
    response::{IntoResponse as _, Response},
    routing::any,
};
use bytes::Bytes;
use hyper::body::Body as HttpBody;
use log::{Level, debug};

pub(crate) use self::address::PushUrl;
pub use self::address::{PATH, check_token};
use self::response::FailedDelivery;
pub(crate) use self::response::{ConnectionDetails, err_no};
use crate::{
    contract::{Close, MAX_BATCH, MAX_EVENT_BYTES, Push, Recipients, Status, trace_context},
    observe::{
        log_limit::LogLimit,
        metrics::{
            Metrics,
            labels::{PushOutcome, RefusalReason},
        },
        refusals::Refusals,
        report::{Pusher, Report, Reports},
    },
    registry::{ConnectionInfo, Deliver, Delivery, DeliveryError},
    server::http::{Activity, read_body},
};

/// What a batch may take for each of its ids.
const ID_BYTES: usize = 256;

/// The largest frame in Base64, the ids of the largest batch, and the JSON around them.
pub(crate) const BODY_LIMIT_BYTES: usize = MAX_EVENT_BYTES / 3 * 4 + MAX_BATCH * ID_BYTES + 64 * 1024;

/// Browsers send it with each request.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What stands behind the push address.
pub(crate) struct PushAddress {
    registry: Arc<dyn Deliver>,
    reports: Reports,
    metrics: Arc<Metrics>,
    refusals: Arc<Refusals>,
    /// The most that a frame may have.
    frame_bytes: usize,
    log_limits: PushLogLimits,
}

/// The lines about pushes.
#[derive(Default)]
struct PushLogLimits {
    undelivered: LogLimit,
    refused: LogLimit,
}

/// A reverse push address at [`PATH`].
pub fn router(registry: Arc<dyn Deliver>, reports: Reports) -> Router {
    let address = PushAddress::new(registry, reports, Arc::default(), Arc::default(), MAX_EVENT_BYTES);
    Router::new().route(PATH, any(serve)).with_state(Arc::new(address))
}

async fn serve(
    State(address): State<Arc<PushAddress>>,
    activity: Option<Extension<Arc<Activity>>>,
    request: Request<Body>,
) -> Response {
    address.answer(request, activity.as_deref()).await
}

fn pusher<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Pusher<'a> {
    let trace = || trace_context::trace_id(headers.get("traceparent")?.to_str().ok()?);
    let instance = query_value(uri, "instance").map(Pusher::Instance);
    instance.or_else(|| trace().map(Pusher::Trace)).unwrap_or(Pusher::Unnamed)
}

impl PushAddress {
    pub(crate) fn new(
        registry: Arc<dyn Deliver>,
        reports: Reports,
        metrics: Arc<Metrics>,
        refusals: Arc<Refusals>,
        frame_bytes: usize,
    ) -> Self {
        Self { registry, reports, metrics, refusals, frame_bytes, log_limits: PushLogLimits::default() }
    }

    /// Answers a request to the push address. The activity is that of the connection on which it came.
    async fn answer<B>(&self, request: Request<B>, activity: Option<&Arc<Activity>>) -> Response
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let (head, body) = request.into_parts();
        if head.headers.contains_key(ORIGIN) || head.headers.contains_key(SEC_FETCH_SITE) {
            let sentence = "web pages do not push: the request has the header Origin or Sec-Fetch-Site";
            self.refusals.refuse(RefusalReason::WebPage, format_args!("refused a reverse push: {sentence}"));
            return forbidden(sentence);
        }
        match head.method {
            Method::POST => {
                let by = pusher(&head.uri, &head.headers);
                match read_body(body, BODY_LIMIT_BYTES).await {
                    Ok(body) => self.receive(&body, by, activity).await,
                    Err(error) => self.refuse(error.status(), &error.to_string(), by, b""),
                }
            }
            // The server leaves the body out of its answer to HEAD.
            Method::GET | Method::HEAD => look::look(self, activity, &head.uri).await,
            _ => other_method(),
        }
    }

    /// Refuses a push that goes to another path, or has another token.
    fn misdirected(&self, peer: SocketAddr) -> Response {
        const SENTENCE: &str = "this is not this gateway's push address: check WS_PUSH_URL and push_token";
        let line = format_args!("refused a reverse push from {peer}: {SENTENCE}");
        self.refusals.refuse(RefusalReason::PushAddress, line);
        forbidden(SENTENCE)
    }

    /// Carries out what the body asks for. The activity is that of the connection on which it came.
    pub(crate) async fn receive(
        &self,
        body: &Bytes,
        by: Pusher<'_>,
        activity: Option<&Arc<Activity>>,
    ) -> Response {
        match Push::parse(body) {
            Ok(Push::Send { frame, .. }) if frame.len() > self.frame_bytes => {
                let sentence =
                    format!("a frame has at most {} bytes, this one {}", self.frame_bytes, frame.len());
                self.refuse(StatusCode::PAYLOAD_TOO_LARGE, &sentence, by, body)
            }
            Ok(push) => {
                // A function may be idle for long and then push on the connection that it has kept.
                if let Some(activity) = activity {
                    activity.allow_idle();
                }
                self.carry_out(&push, by).await
            }
            Err(sentence) => self.refuse(StatusCode::BAD_REQUEST, &sentence, by, body),
        }
    }

    async fn carry_out(&self, push: &Push, by: Pusher<'_>) -> Response {
        let to = push.to();
        let delivered = self.deliver(push).await;
        let failed: Vec<_> = to.ids().iter().zip(&delivered).filter_map(failed).collect();
        let (code, status) = match (to, failed.first()) {
            (Recipients::One(_), Some(FailedDelivery { error, .. })) => refusal(error),
            (Recipients::One(_) | Recipients::Batch(_), _) => (StatusCode::OK, Status::ok()),
        };
        self.note(push, by, &failed, &status);
        match to {
            Recipients::One(_) => response::status(code, &status),
            Recipients::Batch(_) => response::batch(&failed),
        }
    }

    /// A result for each of the connections that the push names.
    async fn deliver(&self, push: &Push) -> Vec<Result<(), DeliveryError>> {
        let delivery = match push {
            Push::Send { frame, .. } => Delivery::Frame(frame.clone()),
            Push::Close { close, .. } => Delivery::Close(close.clone()),
        };
        let ids = push.to().ids();
        let mut delivered = self.registry.deliver(ids, delivery).await;
        // A result too few must not pass for a success.
        delivered.resize_with(ids.len(), || Err(no_result()));
        for result in &delivered {
            self.metrics.push(outcome(result));
        }
        delivered
    }

    /// Closes connections for an operator. How many of them there were.
    pub(crate) async fn close(&self, ids: Vec<String>, close: Close) -> usize {
        let push = Push::Close { to: Recipients::Batch(ids), close };
        let delivered = self.deliver(&push).await;
        let failed: Vec<_> = push.to().ids().iter().zip(&delivered).filter_map(failed).collect();
        self.note(&push, Pusher::Operator, &failed, &Status::ok());
        delivered.len() - failed.len()
    }

    /// What is known of a connection.
    pub(crate) async fn look_up(&self, id: &str) -> Result<ConnectionInfo, DeliveryError> {
        self.registry.look_up(id).await
    }

    fn note(&self, push: &Push, by: Pusher<'_>, failed: &[FailedDelivery<'_>], status: &Status) {
        self.log_failures(push, failed, status);
        self.reports.report(|| Report::PushAnswered { by, push: Ok(push), status, failed: failed.len() });
    }

    /// Connections that cannot be reached are logged, those that are gone are not.
    fn log_failures(&self, push: &Push, failed: &[FailedDelivery<'_>], status: &Status) {
        let is_unreachable =
            |failed: &&FailedDelivery<'_>| matches!(failed.error, DeliveryError::Unreachable(_));
        let Some(first) = failed.iter().find(is_unreachable) else {
            return debug!("push to {}, {} failed: {}", push.to().ids().len(), failed.len(), status.err_msg);
        };
        let unreachable = failed.iter().filter(is_unreachable).count();
        let line = format_args!(
            "a reverse push was not delivered to {unreachable} of {} connections: {}",
            push.to().ids().len(),
            first.error
        );
        self.log_limits.undelivered.log(Level::Warn, None, line);
    }

    /// Refuses a body that is no push.
    fn refuse(&self, code: StatusCode, sentence: &str, by: Pusher<'_>, body: &[u8]) -> Response {
        self.log_limits.refused.log(Level::Warn, None, format_args!("refused a reverse push: {sentence}"));
        self.metrics.push(PushOutcome::Malformed);
        let status = Status::refused(u32::from(code.as_u16()), sentence);
        self.reports.report(|| Report::PushAnswered { by, push: Err(body), status: &status, failed: 0 });
        response::status(code, &status)
    }
}

/// Who may not push keeps no connection either.
fn forbidden(sentence: &str) -> Response {
    let mut response = answer(StatusCode::FORBIDDEN, &Status::refused(403, sentence));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn other_method() -> Response {
    let sentence = "a reverse push is a POST, and a look at a connection a GET";
    let mut response = response::status(StatusCode::METHOD_NOT_ALLOWED, &Status::refused(405, sentence));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
    response
}

fn no_result() -> DeliveryError {
    DeliveryError::Unreachable("the connection registry gave no result".to_owned())
}

fn failed<'a>(
    (connection, result): (&'a String, &'a Result<(), DeliveryError>),
) -> Option<FailedDelivery<'a>> {
    result.as_ref().err().map(|error| FailedDelivery { connection, error })
}

fn outcome(result: &Result<(), DeliveryError>) -> PushOutcome {
    match result {
        Ok(()) => PushOutcome::Accepted,
        Err(DeliveryError::NotFound) => PushOutcome::Gone,
        Err(DeliveryError::TooSlow) => PushOutcome::QueueFull,
        Err(DeliveryError::Unreachable(_)) => PushOutcome::NodeUnavailable,
    }
}

/// The answer to a push that did not reach its only connection, or to a look at one that is not found. With status 200 the function forgets the connection,
/// with any other it keeps it and may push again.
fn refusal(error: &DeliveryError) -> (StatusCode, Status) {
    let err_no = response::err_no(error);
    let code = if err_no == 404 { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Status::refused(err_no, error.to_string()))
}

fn query_value<'u>(uri: &'u Uri, name: &str) -> Option<&'u str> {
    let pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find_map(|(key, value)| (key == name).then_some(value))
}

/// A status to anyone but a caller of the push address: it offers no batches.
pub(crate) fn answer(code: StatusCode, status: &Status) -> Response {
    (code, [(CONTENT_TYPE, "application/json")], status.to_json()).into_response()
}
