//! Whether a client may connect, which its API's register function decides.

use std::sync::Arc;

use axum::{
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use log::{Level, debug, warn};

use super::{
    answer::{
        RETRY_AFTER, failed, overloaded, refusal_status, refuse, refuse_uncalled, retry_after,
        store_unavailable,
    },
    request::UpgradeRequest,
};
use crate::{
    connection::{
        clients::ConnectionSettings,
        limits::{AttributePermit, Limit},
    },
    contract::{Agreed, Attributes, Connecting, ConnectingEvent, Identity, RequestContext, encode},
    function::{Failure, invoke::Registration},
    observe::{metrics::labels::HandshakeOutcome, report::Report},
    registry::{NewConnection, Opening, Ownership, RegistryError, ids},
    start::app::App,
};

/// What a client is told that the registry does not take.
const NOT_REGISTERED: &str = "the gateway cannot take new connections now: try again later";

/// A client that the register function accepts.
pub(super) struct Decided {
    pub(super) opening: Opening,
    pub(super) request_id: String,
    pub(super) agreed: Agreed,
    pub(super) by_attribute: Option<AttributePermit>,
}

/// A client that may not connect.
pub(super) struct Refused {
    pub(super) response: Box<Response>,
    /// The register function may have accepted it, and hears of its end.
    pub(super) may_be_registered: Option<Ownership>,
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
pub(super) async fn decide(
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

fn log_not_registered(asked: &UpgradeRequest, request_id: &str, error: &RegistryError) {
    let line =
        format_args!("a client from {} cannot be accepted: {error} (request {request_id})", asked.from());
    asked.api.functions.register.log_limits.backend.log(Level::Warn, None, line);
}
