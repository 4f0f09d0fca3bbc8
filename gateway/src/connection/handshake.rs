//! The handshake: a client's request to connect, answered as the register function decides.
//!
//! [`entry`] takes every request that is no reverse push. A valid upgrade request → the connecting event → the
//! function's decision → 101 and a `websocket`, or a refusal. Once the function is called, the handshake runs to its
//! end even if the client disconnects: each client that the function accepts gets its closing event.

mod request;

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::{
        HeaderValue, Method, StatusCode,
        header::{
            CONNECTION, CONTENT_TYPE, RETRY_AFTER as RETRY_AFTER_HEADER, SEC_WEBSOCKET_ACCEPT,
            SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
            UPGRADE as UPGRADE_HEADER,
        },
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use log::{Level, debug, info, warn};
use tokio::sync::oneshot;

use self::request::{Malformed, UpgradeRequest, names};
use crate::{
    connection::{
        cleanup::clean_up,
        clients::ConnectionSettings,
        limits::{self, AttributePermit, Limit, Permit, Permits},
        websocket::{
            self, AcceptedConnection,
            deflate::{Deflate, negotiate},
        },
    },
    contract::{
        Agreed, Attributes, Connecting, ConnectingEvent, Identity, RequestContext, STORE_UNAVAILABLE, Status,
        encode,
    },
    function::{Failure, invoke::Registration},
    observe::{
        log_limit::LogLimit,
        metrics::labels::{HandshakeOutcome, RefusalReason},
        report::Report,
    },
    push::answer,
    registry::{NewConnection, Opening, Ownership, RegistryError, ids},
    server::http::Peer,
    start::app::App,
};

/// How long a connection may take to become a WebSocket after the 101 was passed to the server.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);

/// When a client that is over a limit of its address may try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What a client is told that the registry does not take.
const NOT_REGISTERED: &str = "the gateway cannot take new connections now: try again later";

/// What the log shows of a path that belongs to no API.
const SHOWN_PATH_CHARS: usize = 200;

/// Answers a request on any path.
pub(crate) async fn entry(State(app): State<Arc<App>>, mut request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return refuse(StatusCode::NOT_FOUND, "only GET is answered here");
    }
    // Only GET can ask for an upgrade. The server leaves the body out of its answer to HEAD.
    if *request.method() == Method::HEAD || !names(request.headers(), UPGRADE_HEADER, "websocket") {
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
    open.spawn(handshake(app, asked, permit, answer_sender));
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
    let is_on = current.settings.compression.is_some() && asked.api.compression;
    asked.extensions.as_deref().filter(|_| is_on).and_then(negotiate)
}

/// A client that the register function accepts.
struct Decided {
    opening: Opening,
    request_id: String,
    agreed: Agreed,
    by_attribute: Option<AttributePermit>,
}

/// A client that may not connect.
struct Refused {
    response: Box<Response>,
    /// The register function may have accepted it, and hears of its end.
    may_be_registered: Option<Ownership>,
}

impl From<Response> for Refused {
    fn from(response: Response) -> Self {
        Self { response: Box::new(response), may_be_registered: None }
    }
}

/// The register function's decision: the accepted connection with what was agreed and what was pushed to it meanwhile, or
/// what the client is answered.
///
/// The connection is known before the register function is called. That function records it before it answers, and
/// another one may push to it in between: an unknown connection would be forgotten, and then accepted.
async fn decide(
    app: &App,
    asked: &UpgradeRequest,
    current: &ConnectionSettings,
    client_gone: impl Future<Output = ()>,
) -> Result<Decided, Refused> {
    let request_id = ids::request_id().map_err(|error| {
        asked.api.metrics.handshake(HandshakeOutcome::FunctionFailed);
        warn!("the system gave no random bytes for a request id: {error}");
        let sentence = "the gateway cannot name a request now";
        refuse_uncalled(app, &asked.path, StatusCode::SERVICE_UNAVAILABLE, sentence)
    })?;
    let opening = app.registry.open(new_connection(app, asked, current)).await.map_err(|error| {
        log_not_registered(asked, &request_id, &error);
        asked.api.metrics.handshake(HandshakeOutcome::FunctionFailed);
        refuse_uncalled(app, &asked.path, StatusCode::SERVICE_UNAVAILABLE, NOT_REGISTERED)
    })?;
    let connection = opening.ownership.id();
    let event = match connecting_event(asked, connection, &request_id) {
        Ok(event) => event,
        Err(error) => {
            opening.ownership.settle();
            asked.api.metrics.handshake(HandshakeOutcome::Malformed);
            let sentence = format!("the request cannot be written as an event: {error}");
            return Err(refuse_uncalled(app, &asked.path, StatusCode::BAD_REQUEST, &sentence).into());
        }
    };
    let (functions, trace) = (&asked.api.functions, asked.trace());
    let of = (connection, trace.as_deref());
    let registered = functions.register(of, &request_id, event, asked.received, client_gone).await;
    let by_attribute = match &registered {
        Ok(Registration::Accepted(agreed)) => match app.clients.admit_attributes(&agreed.attributes) {
            Ok(permit) => permit,
            Err(limit) => {
                let attributes = agreed.attributes.clone();
                return Err(
                    over_limit(app, asked, (opening.ownership, &request_id), (limit, attributes)).await
                );
            }
        },
        _ => None,
    };
    asked.api.metrics.handshake(outcome(&registered));
    // What meets every client alike has its own line.
    let level = match &registered {
        Ok(Registration::NoSlot | Registration::StoreUnavailable) => Level::Debug,
        Err(failure) if failure.is_of_backend() => Level::Debug,
        _ => Level::Info,
    };
    let may_be_registered = matches!(&registered, Err(failure) if failure.may_have_run());
    let (why, refusal) = match registered {
        Ok(Registration::Accepted(mut agreed)) => {
            match opening.ownership.accept(std::mem::take(&mut agreed.attributes)).await {
                Ok(()) => return Ok(Decided { opening, request_id, agreed, by_attribute }),
                Err(error) => {
                    log_not_registered(asked, &request_id, &error);
                    let refusal = refuse(StatusCode::SERVICE_UNAVAILABLE, NOT_REGISTERED);
                    return Err(Refused {
                        response: Box::new(refusal),
                        may_be_registered: Some(opening.ownership),
                    });
                }
            }
        }
        Ok(Registration::Refused(err_no, body)) => {
            let refusal = (refusal_status(err_no), [(CONTENT_TYPE, "application/json")], body);
            ("the register function refused it".to_owned(), refusal.into_response())
        }
        Ok(Registration::StoreUnavailable) => {
            ("the register function's store is unavailable".to_owned(), store_unavailable())
        }
        Ok(Registration::NoSlot) => {
            ("too many events wait for the register function".to_owned(), overloaded())
        }
        Ok(Registration::ClientGone) => {
            let sentence = "the client has gone before the register function was called";
            (sentence.to_owned(), refuse(StatusCode::SERVICE_UNAVAILABLE, sentence))
        }
        Err(failure) => {
            // The function's own message may hold what only its owner should see: it goes to the log alone.
            (format!("the register function {}", failure.kind()), failed(&failure, &request_id))
        }
    };
    log_refused(app, asked, (connection, &request_id), level, (&why, &refusal));
    let response = Box::new(refusal);
    if may_be_registered {
        return Err(Refused { response, may_be_registered: Some(opening.ownership) });
    }
    opening.ownership.settle();
    Err(Refused { response, may_be_registered: None })
}

/// The register function has accepted a client that has as many connections as it may have, and hears of its end.
async fn over_limit(
    app: &App,
    asked: &UpgradeRequest,
    (ownership, request_id): (Ownership, &str),
    (limit, attributes): (Limit, Attributes),
) -> Refused {
    asked.api.metrics.handshake(HandshakeOutcome::Limit);
    let refusal = retry_after(refuse(StatusCode::TOO_MANY_REQUESTS, &limit.to_string()), RETRY_AFTER);
    let why = format!("{limit} (limits.{})", limit.key());
    log_refused(app, asked, (ownership.id(), request_id), Level::Info, (&why, &refusal));
    // With its attributes, if they can be recorded.
    if let Err(error) = ownership.accept(attributes).await {
        debug!("{}: {error}", ownership.id());
    }
    Refused { response: Box::new(refusal), may_be_registered: Some(ownership) }
}

fn new_connection(app: &App, asked: &UpgradeRequest, current: &ConnectionSettings) -> NewConnection {
    NewConnection {
        path: Arc::clone(&asked.path),
        source_ip: asked.client,
        api: Arc::clone(&asked.api.path),
        send_queue_bytes: current.settings.limits.send_queue_bytes,
        waiting: app.clients.metrics.queue_bytes.clone(),
        trace: asked.trace(),
    }
}

fn log_refused(
    app: &App,
    asked: &UpgradeRequest,
    (connection, request_id): (&str, &str),
    level: Level,
    (why, refusal): (&str, &Response),
) {
    let (from, status) = (asked.from(), refusal.status().as_u16());
    let line =
        format_args!("{connection} from {from} was refused with {status}: {why} (request {request_id})");
    asked.api.functions.refused_clients.log(level, Some((connection, request_id)), line);
    app.reports.report(|| Report::ConnectionRefused {
        connection: Some(connection),
        path: &asked.path,
        message: why,
    });
}

fn outcome(registered: &Result<Registration, Failure>) -> HandshakeOutcome {
    match registered {
        Ok(Registration::Accepted(_)) => HandshakeOutcome::Accepted,
        Ok(Registration::Refused(..)) => HandshakeOutcome::Refused,
        Ok(Registration::StoreUnavailable) => HandshakeOutcome::StoreUnavailable,
        Ok(Registration::ClientGone) => HandshakeOutcome::Abandoned,
        Err(Failure::Stopping) => HandshakeOutcome::Draining,
        Ok(Registration::NoSlot) | Err(_) => HandshakeOutcome::FunctionFailed,
    }
}

/// The status of a handshake that the register function refused.
fn refusal_status(err_no: i64) -> StatusCode {
    let named = u16::try_from(err_no).ok().filter(|err_no| (400..=599).contains(err_no));
    named.and_then(|err_no| StatusCode::from_u16(err_no).ok()).unwrap_or(StatusCode::FORBIDDEN)
}

/// The client keeps the `errNo` that tells it apart from other refusals.
fn store_unavailable() -> Response {
    let status = Status::refused(STORE_UNAVAILABLE, "clients cannot be recorded now: try again later");
    answer(StatusCode::SERVICE_UNAVAILABLE, &status)
}

fn log_not_registered(asked: &UpgradeRequest, request_id: &str, error: &RegistryError) {
    let line =
        format_args!("a client from {} cannot be accepted: {error} (request {request_id})", asked.from());
    asked.api.functions.register.log_limits.backend.log(Level::Warn, None, line);
}

fn overloaded() -> Response {
    let sentence = "the gateway has too much to do: try again later";
    refuse(StatusCode::SERVICE_UNAVAILABLE, sentence)
}

/// Names the whole seconds after which the client may try again, at least one.
fn retry_after(mut response: Response, after: Duration) -> Response {
    let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    response.headers_mut().insert(RETRY_AFTER_HEADER, seconds.max(1).into());
    response
}

fn connecting_event(asked: &UpgradeRequest, connection: &str, request_id: &str) -> serde_json::Result<Bytes> {
    encode(&ConnectingEvent {
        request_context: RequestContext {
            service_name: "local",
            path: &asked.path,
            http_method: "GET",
            request_id,
            identity: Identity { secret_id: "local" },
            source_ip: &asked.client.to_string(),
            stage: "local",
            websocket_enable: true,
            traceparent: asked.trace().as_deref(),
        },
        websocket: Connecting::new(connection, asked.protocols.as_deref(), asked.extensions.as_deref()),
        details: &asked.details,
    })
}

fn failed(failure: &Failure, request_id: &str) -> Response {
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

/// The sub-protocol for the client: the first item of the function's list that the client offered. If there is none,
/// the function's value is passed on as it is, and the client decides whether to accept it.
fn sub_protocol(
    ((connection, request_id), log_limit): ((&str, &str), &LogLimit),
    offered: Option<&str>,
    agreed: &Agreed,
) -> Option<HeaderValue> {
    let warn = |sentence: &str| {
        let line = format_args!("{connection}: {sentence} (request {request_id})");
        log_limit.log(Level::Warn, Some((connection, request_id)), line);
    };
    if agreed.sec_web_socket_extensions.as_deref().is_some_and(|extensions| !extensions.trim().is_empty()) {
        warn(
            "the register function agreed to an extension, but the gateway frames the data and agrees on extensions itself",
        );
    }
    let returned = agreed.sec_web_socket_protocol.as_deref()?.trim();
    // A function that copies what it gets may return `,,`.
    items(returned).next()?;
    let offers: Vec<&str> = items(offered.unwrap_or_default()).collect();
    let chosen = items(returned).find(|item| offers.contains(item)).unwrap_or_else(|| {
        let sentence = "the register function returned a sub-protocol that the client did not offer";
        warn(&format!("{sentence}: {returned:?}"));
        returned
    });
    let value = HeaderValue::from_str(chosen);
    value
        .inspect_err(|_| {
            warn(&format!("the sub-protocol {chosen:?} is not a valid header value and is left out"));
        })
        .ok()
}

fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty())
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

fn switching(accept_key: &str, sub_protocol: Option<HeaderValue>, deflate: Option<Deflate>) -> Response {
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

/// Refuses a client whose register function is not called.
fn refuse_uncalled(app: &App, path: &str, code: StatusCode, sentence: &str) -> Response {
    app.reports.report(|| Report::ConnectionRefused { connection: None, path, message: sentence });
    if code == StatusCode::UPGRADE_REQUIRED { upgrade_required(sentence) } else { refuse(code, sentence) }
}

fn upgrade_required(sentence: &str) -> Response {
    let mut response = refuse(StatusCode::UPGRADE_REQUIRED, sentence);
    let headers = response.headers_mut();
    headers.insert(UPGRADE_HEADER, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    response
}

fn refuse(code: StatusCode, sentence: &str) -> Response {
    answer(code, &Status::refused(u32::from(code.as_u16()), sentence))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(offered: Option<&str>, returned: Option<&str>) -> Option<String> {
        let agreed = Agreed { sec_web_socket_protocol: returned.map(str::to_owned), ..Agreed::default() };
        sub_protocol((("id==", "1"), &LogLimit::default()), offered, &agreed)
            .and_then(|value| value.to_str().ok().map(str::to_owned))
    }

    #[test]
    fn the_first_returned_sub_protocol_that_was_offered_is_chosen() {
        assert_eq!(chosen(Some("chat, binary"), Some("chat, binary")).as_deref(), Some("chat"));
        assert_eq!(chosen(Some("chat, binary"), Some("x,binary")).as_deref(), Some("binary"));
        assert_eq!(chosen(Some("chat"), Some("other")).as_deref(), Some("other"));
        assert_eq!(chosen(Some("chat"), Some("")), None);
        assert_eq!(chosen(Some(",,"), Some(",,")), None);
        assert_eq!(chosen(Some(", chat"), Some(", chat")).as_deref(), Some("chat"));
        assert_eq!(chosen(Some("chat"), None), None);
        assert_eq!(chosen(None, Some("bad\nvalue")), None);
    }
}
