//! What answers the requests of a server.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, extract::Request, response::Response};
use futures_util::future::BoxFuture;
use hyper::{body::Incoming, service::Service as _};
use hyper_util::service::TowerToHyperService;

use super::{Activity, Peer};

/// The connection on which a request came.
pub(crate) struct HttpConnection {
    pub(crate) peer: SocketAddr,
    pub(crate) activity: Arc<Activity>,
}

/// Answers requests. A router does it for many paths; a handler of its own costs a request less.
pub(crate) trait Handler: Send + Sync {
    fn handle(&self, request: Request<Incoming>, connection: &HttpConnection)
    -> BoxFuture<'static, Response>;
}

/// The handler that a router is.
pub(crate) struct Routed(TowerToHyperService<Router>);

impl Routed {
    pub(crate) fn handler(router: Router) -> Arc<dyn Handler> {
        Arc::new(Self(TowerToHyperService::new(router)))
    }
}

impl Handler for Routed {
    fn handle(
        &self,
        mut request: Request<Incoming>,
        connection: &HttpConnection,
    ) -> BoxFuture<'static, Response> {
        request.extensions_mut().insert(Peer(connection.peer));
        request.extensions_mut().insert(Arc::clone(&connection.activity));
        let answered = self.0.call(request);
        Box::pin(async move {
            match answered.await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        })
    }
}
