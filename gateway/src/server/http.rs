//! The HTTP/1.1 server under every address that the gateway listens on: clients, reverse push, runtime APIs.
//!
//! [`Server::start`] takes a listener and a router and returns a server, which knows its address ([`Server::addr`]).
//! Dropping it closes the address and every connection that has not become a WebSocket. Handlers of the router find the
//! peer's address in the request extension [`Peer`]. Requests that are made for every frame bypass the router: a `Handler`
//! answers them.
//!
//! Default time limits: 10 s for a request's head, 30 s for its body, and 10 s without progress for the body and for
//! writing the response. Between requests a connection of [`Server::start`] may idle forever, one of `start_public` for
//! at most 75 s.

mod accept;
mod body;
mod handler;
mod stream;
mod write_limit;

use std::{io, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::Request,
    http::{
        HeaderValue, StatusCode,
        header::{CONNECTION, RETRY_AFTER},
    },
};
use bytes::Bytes;
use futures_util::future::{FutureExt as _, ready};
use hyper::{body::Incoming, server::conn::http1, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use log::debug;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use self::{body::unknown_coding, write_limit::WriteLimit};
pub(crate) use self::{
    body::{BodyError, read_body},
    handler::{Handler, HttpConnection, Routed},
    stream::{Activity, LimitedStream, PROGRESS_TIMEOUT},
};
pub use super::client_address::Peer;
use crate::{
    connection::{clients::Clients, limits::Listener},
    server::transport::{HttpStream, ReadyConnection},
};

/// The default `Retry-After` of a 503, in seconds.
const SOON: HeaderValue = HeaderValue::from_static("1");

/// The largest head of a request, and the largest part of its body that is read at once. With hyper's own limit of
/// 400 kB, a single address with a thousand connections could fill the memory.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// The stream of a connection, with or without TLS, whose writes must make progress.
pub(crate) type Stream = HttpStream<WriteLimit<TcpStream>>;

/// How header names, which are case-insensitive, are written on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HeaderCase {
    /// `request_id`
    #[default]
    Lower,
    /// `Request_id`: the first letter and each letter after a hyphen in upper case.
    Title,
}

/// Whose connections a server accepts.
enum ServerKind {
    /// Functions that this process has started, each at an address of its own.
    Functions,
    /// Another process on this machine.
    Private,
    /// Anyone who can reach the address; connections are counted.
    Public(Listener, Arc<Clients>),
}

/// How requests are answered.
#[derive(Clone)]
struct Answering {
    handler: Arc<dyn Handler>,
    case: HeaderCase,
    /// Cancelled when another process accepts in place of this one.
    handed_over: CancellationToken,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    /// Cancelled when another process accepts in place of this one.
    handed_over: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves the router to functions.
    pub fn start(listener: TcpListener, router: Router, case: HeaderCase) -> io::Result<Self> {
        Self::start_for(listener, Routed::handler(router), case, ServerKind::Functions)
    }

    /// Serves the handler to functions.
    pub(crate) fn start_handler(
        listener: TcpListener,
        handler: Arc<dyn Handler>,
        case: HeaderCase,
    ) -> io::Result<Self> {
        Self::start_for(listener, handler, case, ServerKind::Functions)
    }

    /// Serves the handler to another process on this machine, which pushes.
    pub(crate) fn start_private(listener: TcpListener, handler: Arc<dyn Handler>) -> io::Result<Self> {
        Self::start_for(listener, handler, HeaderCase::Lower, ServerKind::Private)
    }

    /// Serves the handler to anyone who can reach the address.
    pub(crate) fn start_public(
        listener: TcpListener,
        handler: Arc<dyn Handler>,
        of: Listener,
        clients: &Arc<Clients>,
    ) -> io::Result<Self> {
        Self::start_for(listener, handler, HeaderCase::Lower, ServerKind::Public(of, Arc::clone(clients)))
    }

    fn start_for(
        listener: TcpListener,
        handler: Arc<dyn Handler>,
        case: HeaderCase,
        kind: ServerKind,
    ) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        let handed_over = CancellationToken::new();
        let answering = Answering { handler, case, handed_over: handed_over.clone() };
        let task = tokio::spawn(accept::accept(listener, answering, kind, handed_over.clone()));
        Ok(Self { addr, handed_over, task })
    }

    /// Stops accepting connections. Open connections stay, and each is closed after its next answer.
    pub(crate) fn hand_over(&self) {
        self.handed_over.cancel();
    }

    /// After [`Server::hand_over`]: waits until all connections that are not `WebSockets` are closed.
    pub(crate) async fn last_request(&mut self) {
        // If the accepting task panicked, it has no connections left either.
        let _ = (&mut self.task).await;
    }

    /// The address on which it listens, with the actual port.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Answering {
    async fn answer(
        self,
        ReadyConnection { stream, peer }: ReadyConnection<WriteLimit<TcpStream>>,
        activity: Arc<Activity>,
    ) {
        let Self { handler, case, handed_over } = self;
        let stream = LimitedStream::new(stream, Arc::clone(&activity));
        let connection = HttpConnection { peer, activity };
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            connection.activity.serving();
            let response = match unknown_coding(request.headers()) {
                Some(refusal) => ready(refusal).boxed(),
                None => handler.handle(request, &connection),
            };
            let (activity, handed_over) = (Arc::clone(&connection.activity), handed_over.clone());
            async move {
                let mut response = response.await;
                // A handler that knows a better time has set the header.
                if response.status() == StatusCode::SERVICE_UNAVAILABLE {
                    response.headers_mut().entry(RETRY_AFTER).or_insert(SOON);
                }
                if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                    activity.answered();
                    if handed_over.is_cancelled() {
                        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                    }
                }
                Ok::<_, std::convert::Infallible>(response)
            }
        });
        let served = http1::Builder::new()
            .max_buf_size(MAX_HEAD_BYTES)
            .title_case_headers(case == HeaderCase::Title)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        if let Err(error) = served.await {
            debug!("connection from {peer} ended: {error}");
        }
    }
}

/// The stream of an upgraded connection, and the bytes that the peer sent after its request.
pub(crate) fn upgraded_stream(upgraded: Upgraded) -> Option<(Stream, Bytes)> {
    let parts = upgraded.downcast::<TokioIo<LimitedStream<Stream>>>().ok()?;
    Some((parts.io.into_inner().into_inner(), parts.read_buf))
}
