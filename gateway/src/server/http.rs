//! The HTTP/1.1 server under every address that the gateway listens on: clients, reverse push, runtime APIs.
//!
//! [`Server::start`] with a listener and a router → [`Server::addr`] → dropped, it closes its address and
//! every connection that has not become a WebSocket. A router's handlers find the peer's address as a request extension,
//! [`Peer`]. What is asked for with every frame is answered by a `Handler` without a router.
//!
//! Time limits, unless clients have others: 10 s for a request's head, 10 s without progress for its body and for writing
//! the response. Between
//! requests a connection of [`Server::start`] may idle without limit, one of `start_public` for 75 s at most.

mod handler;
mod stream;
mod write_limit;

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    BoxError, Router,
    extract::Request,
    http::{
        HeaderValue, StatusCode,
        header::{CONNECTION, RETRY_AFTER},
    },
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::{
    body::{Body, Incoming},
    server::conn::http1,
    upgrade::Upgraded,
};
use hyper_util::rt::TokioIo;
use log::{debug, info, warn};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use tokio_util::{either::Either, sync::CancellationToken};

pub(crate) use self::{
    handler::{Connection, Handler, Routed},
    stream::{Activity, LimitedStream, PROGRESS_TIMEOUT},
};
use self::{stream::Peers, write_limit::WriteLimit};
use crate::{
    connection::clients::Clients,
    server::transport::{HttpStream, Opened, TransportError},
};

/// How long accepting pauses after an error, as when the process is out of file descriptors. The connections that ask
/// meanwhile wait in the operating system's queue.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// After how many seconds a client that was refused with 503 may try again, unless the answer names another time.
const SOON: HeaderValue = HeaderValue::from_static("1");

/// A request's head, and what is read of its body at once. hyper's own limit of 400 kB would let a single address with
/// a thousand connections fill the memory.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// The stream of a connection, of whatever kind, on which a write must make progress.
pub(crate) type Stream = HttpStream<WriteLimit<TcpStream>>;

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// How header names are written on the wire; their meaning never depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HeaderCase {
    /// `request_id`
    #[default]
    Lower,
    /// `Request_id`: the first letter, and each after a hyphen, in upper case.
    Title,
}

/// Whose connections a server accepts.
#[derive(Clone)]
enum Kind {
    /// Those of functions.
    Functions,
    /// Those of operators, as browsers and monitoring open them.
    Operators,
    /// Those of clients.
    Clients(Arc<Clients>),
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
    /// Answers requests of functions with the router.
    pub fn start(listener: TcpListener, router: Router, case: HeaderCase) -> io::Result<Self> {
        Self::start_for(listener, Routed::handler(router), case, Kind::Functions)
    }

    /// Answers requests of functions with the handler.
    pub(crate) fn start_handler(
        listener: TcpListener,
        handler: Arc<dyn Handler>,
        case: HeaderCase,
    ) -> io::Result<Self> {
        Self::start_for(listener, handler, case, Kind::Functions)
    }

    /// Answers requests of operators with the router.
    pub(crate) fn start_for_operators(listener: TcpListener, router: Router) -> io::Result<Self> {
        Self::start_for(listener, Routed::handler(router), HeaderCase::Lower, Kind::Operators)
    }

    /// Answers requests of clients with the handler.
    pub(crate) fn start_for_clients(
        listener: TcpListener,
        handler: Arc<dyn Handler>,
        clients: Arc<Clients>,
    ) -> io::Result<Self> {
        Self::start_for(listener, handler, HeaderCase::Lower, Kind::Clients(clients))
    }

    fn start_for(
        listener: TcpListener,
        handler: Arc<dyn Handler>,
        case: HeaderCase,
        kind: Kind,
    ) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        let handed_over = CancellationToken::new();
        let task = tokio::spawn(accept(listener, handler, case, kind, handed_over.clone()));
        Ok(Self { addr, handed_over, task })
    }

    /// Accepts nobody any more. Connections that are open stay, and each is closed after its next answer.
    pub(crate) fn hand_over(&self) {
        self.handed_over.cancel();
    }

    /// Waits until no connection is left but those that have become `WebSockets`, after [`Server::hand_over`].
    pub(crate) async fn last_request(&mut self) {
        // An accepting task that panicked has no connection either.
        let _ = (&mut self.task).await;
    }

    /// The address that it listens on, with the port that it really got.
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

