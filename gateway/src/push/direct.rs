//! The push address in front of a server's other paths: a push is a request for every frame, and needs no router.

use std::sync::Arc;

use axum::{extract::Request, http::header::UPGRADE, response::Response};
use futures_util::future::{BoxFuture, FutureExt as _, ready};
use hyper::body::Incoming;

use super::{
    PushAddress,
    address::{PREFIX, Tokens},
};
use crate::server::http::{Handler, HttpConnection};

/// Answers what goes to the push address, and leaves every other request to `rest`.
pub(crate) struct Direct {
    pub(crate) tokens: Tokens,
    pub(crate) address: Arc<PushAddress>,
    pub(crate) rest: Arc<dyn Handler>,
}

impl Handler for Direct {
    /// The body of a request is read only if it goes to the push address.
    fn handle(
        &self,
        request: Request<Incoming>,
        connection: &HttpConnection,
    ) -> BoxFuture<'static, Response> {
        let path = request.uri().path();
        if self.tokens.accept(path) {
            let (address, activity) = (Arc::clone(&self.address), Arc::clone(&connection.activity));
            return Box::pin(async move { address.answer(request, Some(&activity)).await });
        }
        // An API may have such a path, too.
        if path.starts_with(PREFIX) && !request.headers().contains_key(UPGRADE) {
            return ready(self.address.misdirected(connection.peer)).boxed();
        }
        self.rest.handle(request, connection)
    }
}
