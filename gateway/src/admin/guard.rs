//! Who sees what at the admin address: by a password, a token, or the name under which it is asked for.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, StatusCode,
        header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE},
    },
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{header::header, page_access::PageAccess, plain};
use crate::{
    config::secret::Secret,
    observe::{metrics::labels::RefusalReason, refusals::Refusals},
    server::client_address::Peer,
};

/// Who may see what.
pub(crate) struct Guard {
    /// Opens everything. Without it everything is open, but the metrics if they have a token.
    pub(crate) password: Option<Secret>,
    /// Opens the metrics.
    pub(crate) metrics_token: Option<Secret>,
    /// Under which names this machine is asked for what is open.
    pub(crate) access: PageAccess,
    pub(crate) refusals: Arc<Refusals>,
}

/// What is guarded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Guarded {
    Page,
    Metrics,
}

pub(super) async fn authenticate(
    State((guard, what)): State<(Arc<Guard>, Guarded)>,
    request: Request,
    next: Next,
) -> Response {
    match guard.check(what, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(reason) => guard.refuse(reason, &request),
    }
}

impl Guard {
    /// Any of the secrets passes. If there is none, everybody does who knows the machine by a name of its own, which no
    /// web page does whose name was pointed here.
    fn check(&self, what: Guarded, headers: &HeaderMap) -> Result<(), RefusalReason> {
        let token = self.metrics_token.as_ref().filter(|_| what == Guarded::Metrics);
        let mut secrets = token.into_iter().chain(&self.password).peekable();
        if secrets.peek().is_none() {
            let is_open = what == Guarded::Page || self.access.allows(header(headers, HOST));
            return if is_open { Ok(()) } else { Err(RefusalReason::Host) };
        }
        let given = given_secret(headers);
        let matches = |secret: &Secret| given.as_ref().is_some_and(|given| secret.matches(given));
        if secrets.any(matches) { Ok(()) } else { Err(RefusalReason::AdminPassword) }
    }

    fn refuse(&self, reason: RefusalReason, request: &Request) -> Response {
        let (path, peer) = (request.uri().path(), request.extensions().get());
        let from = peer.map_or_else(String::new, |Peer(peer)| format!(" from {peer}"));
        if reason == RefusalReason::Host {
            let sentence =
                "the metrics are open, and so served under the name localhost or an IP address alone\n";
            let line =
                format_args!("a request{from} for {path} was refused: its Host is another machine's name");
            self.refusals.refuse(reason, line);
            return plain(StatusCode::FORBIDDEN, sentence);
        }
        // A browser asks without a password first.
        if request.headers().contains_key(AUTHORIZATION) {
            let line = format_args!("a request{from} for {path} was refused: the password or token is wrong");
            self.refusals.refuse(reason, line);
        }
        let challenge = [(WWW_AUTHENTICATE, "Basic realm=\"gateway\", charset=\"UTF-8\"")];
        let sentence = "give the password of GATEWAY_ADMIN_PASSWORD, with any user name\n";
        (challenge, plain(StatusCode::UNAUTHORIZED, sentence)).into_response()
    }
}

/// A bearer token, or the password of basic authentication: what stands behind the first colon.
fn given_secret(headers: &HeaderMap) -> Option<Vec<u8>> {
    let (scheme, credentials) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let credentials = credentials.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(credentials.as_bytes().to_vec());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let mut decoded = STANDARD.decode(credentials).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    Some(decoded.split_off(colon + 1))
}
