//! The reverse push address: where functions send frames to clients and close their connections.
//!
//! [`router`] answers `POST /api-local`. It needs nothing of the gateway but the [`Connections`]; each push and what
//! it was answered is also told to a [`Sink`], with the instance's name if the caller put it into the query as
//! `?instance=NAME`.

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
const BODY_LIMIT_BYTES: usize = MAX_EVENT_BYTES / 3 * 4 + 64 * 1024;

/// Learns of each push: the instance's name, if known, and the push with its answer.
pub type Sink = Arc<dyn Fn(Option<&str>, Pushed) + Send + Sync>;

struct Address {
    connections: Arc<dyn Connections>,
    sink: Sink,
}

/// The path with this token in it: whoever does not know the token finds nothing there.
#[must_use]
pub fn path(token: Option<&str>) -> String {
    token.map_or_else(|| PATH.to_owned(), |token| format!("/api-{token}"))
}

/// A reverse push address at [`PATH`].
pub fn router(connections: Arc<dyn Connections>, sink: Sink) -> Router {
    router_at(PATH, connections, sink)
}

/// A reverse push address at this path.
pub fn router_at(path: &str, connections: Arc<dyn Connections>, sink: Sink) -> Router {
    Router::new()
        .route(path, post(push).fallback(only_post))
        .with_state(Arc::new(Address { connections, sink }))
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
    let body = match read_body(body, BODY_LIMIT_BYTES).await {
        Ok(body) => body,
        Err(BodyError::TooLarge) => {
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than any push may be");
        }
        Err(BodyError::Cut(error)) => {
            return refuse(StatusCode::BAD_REQUEST, &format!("the body was cut: {error}"));
        }
        Err(BodyError::Stalled) => {
            let sentence = format!("the body did not arrive: nothing came for {PROGRESS_TIMEOUT:?}");
            return refuse(StatusCode::REQUEST_TIMEOUT, &sentence);
        }
    };
    match Push::parse(&body) {
        Ok(Push::Send { frame, .. }) if frame.len() > MAX_EVENT_BYTES => {
            let sentence =
                format!("a frame has at most {MAX_EVENT_BYTES} bytes (6 MB), this one {}", frame.len());
            refuse(StatusCode::PAYLOAD_TOO_LARGE, &sentence)
        }
        Ok(push) => {
            // A function may be idle for long and then push on the connection that it has kept.
            if let Some(Extension(activity)) = activity {
                activity.may_rest();
            }
            answer(StatusCode::OK, &address.carry_out(push, instance(&uri)).await)
        }
        Err(sentence) => refuse(StatusCode::BAD_REQUEST, &sentence),
    }
}

impl Address {
    async fn carry_out(&self, push: Push, instance: Option<&str>) -> Status {
        let mut pushed = describe(&push);
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
        debug!("push {:?} to {}: {}", pushed.action, pushed.connection, status.err_msg);
        pushed.err_no = status.err_no;
        pushed.err_msg.clone_from(&status.err_msg);
        pushed.at_ms = epoch_ms();
        (self.sink)(instance, pushed);
        status
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
        action,
        connection: connection.clone(),
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

fn refuse(status: StatusCode, sentence: &str) -> Response {
    warn!("a reverse push was refused: {sentence}");
    answer(status, &Status::refused(u32::from(status.as_u16()), sentence))
}

pub(crate) fn answer(code: StatusCode, status: &Status) -> Response {
    (code, [(CONTENT_TYPE, "application/json")], status.to_json()).into_response()
}
