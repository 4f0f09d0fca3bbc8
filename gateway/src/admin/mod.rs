//! What `admin_listen` serves: `/healthz`, `/readyz`, `/metrics`, and whatever page is put beside them.
//!
//! `/healthz` and `/readyz` are open, because load balancers do not log in and the answers are a word. Everything else
//! needs the password if there is one, by HTTP basic authentication with any user name.

pub(crate) mod page;
pub(crate) mod page_access;

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU8, Ordering},
};

use axum::{
    Router,
    extract::{Request, State},
    http::{
        HeaderMap, StatusCode,
        header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE},
    },
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use log::warn;

use crate::{
    config::secret::Secret,
    observe::metrics::{self, Metrics},
    registry::ConnectionRegistry,
};

/// Whether a load balancer should send clients here; shared by all who set it and the one who shows it.
#[derive(Clone, Default)]
pub struct Readiness {
    stage: Arc<AtomicU8>,
    registry: Arc<OnceLock<Arc<dyn ConnectionRegistry>>>,
}

/// The stages of a gateway's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Not everything listens yet.
    Starting = 0,
    /// Clients are welcome.
    Ready = 1,
    /// Clients are being closed.
    Draining = 2,
}

impl Readiness {
    /// Enters a stage. A gateway that is draining does not become ready again.
    pub fn enter(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Ordering::Relaxed);
    }

    /// Clients are welcome only while this registry accepts them. The first call counts.
    pub fn depends_on(&self, registry: Arc<dyn ConnectionRegistry>) {
        self.registry.get_or_init(|| registry);
    }

    /// Whether the other nodes of a cluster do not reach this one.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        self.registry.get().is_some_and(|registry| !registry.is_joined())
    }

    /// The stage it is in.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Relaxed) {
            0 => Stage::Starting,
            1 => Stage::Ready,
            _ => Stage::Draining,
        }
    }
}

/// The routes. `page` is served under the same password.
pub fn router(metrics: Arc<Metrics>, readiness: Readiness, password: Option<Secret>, page: Router) -> Router {
    let guarded = Router::new()
        .route("/metrics", get(expose))
        .with_state(metrics)
        .merge(page)
        .layer(middleware::from_fn_with_state(password.map(Arc::new), authenticate));
    Router::new()
        .route("/healthz", get(|| async { plain(StatusCode::OK, "ok\n") }))
        .route("/readyz", get(ready))
        .with_state(readiness)
        .merge(guarded)
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    match readiness.stage() {
        Stage::Starting => plain(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Stage::Ready if readiness.is_cut_off() => {
            plain(StatusCode::SERVICE_UNAVAILABLE, "cut off from the cluster\n")
        }
        Stage::Ready => plain(StatusCode::OK, "ready\n"),
        Stage::Draining => plain(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}

async fn expose(State(metrics): State<Arc<Metrics>>) -> Response {
    match metrics.encode() {
        Ok(text) => {
            ([(CONTENT_TYPE, metrics::CONTENT_TYPE), (CACHE_CONTROL, "no-store")], text).into_response()
        }
        Err(error) => {
            warn!("the metrics cannot be written: {error}");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n")
        }
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    (status, headers, text).into_response()
}

async fn authenticate(State(password): State<Option<Arc<Secret>>>, request: Request, next: Next) -> Response {
    let passes = password.is_none_or(|password| {
        given_password(request.headers()).is_some_and(|given| password.matches(&given))
    });
    if passes {
        return next.run(request).await;
    }
    let challenge = [(WWW_AUTHENTICATE, "Basic realm=\"gateway\", charset=\"UTF-8\"")];
    (
        challenge,
        plain(StatusCode::UNAUTHORIZED, "give the password of GATEWAY_ADMIN_PASSWORD, with any user name\n"),
    )
        .into_response()
}

/// The password of basic authentication: what stands behind the first colon.
fn given_password(headers: &HeaderMap) -> Option<Vec<u8>> {
    let (scheme, credentials) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let mut decoded = STANDARD.decode(credentials.trim()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    Some(decoded.split_off(colon + 1))
}

#[cfg(test)]
mod tests;
