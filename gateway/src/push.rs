//! The reverse push address: where functions send frames to clients and close their connections.
//!
//! [`router`] answers `POST /api-local`. It needs nothing of the gateway but a [`ConnectionRegistry`]. Each push is
//! reported with its answer, and with the instance's name if the caller put it into the query as `?instance=NAME`.

pub(crate) mod address;
pub(crate) mod direct;

use std::sync::Arc;

use axum::{
    Extension, Router,
    body::Body,
    extract::State,
    http::{StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use log::{debug, warn};

pub use self::address::{PATH, check_token, path};
use crate::{
    contract::{MAX_EVENT_BYTES, Push, Status},
    http::{Activity, read_body},
    metrics::{Metrics, labels::PushOutcome},
    registry::{ConnectionRegistry, Delivery, DeliveryError},
    report::{Report, Reports},
};

/// The largest frame in Base64, and the JSON around it.
pub(crate) const BODY_LIMIT_BYTES: usize = MAX_EVENT_BYTES / 3 * 4 + 64 * 1024;

/// What stands behind the push address.
pub(crate) struct PushAddress {
    pub(crate) registry: Arc<dyn ConnectionRegistry>,
    pub(crate) reports: Reports,
    pub(crate) metrics: Arc<Metrics>,
}

/// A reverse push address at [`PATH`].
pub fn router(registry: Arc<dyn ConnectionRegistry>, reports: Reports) -> Router {
    router_at(PATH, Arc::new(PushAddress { registry, reports, metrics: Arc::default() }))
}

/// A reverse push address at this path.
pub(crate) fn router_at(path: &str, address: Arc<PushAddress>) -> Router {
    Router::new().route(path, post(push).fallback(only_post)).with_state(address)
}

async fn only_post() -> Response {
    answer(StatusCode::METHOD_NOT_ALLOWED, &Status::refused(405, "a reverse push is a POST"))
}

async fn push(
    State(address): State<Arc<PushAddress>>,
    activity: Option<Extension<Arc<Activity>>>,
    uri: Uri,
    body: Body,
) -> Response {
    let instance = instance(&uri);
    match read_body(body, BODY_LIMIT_BYTES).await {
        Ok(body) => address.receive(&body, instance, activity.as_deref()).await,
        Err(error) => address.refuse(error.status(), &error.to_string(), instance, b""),
    }
}

impl PushAddress {
    /// Carries out what the body asks for. The activity is that of the connection on which it came.
    pub(crate) async fn receive(
        &self,
        body: &[u8],
        instance: Option<&str>,
        activity: Option<&Arc<Activity>>,
    ) -> Response {
        match Push::parse(body) {
            Ok(Push::Send { frame, .. }) if frame.len() > MAX_EVENT_BYTES => {
                let sentence =
                    format!("a frame has at most {MAX_EVENT_BYTES} bytes (6 MB), this one {}", frame.len());
                self.refuse(StatusCode::PAYLOAD_TOO_LARGE, &sentence, instance, body)
            }
            Ok(push) => {
                // A function may be idle for long and then push on the connection that it has kept.
                if let Some(activity) = activity {
                    activity.allow_idle();
                }
                self.carry_out(&push, instance).await
            }
            Err(sentence) => self.refuse(StatusCode::BAD_REQUEST, &sentence, instance, body),
        }
    }

    async fn carry_out(&self, push: &Push, instance: Option<&str>) -> Response {
        let (connection, delivery) = match push {
            Push::Send { connection, frame } => (connection, Delivery::Frame(frame.clone())),
            Push::Close { connection } => (connection, Delivery::Close),
        };
        let delivered = self.registry.deliver(std::slice::from_ref(connection), delivery).await.pop();
        self.metrics.push(match &delivered {
            Some(Ok(())) => PushOutcome::Accepted,
            Some(Err(DeliveryError::NotFound)) => PushOutcome::Gone,
            Some(Err(DeliveryError::TooSlow)) => PushOutcome::QueueFull,
            Some(Err(DeliveryError::Unreachable(_))) | None => PushOutcome::NodeUnavailable,
        });
        let (code, status) = match delivered {
            Some(Ok(())) => (StatusCode::OK, Status::ok()),
            // With status 200 the function forgets the connection: it is gone, or about to be.
            Some(Err(error @ (DeliveryError::NotFound | DeliveryError::TooSlow))) => {
                (StatusCode::OK, Status::refused(404, error.to_string()))
            }
            // With any other status it keeps the connection and may push again.
            Some(Err(error @ DeliveryError::Unreachable(_))) => unavailable(&error.to_string()),
            None => unavailable("the connection registry gave no result"),
        };
        debug!("push: {}", status.err_msg);
        self.reports.report(|| Report::PushAnswered { instance, push: Ok(push), status: &status });
        answer(code, &status)
    }

    /// Refuses a body that is no push.
    fn refuse(&self, code: StatusCode, sentence: &str, instance: Option<&str>, body: &[u8]) -> Response {
        warn!("refused a reverse push: {sentence}");
        self.metrics.push(PushOutcome::Malformed);
        let status = Status::refused(u32::from(code.as_u16()), sentence);
        self.reports.report(|| Report::PushAnswered { instance, push: Err(body), status: &status });
        answer(code, &status)
    }
}

fn unavailable(sentence: &str) -> (StatusCode, Status) {
    warn!("a reverse push was not delivered: {sentence}");
    (StatusCode::SERVICE_UNAVAILABLE, Status::refused(503, sentence))
}

fn instance(uri: &Uri) -> Option<&str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix("instance="))
}

pub(crate) fn answer(code: StatusCode, status: &Status) -> Response {
    (code, [(CONTENT_TYPE, "application/json")], status.to_json()).into_response()
}
