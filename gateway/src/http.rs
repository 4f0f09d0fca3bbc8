//! The HTTP/1.1 server under every address that the gateway listens on: clients, reverse push, runtime APIs.
//!
//! [`Server::start`] with a listener and a router → [`Server::addr`] → dropped, it closes its address and
//! every connection that has not become a WebSocket. Handlers find the peer's address as a request extension, [`Peer`].

use std::{io, net::SocketAddr, time::Duration};

use axum::{Router, body::Body, extract::Request};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use hyper::{body::Incoming, server::conn::http1, service::Service as _};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use log::{debug, warn};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

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

/// A running server.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Answers requests with the router.
    pub fn start(listener: TcpListener, router: Router, case: HeaderCase) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, router, case));
        Ok(Self { addr, task })
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

async fn accept(listener: TcpListener, router: Router, case: HeaderCase) {
    // Owned by this task, so that the connections end with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => { connections.spawn(serve(stream, peer, router.clone(), case)); }
                Err(error) => {
                    warn!("could not accept a connection ({error}); if files ran out, raise `ulimit -n`");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, router: Router, case: HeaderCase) {
    // Without it a short answer may wait 40 ms for the peer's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        debug!("TCP_NODELAY for {peer}: {error}");
    }
    let router = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        router.call(request)
    });
    let served = http1::Builder::new()
        .title_case_headers(case == HeaderCase::Title)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    if let Err(error) = served.await {
        debug!("connection from {peer} ended: {error}");
    }
}

/// Why a request's body could not be had.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// It has more bytes than allowed.
    TooLarge,
    /// It ended before its announced length, or the line was cut.
    Cut(axum::Error),
}

/// Reads a body of at most `limit_bytes`. More than that is read and thrown away up to four times the limit, because a
/// peer that is still sending would see a broken line instead of the refusal.
pub(crate) async fn read_body(body: Body, limit_bytes: usize) -> Result<Bytes, BodyError> {
    let mut stream = body.into_data_stream();
    let Some(first) = stream.next().await else { return Ok(Bytes::new()) };
    let first = first.map_err(BodyError::Cut)?;
    let mut seen_bytes = first.len();
    let mut rest: Option<BytesMut> = None;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(BodyError::Cut)?;
        seen_bytes += chunk.len();
        if seen_bytes <= limit_bytes {
            rest.get_or_insert_with(|| BytesMut::from(&first[..])).extend_from_slice(&chunk);
        } else if seen_bytes > limit_bytes.saturating_mul(4) {
            break;
        }
    }
    if seen_bytes > limit_bytes {
        return Err(BodyError::TooLarge);
    }
    Ok(rest.map_or(first, BytesMut::freeze))
}
