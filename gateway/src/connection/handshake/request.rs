//! A client's request to connect, as far as the gateway itself judges it.

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use axum::{
    extract::Request,
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{
            CONNECTION, HOST, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
            SEC_WEBSOCKET_VERSION,
        },
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::{body::Body as _, upgrade::OnUpgrade};

use crate::{
    connection::{origin::ForeignOrigin, request_details::RequestDetails, websocket::accept_key},
    contract::trace_context::{TRACEPARENT, is_traceparent},
    server::http::Peer,
    start::{apis::RunningApi, app::App},
};

/// What the path and the query of a client have at most: they are kept with its connection.
const MAX_PATH_BYTES: usize = 8192;

/// A valid request to connect.
pub(super) struct UpgradeRequest {
    pub(super) api: Arc<RunningApi>,
    pub(super) path: Arc<str>,
    /// Where the connection comes from.
    pub(super) peer: SocketAddr,
    /// The client's address, which a proxy may have reported.
    pub(super) client: IpAddr,
    pub(super) received: Instant,
    pub(super) accept_key: String,
    pub(super) protocols: Option<String>,
    pub(super) extensions: Option<String>,
    pub(super) details: RequestDetails,
    /// Whether the web page that asks may connect.
    pub(super) origin: Result<(), ForeignOrigin>,
    pub(super) upgrade: OnUpgrade,
}

/// Why a request is no handshake, and the status that says so.
pub(super) struct Malformed {
    pub(super) code: StatusCode,
    pub(super) sentence: Cow<'static, str>,
}

fn bad(sentence: &'static str) -> Malformed {
    Malformed { code: StatusCode::BAD_REQUEST, sentence: sentence.into() }
}

impl UpgradeRequest {
    /// The client as the log names it.
    pub(super) fn from(&self) -> String {
        if self.client == self.peer.ip().to_canonical() {
            self.peer.to_string()
        } else {
            format!("{} through {}", self.client, self.peer)
        }
    }

    /// The trace that the client's request belongs to, if it says so.
    pub(super) fn trace(&self) -> Option<Arc<str>> {
        let header = self.details.headers.get(TRACEPARENT)?;
        is_traceparent(header).then(|| header.as_str().into())
    }

    pub(super) fn read(
        app: &App,
        request: &mut Request,
        (path, api): (Arc<str>, Arc<RunningApi>),
    ) -> Result<Self, Malformed> {
        let accept_key = accept_key(key(request)?);
        let headers = request.headers();
        let protocols = list(headers, SEC_WEBSOCKET_PROTOCOL);
        let extensions = list(headers, SEC_WEBSOCKET_EXTENSIONS);
        let origin = api.settings.origins.check(headers);
        let details = RequestDetails::of(headers, request.uri());
        let Some(Peer(peer)) = request.extensions().get().copied() else {
            return Err(bad("the client's address is unknown"));
        };
        let client = app.clients.address(peer.ip(), headers);
        let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
            return Err(bad("this request cannot be upgraded: it must be HTTP/1.1"));
        };
        Ok(Self {
            api,
            path,
            peer,
            client,
            received: Instant::now(),
            accept_key,
            protocols,
            extensions,
            details,
            origin,
            upgrade,
        })
    }
}

/// The key of a handshake that has each header once and no body. Two readers of any other one, such as a proxy and this
/// gateway, could understand it differently.
fn key(request: &Request) -> Result<&[u8], Malformed> {
    let headers = request.headers();
    if !names(headers, CONNECTION, "upgrade") {
        return Err(bad("the header Connection does not name the upgrade"));
    }
    // Whether its bytes are a body or frames would depend on when they arrive.
    if !request.body().is_end_stream() {
        return Err(bad("a request for an upgrade has no body"));
    }
    if single(headers, HOST).is_none() {
        return Err(bad("a request for an upgrade has the header Host once"));
    }
    match single(headers, SEC_WEBSOCKET_VERSION) {
        Some(b"13") => {}
        Some(version) if !version.is_empty() && version.iter().all(u8::is_ascii_digit) => {
            let sentence = "only version 13 of the WebSocket protocol is supported";
            return Err(Malformed { code: StatusCode::UPGRADE_REQUIRED, sentence: sentence.into() });
        }
        _ => return Err(bad("a request for an upgrade has the header Sec-WebSocket-Version once, with 13")),
    }
    let length = request.uri().path_and_query().map_or(0, |asked| asked.as_str().len());
    if length > MAX_PATH_BYTES {
        let sentence = format!("path and query have {length} bytes; at most {MAX_PATH_BYTES} are accepted");
        return Err(Malformed { code: StatusCode::URI_TOO_LONG, sentence: sentence.into() });
    }
    let is_key = |key: &&[u8]| STANDARD.decode(key).is_ok_and(|key| key.len() == 16);
    single(headers, SEC_WEBSOCKET_KEY).filter(is_key).ok_or_else(|| {
        bad("a request for an upgrade has the header Sec-WebSocket-Key once, with 16 bytes in Base64")
    })
}

/// The value of a header that is there once.
fn single(headers: &HeaderMap, name: HeaderName) -> Option<&[u8]> {
    let mut values = headers.get_all(name).into_iter();
    values.next().filter(|_| values.next().is_none()).map(HeaderValue::as_bytes)
}

/// Whether a header that is a list names this, in any letter case.
pub(super) fn names(headers: &HeaderMap, header: HeaderName, token: &str) -> bool {
    let values = headers.get_all(header).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(token))
}

/// A header's list as the client sent it; several headers make one list.
fn list(headers: &HeaderMap, header: HeaderName) -> Option<String> {
    let values: Vec<_> =
        headers.get_all(header).into_iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(","))
}
