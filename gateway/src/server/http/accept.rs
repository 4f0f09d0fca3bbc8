//! Accepts connections, counts them, and refuses those that are too many.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::http::StatusCode;
use log::{Level, debug, info, warn};
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::{either::Either, sync::CancellationToken};

use super::{
    Activity, Answering, PROGRESS_TIMEOUT, ServerKind, stream::ExpectedPeers, write_limit::WriteLimit,
};
use crate::{
    connection::{
        clients::Clients,
        limits::{Limit, Listener, Permit},
    },
    contract::Status,
    server::transport::ReadyConnection,
};

/// How long accepting pauses after an error, as when the process is out of file descriptors. The connections that ask
/// meanwhile wait in the operating system's queue.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long a peer that is refused may take to read why. A connection that is closed earlier may be reset, and the reason
/// lost.
const LINGER: Duration = Duration::from_secs(1);
/// What is read and discarded of a request that is refused unread.
const UNREAD_BYTES: usize = 4096;

pub(super) async fn accept(
    listener: TcpListener,
    answering: Answering,
    kind: ServerKind,
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
                    begin(&mut connections, stream, peer, &answering, &kind);
                }
                Err(error) => {
                    if !std::mem::replace(&mut is_failing, true) {
                        warn!(
                            "cannot accept a connection: {error}; if too many files are open, raise `ulimit -n`"
                        );
                    }
                    if let ServerKind::Public(_, clients) = &kind {
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

fn begin(
    connections: &mut JoinSet<()>,
    stream: TcpStream,
    peer: SocketAddr,
    answering: &Answering,
    kind: &ServerKind,
) {
    // Without it a short answer may wait 40 ms for the peer's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        debug!("TCP_NODELAY for {peer}: {error}");
    }
    let answering = answering.clone();
    let (listener, clients) = match kind {
        ServerKind::Functions => {
            return spawn_plain(connections, stream, peer, answering, ExpectedPeers::Functions, None);
        }
        ServerKind::Private => {
            return spawn_plain(connections, stream, peer, answering, ExpectedPeers::Clients, None);
        }
        ServerKind::Public(listener, clients) => (*listener, clients),
    };
    match (clients.accept(listener, peer.ip()), listener) {
        (Ok(permit), Listener::Clients) => {
            let clients = Arc::clone(clients);
            spawn(connections, serve_client(stream, peer, answering, clients, permit));
        }
        (Ok(permit), Listener::Pushes | Listener::Operators) => {
            spawn_plain(connections, stream, peer, answering, ExpectedPeers::Clients, Some(permit));
        }
        (Err(limit), _) => {
            let is_plain = listener != Listener::Clients || !clients.has_tls();
            if let Some(lingering) =
                refuse(&stream, peer, limit, clients, is_plain).then(|| clients.tcp.linger()).flatten()
            {
                spawn(connections, async move {
                    linger(stream).await;
                    drop(lingering);
                });
            }
        }
    }
}

fn spawn_plain(
    connections: &mut JoinSet<()>,
    stream: TcpStream,
    peer: SocketAddr,
    answering: Answering,
    peers: ExpectedPeers,
    permit: Option<Permit>,
) {
    let stream = Either::Left(WriteLimit::new(stream, PROGRESS_TIMEOUT, permit));
    let activity = Activity::new(peers, PROGRESS_TIMEOUT);
    spawn(connections, answering.answer(ReadyConnection { stream, peer }, activity));
}

/// Boxed, since a task moves its future ten times from its start to its end, and this one has 5 kB.
fn spawn(connections: &mut JoinSet<()>, connection: impl Future<Output = ()> + Send + 'static) {
    connections.spawn(Box::pin(connection));
}

/// Serves a connection of a client, which may begin with a proxy's header and TLS.
async fn serve_client(
    mut stream: TcpStream,
    accepted_from: SocketAddr,
    answering: Answering,
    clients: Arc<Clients>,
    mut permit: Permit,
) {
    let current = clients.current();
    let timeouts = &current.settings.timeouts;
    let activity = Activity::new(ExpectedPeers::Clients, timeouts.request_head);
    let opened = async {
        let peer = current.transport.peer(&mut stream, accepted_from).await?;
        if peer != accepted_from
            && let Err(limit) = clients.assign(&mut permit, peer.ip())
        {
            if refuse(&stream, peer, limit, &clients, !clients.has_tls()) {
                linger(stream).await;
            }
            return Ok(None);
        }
        let stream = WriteLimit::new(stream, timeouts.send, Some(permit));
        current.transport.secure(stream, peer).await.map(Some)
    };
    match opened.await {
        Ok(Some(opened)) => answering.answer(opened, activity).await,
        Ok(None) => {}
        Err(error) => {
            let line = format_args!("a connection from {accepted_from} was refused: {error}");
            match error.reason() {
                Some(reason) => clients.refusals.refuse(reason, line),
                None => debug!("{line}"),
            }
        }
    }
}

/// Answers a connection that is one too many, before it has asked for anything, and closes it for writing. Whether there
/// was an answer: TLS would have to come first, and takes long.
fn refuse(stream: &TcpStream, peer: SocketAddr, limit: Limit, clients: &Clients, is_plain: bool) -> bool {
    let setting = match limit {
        Limit::OpenFiles(_) => "the limit of open files".to_owned(),
        _ => format!("limits.{}", limit.key()),
    };
    let line = format_args!("a connection from {peer} was refused with 503: {limit} ({setting})");
    clients.log_limit(limit).log(Level::Info, None, line);
    if !is_plain {
        return false;
    }
    let code = StatusCode::SERVICE_UNAVAILABLE;
    let body = Status::refused(code.as_u16().into(), limit.to_string()).to_json();
    let answer = format!(
        "HTTP/1.1 {code}\r\ncontent-type: application/json\r\nretry-after: 1\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    // Nothing has been sent, so that there is room for it at once. What has come already must not cause a reset.
    let sent = send(stream, answer.as_bytes(), SendFlags::DONTWAIT);
    let _ = recv(stream, &mut [0; UNREAD_BYTES], RecvFlags::DONTWAIT);
    sent.is_ok() && shutdown(stream, Shutdown::Write).is_ok()
}

/// Reads until the peer has closed, too, or time is up.
async fn linger(mut stream: TcpStream) {
    let mut unread = [0; UNREAD_BYTES];
    let _ =
        timeout(LINGER, async { while stream.read(&mut unread).await.is_ok_and(|count| count > 0) {} }).await;
}
