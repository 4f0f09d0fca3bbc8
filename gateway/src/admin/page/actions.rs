//! The page's actions: push to a connection, close one, send a recorded event again.
//!
//! | path | body |
//! | --- | --- |
//! | `POST /timeline/push` | a reverse push, see [`crate::push`] |
//! | `POST /admin/close` | see [`api::close`] |
//! | `POST /timeline/replay` | `{"id":12}`, an invocation's id; or `{"role":"transfer","event":{…}}` |
//!
//! The answer is a status in the reverse push address's form. Only the page and programs of this machine may act, see
//! [`origin`].

use std::sync::Arc;

use axum::{
    extract::Request,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    api::{self, Refusal},
    origin,
};
use crate::{
    contract::{MAX_EVENT_BYTES, Object, Status},
    function::Role,
    observe::{report::Pusher, timeline::RecordedEvent},
    push::{self, answer},
    server::http::read_body,
    start::{apis::RunningApi, app::App},
};

/// An action by its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Push,
    Replay,
    Close,
}

pub(super) fn at(path: &str) -> Option<Action> {
    match path {
        "/timeline/push" => Some(Action::Push),
        "/timeline/replay" => Some(Action::Replay),
        "/admin/close" => Some(Action::Close),
        _ => None,
    }
}

pub(super) async fn perform(app: &Arc<App>, action: Action, request: Request) -> Response {
    if let Some(sentence) = origin::objection(request.headers()) {
        return refuse(StatusCode::FORBIDDEN, sentence);
    }
    let body = match read_body(request.into_body(), push::BODY_LIMIT_BYTES).await {
        Ok(body) => body,
        Err(error) => return refuse(error.status(), &error.to_string()),
    };
    match action {
        Action::Push => app.push_address.receive(&body, Pusher::Operator, None).await,
        Action::Replay => replay(app, &body),
        Action::Close => match api::close(app, &body).await {
            Ok(closed) => ([(CONTENT_TYPE, "application/json")], closed).into_response(),
            Err(sentence) => refuse(StatusCode::BAD_REQUEST, &sentence),
        },
    }
}

/// The event to send again: a recorded one, or one that the caller gives with its role.
#[derive(Deserialize)]
struct ReplayRequest<'a> {
    id: Option<u64>,
    role: Option<String>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
}

fn replay(app: &Arc<App>, body: &[u8]) -> Response {
    if app.stopping.is_cancelled() {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "the gateway is shutting down");
    }
    let (api, role, connection, event) = match find(app, body) {
        Ok(found) => found,
        Err((code, sentence)) => return refuse(code, &sentence),
    };
    // A task of its own, which shutdown waits for: the person may close the page meanwhile.
    app.open.spawn(async move { api.functions.replay(role, &connection, event).await });
    answer(StatusCode::ACCEPTED, &Status::ok())
}

type EventToReplay = (Arc<RunningApi>, Role, String, Bytes);

fn find(app: &App, body: &[u8]) -> Result<EventToReplay, Refusal> {
    match serde_json::from_slice(body) {
        Ok(Object(ReplayRequest { id: Some(id), .. })) => recorded(app, id),
        Ok(Object(ReplayRequest { role: Some(role), event: Some(event), .. })) => {
            given(app, &role, event.get().as_bytes())
        }
        Ok(_) | Err(_) => {
            let sentence =
                r#"the body is neither {"id":…} nor {"role":"register, transfer or cleanup","event":{…}}"#;
            Err((StatusCode::BAD_REQUEST, sentence.to_owned()))
        }
    }
}

fn recorded(app: &App, id: u64) -> Result<EventToReplay, Refusal> {
    let recorded = app.timeline.as_ref().and_then(|timeline| timeline.event(id));
    let gone = || (StatusCode::NOT_FOUND, format!("the invocation {id} is no longer recorded"));
    let RecordedEvent { api, role, connection, event } = recorded.ok_or_else(gone)?;
    let event = event.ok_or_else(|| {
        let sentence = "the event is long and old: only its beginning is still recorded";
        (StatusCode::GONE, sentence.to_owned())
    })?;
    let api = app.apis.at(&api).ok_or_else(gone)?;
    Ok((api, role, connection, event))
}

fn given(app: &App, role: &str, event: &[u8]) -> Result<EventToReplay, Refusal> {
    let Some(known) = Role::ALL.into_iter().find(|known| known.name() == role) else {
        let sentence = format!("the role {role:?} is not register, transfer or cleanup");
        return Err((StatusCode::BAD_REQUEST, sentence));
    };
    if event.len() > MAX_EVENT_BYTES {
        let sentence = format!("an event has at most {MAX_EVENT_BYTES} bytes (6 MiB)");
        return Err((StatusCode::PAYLOAD_TOO_LARGE, sentence));
    }
    let parsed: serde_json::Value = serde_json::from_slice(event).unwrap_or_default();
    // Only a connecting event has a path; the first API stands in for all others.
    let path = parsed["requestContext"]["path"].as_str().unwrap_or_default();
    let api = app.apis.find(path).or_else(|| app.apis.first());
    let no_api = || (StatusCode::NOT_FOUND, "the gateway has no WebSocket API".to_owned());
    // An event that names no connection is for the function to judge.
    let connection = parsed["websocket"]["secConnectionID"].as_str().unwrap_or_default().to_owned();
    Ok((api.ok_or_else(no_api)?, known, connection, Bytes::copy_from_slice(event)))
}

pub(super) fn refuse(code: StatusCode, sentence: &str) -> Response {
    answer(code, &Status::refused(u32::from(code.as_u16()), sentence))
}
