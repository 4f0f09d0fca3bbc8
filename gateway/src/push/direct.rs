//! The push address in front of a server's other paths: a push is a request for every frame, and needs no router.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{Request, State},
    http::Method,
    response::Response,
};
use futures_util::future::BoxFuture;
use hyper::body::Incoming;

use super::{PushAddress, push};
use crate::server::http::{Connection, Handler};

/// Answers pushes, and leaves every other request to `rest`, which answers other methods at the push address too.
pub(crate) struct Direct {
    pub(crate) path: String,
    pub(crate) address: Arc<PushAddress>,
    pub(crate) rest: Arc<dyn Handler>,
}

impl Handler for Direct {
    fn handle(&self, request: Request<Incoming>, connection: &Connection) -> BoxFuture<'static, Response> {
        if request.method() != Method::POST || request.uri().path() != self.path {
            return self.rest.handle(request, connection);
        }
        let (address, activity) = (Arc::clone(&self.address), Arc::clone(&connection.activity));
        let (head, body) = request.into_parts();
        Box::pin(push(State(address), Some(Extension(activity)), head.uri, head.headers, Body::new(body)))
    }
}
