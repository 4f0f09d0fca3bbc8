//! What `admin_listen` serves: `/healthz`, `/readyz`, `/readyz/push`, `/metrics`, and whatever page is put beside them.
//!
//! `/healthz` and `/readyz` are open, because load balancers do not log in and the answers are a word. Everything else
//! needs the password if there is one, by HTTP basic authentication with any user name. The token of the metrics reads
//! `/metrics` and nothing else, as a bearer token or as such a password.

mod guard;
mod header;
pub(crate) mod page;
pub(crate) mod page_access;

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU8, Ordering},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{
        HeaderMap, StatusCode,
        header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE},
    },
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use log::warn;

pub(crate) use self::guard::Guard;
use self::guard::{Guarded, authenticate};
use crate::{
    observe::metrics::{self, Metrics},
    registry::ConnectionRegistry,
};

/// What a gateway is whose clients are welcome.
pub(crate) const READY: &str = "ready";

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

    /// Whether clients are welcome, or why they are not, in a few words.
    #[must_use]
    pub fn for_clients(&self) -> &'static str {
        match self.stage() {
            Stage::Starting => "starting",
            Stage::Ready if self.is_cut_off() => "cut off from the cluster",
            Stage::Ready => READY,
            Stage::Draining => "draining",
        }
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

/// The routes. `page` is served under the password, and looks itself at the name under which it is asked for.
pub(crate) fn router(metrics: Arc<Metrics>, readiness: Readiness, guard: Guard, page: Router) -> Router {
    let guard = Arc::new(guard);
    let guarded = |what| middleware::from_fn_with_state((Arc::clone(&guard), what), authenticate);
    let metrics =
        Router::new().route("/metrics", get(expose)).with_state(metrics).layer(guarded(Guarded::Metrics));
    Router::new()
        .route("/healthz", get(|| async { plain(StatusCode::OK, "ok\n") }))
        .route("/readyz", get(ready))
        .route("/readyz/push", get(ready_for_pushes))
        .with_state(readiness)
        .merge(metrics)
        .merge(page.layer(guarded(Guarded::Page)))
}

/// A node that Redis does not reach, or that is closing its clients, still takes pushes for those that it has.
async fn ready_for_pushes(State(readiness): State<Readiness>) -> Response {
    match readiness.stage() {
        Stage::Starting => plain(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Stage::Ready | Stage::Draining => plain(StatusCode::OK, "ready\n"),
    }
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    match readiness.for_clients() {
        READY => plain(StatusCode::OK, format!("{READY}\n")),
        other => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{other}\n")),
    }
}

/// In the format that Prometheus asks for; any other client, such as curl, gets the older one, which more tools read.
async fn expose(State(metrics): State<Arc<Metrics>>, headers: HeaderMap) -> Response {
    let format = metrics::Format::accepted(headers.get(ACCEPT).and_then(|value| value.to_str().ok()));
    match metrics.encode_as(format) {
        Ok(text) => {
            ([(CONTENT_TYPE, format.content_type()), (CACHE_CONTROL, "no-store")], text).into_response()
        }
        Err(error) => {
            warn!("the metrics cannot be written: {error}");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n")
        }
    }
}

fn plain(status: StatusCode, text: impl Into<Body>) -> Response {
    let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    (status, headers, text.into()).into_response()
}

#[cfg(test)]
mod tests;
