//! What a client is answered whose handshake succeeds or is refused.

use std::time::Duration;

use axum::{
    http::{
        HeaderValue, StatusCode,
        header::{
            CONNECTION, RETRY_AFTER as RETRY_AFTER_HEADER, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
            SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE as UPGRADE_HEADER,
        },
    },
    response::{IntoResponse, Response},
};

use crate::{
    connection::websocket::deflate::Deflate,
    contract::{STORE_UNAVAILABLE, Status},
    function::Failure,
    observe::report::Report,
    push::answer,
    start::app::App,
};

/// When a client that is over a limit of its address may try again.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

pub(super) fn switching(
    accept_key: &str,
    sub_protocol: Option<HeaderValue>,
    deflate: Option<Deflate>,
) -> Response {
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE_HEADER, HeaderValue::from_static("websocket"));
    // Base64 is always a valid header value.
    if let Ok(key) = HeaderValue::from_str(accept_key) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, key);
    }
    if let Some(protocol) = sub_protocol {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    if let Some(Ok(extension)) = deflate.map(|deflate| HeaderValue::from_str(&deflate.header())) {
        headers.insert(SEC_WEBSOCKET_EXTENSIONS, extension);
    }
    response
}

pub(super) fn upgrade_required(sentence: &str) -> Response {
    let mut response = refuse(StatusCode::UPGRADE_REQUIRED, sentence);
    let headers = response.headers_mut();
    headers.insert(UPGRADE_HEADER, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    response
}

pub(super) fn refuse(code: StatusCode, sentence: &str) -> Response {
    answer(code, &Status::refused(u32::from(code.as_u16()), sentence))
}

/// Names the whole seconds after which the client may try again, at least one.
pub(super) fn retry_after(mut response: Response, after: Duration) -> Response {
    let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    response.headers_mut().insert(RETRY_AFTER_HEADER, seconds.max(1).into());
    response
}

/// The status of a handshake that the register function refused.
pub(super) fn refusal_status(err_no: i64) -> StatusCode {
    let named = u16::try_from(err_no).ok().filter(|err_no| (400..=599).contains(err_no));
    named.and_then(|err_no| StatusCode::from_u16(err_no).ok()).unwrap_or(StatusCode::FORBIDDEN)
}

/// The client keeps the `errNo` that tells it apart from other refusals.
pub(super) fn store_unavailable() -> Response {
    let status = Status::refused(STORE_UNAVAILABLE, "clients cannot be recorded now: try again later");
    answer(StatusCode::SERVICE_UNAVAILABLE, &status)
}

pub(super) fn overloaded() -> Response {
    let sentence = "the gateway has too much to do: try again later";
    refuse(StatusCode::SERVICE_UNAVAILABLE, sentence)
}

pub(super) fn failed(failure: &Failure, request_id: &str) -> Response {
    let code = match failure {
        Failure::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
        Failure::Stopping
        | Failure::Overloaded { .. }
        | Failure::Unavailable(_)
        | Failure::CircuitOpen { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Failure::Error(_) | Failure::Crashed(_) | Failure::NeverReady(_) | Failure::Misconfigured(_) => {
            StatusCode::BAD_GATEWAY
        }
    };
    let response = refuse(code, &format!("the register function {} (request {request_id})", failure.kind()));
    match failure {
        Failure::Overloaded { retry_after: after } | Failure::CircuitOpen { retry_after: after, .. } => {
            retry_after(response, *after)
        }
        _ => response,
    }
}

/// Refuses a client whose register function is not called.
pub(super) fn refuse_uncalled(app: &App, path: &str, code: StatusCode, sentence: &str) -> Response {
    app.reports.report(|| Report::ConnectionRefused { connection: None, path, message: sentence });
    if code == StatusCode::UPGRADE_REQUIRED { upgrade_required(sentence) } else { refuse(code, sentence) }
}
