//! The handshake: a client's request to connect, answered as the register function decides.
//!
//! [`entry`] takes every request that is no reverse push. A valid upgrade request → the connecting event → the
//! function's decision → 101 and a `websocket`, or a refusal. Once the function is called, the handshake runs to its
//! end even if the client disconnects: each client that the function accepts gets its closing event.

mod answer;
mod decide;
mod request;
mod sub_protocol;

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header::UPGRADE},
    response::Response,
};
use log::{Level, debug, info};
use tokio::sync::oneshot;

use self::{
    answer::{RETRY_AFTER, refuse, refuse_uncalled, retry_after, switching, upgrade_required},
    decide::{Decided, Refused, decide},
    request::{Malformed, UpgradeRequest, names},
    sub_protocol::sub_protocol,
};
use crate::{
    connection::{
        cleanup::clean_up,
        clients::ConnectionSettings,
        limits::{self, Permit, Permits},
        websocket::{
            self, AcceptedConnection,
            deflate::{Deflate, negotiate},
        },
    },
    observe::{
        metrics::labels::{HandshakeOutcome, RefusalReason},
        report::Report,
    },
    registry::Opening,
    server::http::Peer,
    start::app::App,
};

/// How long a connection may take to become a WebSocket after the 101 was passed to the server.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);

/// What the log shows of a path that belongs to no API.
const SHOWN_PATH_CHARS: usize = 200;

/// Answers a request on any path.
pub(crate) async fn entry(State(app): State<Arc<App>>, mut request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return refuse(StatusCode::NOT_FOUND, "only GET is answered here");
    }
    // Only GET can ask for an upgrade. The server leaves the body out of its answer to HEAD.
    if *request.method() == Method::HEAD || !names(request.headers(), UPGRADE, "websocket") {
        return upgrade_required("this is a WebSocket address: ask for an upgrade to it");
    }
    let path: Arc<str> = request.uri().path().into();
    let Some(api) = app.api(&path) else {
        const SENTENCE: &str = "no WebSocket API has this path";
        app.clients.metrics.unknown_path();
        log_malformed(&app, RefusalReason::UnknownPath, &request, SENTENCE);
        return refuse_uncalled(&app, &path, StatusCode::NOT_FOUND, SENTENCE);
    };
    let asked = match UpgradeRequest::read(&app, &mut request, (Arc::clone(&path), Arc::clone(&api))) {
        Ok(asked) => asked,
        Err(Malformed { code, sentence }) => {
            api.metrics.handshake(HandshakeOutcome::Malformed);
            log_malformed(&app, RefusalReason::Malformed, &request, &sentence);
            return refuse_uncalled(&app, &path, code, &sentence);
        }
    };
    match admit(&app, &asked) {
        Ok(permit) => connect(app, asked, permit).await,
        Err(refusal) => *refusal,
    }
}

fn log_malformed(app: &App, reason: RefusalReason, request: &Request, why: &str) {
    let from = request.extensions().get().map_or_else(String::new, |Peer(peer)| format!(" from {peer}"));
    let path: String = request.uri().path().chars().take(SHOWN_PATH_CHARS).collect();
    app.clients.refusals.refuse(reason, format_args!("a client{from} on {path} was refused: {why}"));
}

/// What the gateway itself checks before it asks the register function. The permit counts the connection.
fn admit(app: &App, asked: &UpgradeRequest) -> Result<Permit, Box<Response>> {
    let refused = |outcome, code: StatusCode, sentence: &str| {
        asked.api.metrics.handshake(outcome);
        let from = asked.from();
        let line = format!("a client from {from} on {} was refused with {}", asked.path, code.as_u16());
        (line, Box::new(refuse_uncalled(app, &asked.path, code, sentence)))
    };
    if app.stopping.is_cancelled() {
        let sentence = "the gateway is shutting down";
        let (line, refusal) = refused(HandshakeOutcome::Draining, StatusCode::SERVICE_UNAVAILABLE, sentence);
        debug!("{line}: {sentence}");
        return Err(refusal);
    }
    let permit = app.clients.admit(asked.client).map_err(|limit| {
        let code = match limit.rejection() {
            limits::Rejection::Status(status) => status,
            limits::Rejection::Close(_) => StatusCode::TOO_MANY_REQUESTS,
        };
        let (line, refusal) = refused(HandshakeOutcome::Limit, code, &limit.to_string());
        let line = format_args!("{line}: {limit} (limits.{})", limit.key());
        app.clients.log_limit(limit).log(Level::Info, None, line);
        Box::new(retry_after(*refusal, RETRY_AFTER))
    })?;
    if let Err(foreign) = &asked.origin {
        let sentence = foreign.to_string();
        let (line, refusal) = refused(HandshakeOutcome::Origin, StatusCode::FORBIDDEN, &sentence);
        app.clients.refusals.refuse(RefusalReason::Origin, format_args!("{line}: {sentence}"));
        return Err(refusal);
    }
    Ok(permit)
}