async fn accept(
    listener: TcpListener,
    handler: Arc<dyn Handler>,
    case: HeaderCase,
    kind: Kind,
    handed_over: CancellationToken,
) {
    // Owned by this task, so that the connections end with it.
    let mut connections = JoinSet::new();
    let mut is_failing = false;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    if std::mem::take(&mut is_failing) {
                        info!("connections are accepted again");
                    }
                    let (handler, kind) = (Arc::clone(&handler), kind.clone());
                    connections.spawn(serve(stream, peer, handler, case, kind, handed_over.clone()));
                }
                Err(error) => {
                    if !std::mem::replace(&mut is_failing, true) {
                        warn!(
                            "cannot accept a connection: {error}; if too many files are open, raise `ulimit -n`"
                        );
                    }
                    if let Kind::Clients(clients) = &kind {
                        clients.metrics.accept_error();
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
            () = handed_over.cancelled() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Serves a connection, which may begin with a proxy's header and TLS if it is a client's.
async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    handler: Arc<dyn Handler>,
    case: HeaderCase,
    kind: Kind,
    handed_over: CancellationToken,
) {
    // Without it a short answer may wait 40 ms for the peer's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        debug!("TCP_NODELAY for {peer}: {error}");
    }
    let Kind::Clients(clients) = kind else {
        let peers = if matches!(kind, Kind::Functions) { Peers::Functions } else { Peers::Clients };
        let activity = Activity::new(peers, PROGRESS_TIMEOUT);
        let stream = Either::Left(WriteLimit::new(stream, PROGRESS_TIMEOUT));
        return answer(Opened { stream, peer }, activity, handler, case, handed_over).await;
    };
    let current = clients.current();
    let timeouts = &current.settings.timeouts;
    let activity = Activity::new(Peers::Clients, timeouts.request_head);
    match current.transport.open(WriteLimit::new(stream, timeouts.send), peer).await {
        Ok(opened) => answer(opened, activity, handler, case, handed_over).await,
        Err(error @ (TransportError::ProxyProtocol(_) | TransportError::ProxyProtocolTimeout(_))) => {
            info!("a connection from {peer} was refused: {error}");
        }
        Err(error) => debug!("a connection from {peer} was refused: {error}"),
    }
}

async fn answer(
    Opened { stream, peer }: Opened<WriteLimit<TcpStream>>,
    activity: Arc<Activity>,
    handler: Arc<dyn Handler>,
    case: HeaderCase,
    handed_over: CancellationToken,
) {
    let stream = LimitedStream::new(stream, Arc::clone(&activity));
    let connection = Connection { peer, activity };
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        connection.activity.serving();
        let (activity, response) = (Arc::clone(&connection.activity), handler.handle(request, &connection));
        let handed_over = handed_over.clone();
        async move {
            let mut response = response.await;
            // Whoever says 503 says when to try again, if it knows better than soon.
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

/// The stream of a connection that has been upgraded, and what the peer sent behind its request.
pub(crate) fn upgraded_stream(upgraded: Upgraded) -> Option<(Stream, Bytes)> {
    let parts = upgraded.downcast::<TokioIo<LimitedStream<Stream>>>().ok()?;
    Some((parts.io.into_inner().into_inner(), parts.read_buf))
}

/// Why a request's body could not be read.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// It has more bytes than allowed.
    TooLarge { limit_bytes: usize },
    /// It ended before its announced length, or the connection was lost.
    Cut(axum::Error),
    /// No progress for [`PROGRESS_TIMEOUT`].
    Stalled,
}

impl BodyError {
    /// The status to answer with.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Cut(_) => StatusCode::BAD_REQUEST,
            Self::Stalled => StatusCode::REQUEST_TIMEOUT,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit_bytes } => {
                write!(formatter, "the body is larger than {limit_bytes} bytes ({} MB)", limit_bytes >> 20)
            }
            Self::Cut(error) => write!(formatter, "the body was cut: {error}"),
            Self::Stalled => {
                write!(formatter, "the body did not arrive: nothing came for {PROGRESS_TIMEOUT:?}")
            }
        }
    }
}

/// Reads a body of at most `limit_bytes`. A larger one is read and discarded up to four times the limit, because a peer
/// that is still sending would see a connection reset instead of the refusal.
pub(crate) async fn read_body<B>(mut body: B, limit_bytes: usize) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let Some(first) = next_chunk(&mut body).await? else { return Ok(Bytes::new()) };
    let mut seen_bytes = first.len();
    let mut rest: Option<BytesMut> = None;
    while let Some(chunk) = next_chunk(&mut body).await? {
        seen_bytes += chunk.len();
        if seen_bytes <= limit_bytes {
            rest.get_or_insert_with(|| BytesMut::from(&first[..])).extend_from_slice(&chunk);
        } else if seen_bytes > limit_bytes.saturating_mul(4) {
            break;
        }
    }
    if seen_bytes > limit_bytes {
        return Err(BodyError::TooLarge { limit_bytes });
    }
    Ok(rest.map_or(first, BytesMut::freeze))
}

async fn next_chunk<B>(body: &mut B) -> Result<Option<Bytes>, BodyError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    while !body.is_end_stream() {
        let frame = timeout(PROGRESS_TIMEOUT, body.frame()).await.map_err(|_| BodyError::Stalled)?;
        let Some(frame) = frame else { break };
        // What is no data is a trailer, which no request needs.
        if let Ok(data) = frame.map_err(|error| BodyError::Cut(axum::Error::new(error)))?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}
