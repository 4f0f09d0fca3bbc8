//! The reverse push address: where functions send frames to clients and close their connections.
//!
//! [`router`] answers `POST /api-local`. It needs nothing of the gateway but the [`Connections`]; a [`Sink`] receives
//! each push with its answer, and the instance's name if the caller put it into the query as `?instance=NAME`.

use std::sync::Arc;

use axum::{
    Extension, Router,
    body::Body,
    extract::State,
    http::{StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use log::{debug, warn};

use crate::{
    connections::{Connections, Undelivered},
    contract::{Frame, MAX_EVENT_BYTES, Push, Status},
    http::{Activity, BodyError, PROGRESS_TIMEOUT, read_body},
    timeline::{Pushed, epoch_ms, shown_push},
};

/// Where the address is unless a token is asked for.
pub const PATH: &str = "/api-local";
/// Room for the largest frame in Base64, and for what stands around it.
pub(crate) const BODY_LIMIT_BYTES: usize = MAX_EVENT_BYTES / 3 * 4 + 64 * 1024;

/// Receives each push with its answer, bodies that are no push included, and the instance's name if the caller gave it.
pub type Sink = Arc<dyn Fn(Option<&str>, Pushed) + Send + Sync>;

/// What stands behind the push address.
pub(crate) struct Address {
    pub(crate) connections: Arc<dyn Connections>,
    /// Without one, no push is described.
    pub(crate) sink: Option<Sink>,
}

/// The path with this token in it: whoever does not know the token finds nothing there.
#[must_use]
pub fn path(token: Option<&str>) -> String {
    token.map_or_else(|| PATH.to_owned(), |token| format!("/api-{token}"))
}

/// A reverse push address at [`PATH`].
pub fn router(connections: Arc<dyn Connections>, sink: Sink) -> Router {
    router_at(PATH, Arc::new(Address { connections, sink: Some(sink) }))
}

/// A reverse push address at this path.
pub(crate) fn router_at(path: &str, address: Arc<Address>) -> Router {
    Router::new().route(path, post(push).fallback(only_post)).with_state(address)
}

async fn only_post() -> Response {
    answer(StatusCode::METHOD_NOT_ALLOWED, &Status::refused(405, "a reverse push is a POST"))
}

async fn push(
    State(address): State<Arc<Address>>,
    activity: Option<Extension<Arc<Activity>>>,
    uri: Uri,
    body: Body,
) -> Response {
    let instance = instance(&uri);
    match read_body(body, BODY_LIMIT_BYTES).await {
        Ok(body) => address.receive(&body, instance, activity.as_deref()).await,
        Err(BodyError::TooLarge) => address.refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is larger than any push may be",
            instance,
            b"",
        ),
        Err(BodyError::Cut(error)) => {
            let sentence = format!("the body was cut: {error}");
            address.refuse(StatusCode::BAD_REQUEST, &sentence, instance, b"")
        }
        Err(BodyError::Stalled) => {
            let sentence = format!("the body did not arrive: nothing came for {PROGRESS_TIMEOUT:?}");
            address.refuse(StatusCode::REQUEST_TIMEOUT, &sentence, instance, b"")
        }
    }
}

impl Address {
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
                    activity.may_rest();
                }
                answer(StatusCode::OK, &self.carry_out(push, instance).await)
            }
            Err(sentence) => self.refuse(StatusCode::BAD_REQUEST, &sentence, instance, body),
        }
    }

    async fn carry_out(&self, push: Push, instance: Option<&str>) -> Status {
        let described = self.sink.as_ref().map(|sink| (sink, describe(&push)));
        let result = match push {
            Push::Send { connection, frame } => self.connections.send(&connection, frame).await,
            Push::Close { connection } => self.connections.close(&connection).await,
        };
        // Status 200 with this `errNo` has the function forget the connection: it is gone, or about to be.
        let status = match result {
            Ok(()) => Status::ok(),
            Err(undelivered @ (Undelivered::Unknown | Undelivered::TooSlow)) => {
                Status::refused(404, undelivered.to_string())
            }
        };
        debug!("push: {}", status.err_msg);
        if let Some((sink, pushed)) = described {
            let (err_no, err_msg) = (status.err_no, status.err_msg.clone());
            sink(instance, Pushed { err_no, err_msg, at_ms: epoch_ms(), ..pushed });
        }
        status
    }

    /// Refuses a body that is no push.
    fn refuse(&self, code: StatusCode, sentence: &str, instance: Option<&str>, body: &[u8]) -> Response {
        warn!("a reverse push was refused: {sentence}");
        let status = Status::refused(u32::from(code.as_u16()), sentence);
        if let Some(sink) = &self.sink {
            let pushed = Pushed {
                action: None,
                connection: None,
                data_type: None,
                data: Some(shown_push(body)),
                err_no: status.err_no,
                err_msg: status.err_msg.clone(),
                at_ms: epoch_ms(),
            };
            sink(instance, pushed);
        }
        answer(code, &status)
    }
}

fn describe(push: &Push) -> Pushed {
    let (action, connection, data_type, data) = match push {
        Push::Send { connection, frame: Frame::Text(text) } => {
            ("data send", connection, Some("text"), Some(shown_push(text.as_bytes())))
        }
        Push::Send { connection, frame: Frame::Binary(bytes) } => {
            // As much as is shown of its Base64.
            let beginning = &bytes[..bytes.len().min(3 * 1024)];
            ("data send", connection, Some("binary"), Some(STANDARD.encode(beginning)))
        }
        Push::Close { connection } => ("closing", connection, None, None),
    };
    Pushed {
        action: Some(action),
        connection: Some(connection.clone()),
        data_type,
        data,
        err_no: 0,
        err_msg: String::new(),
        at_ms: 0,
    }
}

fn instance(uri: &Uri) -> Option<&str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix("instance="))
}

pub(crate) fn answer(code: StatusCode, status: &Status) -> Response {
    (code, [(CONTENT_TYPE, "application/json")], status.to_json()).into_response()
}