async fn connect(app: Arc<App>, asked: UpgradeRequest, permit: Permit) -> Response {
    let (answer_sender, answer) = oneshot::channel();
    let open = app.open.clone();
    // A task of its own: the server drops this future when the client goes away, but the function's event goes on.
    // Boxed, since a task moves its future ten times from its start to its end, and this one has 4 kB.
    open.spawn(Box::pin(handshake(app, asked, permit, answer_sender)));
    answer.await.unwrap_or_else(|_| refuse(StatusCode::BAD_GATEWAY, "the handshake ended without an answer"))
}

async fn handshake(
    app: Arc<App>,
    asked: UpgradeRequest,
    permit: Permit,
    mut answer_to: oneshot::Sender<Response>,
) {
    let current = app.clients.current();
    match decide(&app, &asked, &current, answer_to.closed()).await {
        Ok(Decided { opening, request_id, agreed, by_attribute }) => {
            let names = (opening.ownership.id(), request_id.as_str());
            let api = Arc::clone(&asked.api);
            let log_limit = &api.functions.register.log_limits.events;
            let sub_protocol = sub_protocol((names, log_limit), asked.protocols.as_deref(), &agreed);
            let deflate = agreed_compression(&asked, &current);
            let Opening { deliveries, ownership } = opening;
            let permits = Box::new(Permits { connection: permit, by_attribute });
            let opened =
                AcceptedConnection { ownership, api, deliveries, request_id, current, deflate, permits };
            open(&app, asked, opened, sub_protocol, answer_to).await;
        }
        Err(Refused { response, may_be_registered }) => {
            // A client that is gone needs no refusal.
            let _ = answer_to.send(*response);
            drop(permit);
            if let Some(ownership) = may_be_registered
                && let Some(due) = ownership.end().await
            {
                clean_up(&app.cleanups, &asked.api, due).await;
            }
        }
    }
}

/// How the client's frames may be compressed: as it offers, if that is on.
fn agreed_compression(asked: &UpgradeRequest, current: &ConnectionSettings) -> Option<Deflate> {
    let is_on = current.settings.compression.is_some() && asked.api.settings.compression;
    asked.extensions.as_deref().filter(|_| is_on).and_then(negotiate)
}

/// Answers 101 and opens the connection.
async fn open(
    app: &Arc<App>,
    asked: UpgradeRequest,
    opened: AcceptedConnection,
    sub_protocol: Option<HeaderValue>,
    answer_to: oneshot::Sender<Response>,
) {
    app.reports.report(|| Report::ConnectionOpened {
        connection: opened.id(),
        path: &asked.path,
        sub_protocol: sub_protocol.as_ref().and_then(|value| value.to_str().ok()),
    });
    let (connection, request_id) = (opened.id(), &opened.request_id);
    let (from, address, path) = (asked.from(), asked.client, &*asked.path);
    info!(
        connection, request_id, address:%, path;
        "{connection} opened from {from} on {path} (request {request_id})"
    );
    let answered = answer_to.send(switching(&asked.accept_key, sub_protocol, opened.deflate)).is_ok();
    let upgraded = tokio::time::timeout(UPGRADE_TIMEOUT, asked.upgrade);
    match upgraded.await {
        Ok(Ok(upgraded)) if answered => websocket::open(app, opened, upgraded, asked.received).await,
        _ => websocket::never_began(app, opened).await,
    }
}
