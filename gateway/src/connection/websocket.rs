//! An open connection: frames in to the transfer function, pushes out to the client, and one close.
//!
//! Each connection is one task, which serves it until an [`End`] is found: the [`Session`]'s reader makes events of the
//! client's frames, its transfers carry them out one after the other, its writer sends what is pushed, its heartbeat
//! looks for silence. Pushes never wait for the client: a full send queue is an end too. Then the client gets its close
//! frame, the frames that it had sent before are still carried out, and the cleanup function is called: exactly once,
//! unless a function itself has closed the connection.
//!
//! There are many idle connections, so that the task is small: what is only needed while something happens is allocated
//! then, and nothing is left of the handshake.

mod accept_key;
mod close;
pub(crate) mod close_reason;
pub(crate) mod framing;
mod incoming;
mod liveness;
mod session;
mod socket;
mod transfers;

use std::sync::{Arc, atomic::AtomicBool};

use hyper::upgrade::Upgraded;
use log::{info, warn};

pub(crate) use self::accept_key::accept_key;
pub use self::close_reason::CloseReason;
use self::{close::close, close_reason::End, session::Session, socket::Socket, transfers::Transfers};
use crate::{
    connection::{cleanup::Holding, clients::Current, limits::Permit},
    observe::report::Report,
    registry::Deliveries,
    server::http::{Stream, upgraded_stream},
    start::{apis::RunningApi, app::App},
};

/// A connection that the register function has accepted.
pub(crate) struct Opened {
    pub(crate) id: String,
    pub(crate) api: Arc<RunningApi>,
    pub(crate) deliveries: Deliveries,
    /// Of the connecting event; the log names the connection by it too.
    pub(crate) request_id: String,
    /// What applied when the client asked to connect.
    pub(crate) current: Arc<Current>,
    /// Whether the connection is this node's.
    pub(crate) holding: Holding,
    /// Held for as long as the connection counts.
    pub(crate) permit: Permit,
}

/// Serves a connection in a task of its own, so that the memory of the handshake's is released.
pub(crate) async fn open(app: &Arc<App>, opened: Opened, upgraded: Upgraded) {
    let Some((stream, already_received)) = upgraded_stream(upgraded) else {
        let (connection, request_id) = (&opened.id, &opened.request_id);
        warn!(
            connection, request_id;
            "{connection}: the connection was not accepted by this server (request {request_id})"
        );
        return never_began(app, opened).await;
    };
    let frame_bytes = opened.current.settings.limits.frame_bytes;
    let socket = Socket::new(stream, &already_received, frame_bytes);
    app.open.spawn(serve(Arc::clone(app), opened, socket));
}

/// Serves a connection until its end, the closing event included.
#[allow(clippy::manual_async_fn, reason = "the future of an `async fn` holds its arguments twice")]
fn serve(app: Arc<App>, opened: Opened, mut socket: Socket<Stream>) -> impl Future<Output = ()> + Send {
    async move {
        let held = AtomicBool::new(false);
        let mut session = Session::new(&opened, &mut socket);
        let end = session.run(&held, &app.drain).await;
        let transfers = session.into_transfers();
        Box::pin(finish(&app, &opened, socket, transfers, end)).await;
        drop(opened.permit);
    }
}

/// Removes the connection, closes it, and carries out what its client had sent.
async fn finish(app: &App, opened: &Opened, socket: Socket<Stream>, transfers: Transfers<'_>, end: End) {
    let Opened { id, api, deliveries, request_id, current, .. } = opened;
    let left =
        removed(app, (id, request_id), deliveries).await && end.reason != CloseReason::ClosedByFunction;
    report_closed(app, api, (id, request_id), deliveries.path(), &end);
    let carried_out = async {
        if !end.reason.is_failed_transfer() {
            transfers.finish(end.reason.carries_out_the_rest()).await;
        }
        clean_up(app, api, id, left).await;
    };
    tokio::join!(close(socket, deliveries, &end, (id, current.settings.timeouts.close)), carried_out);
}

/// The client was gone before its connection became a WebSocket; the register function had accepted it.
pub(crate) async fn never_began(app: &App, opened: Opened) {
    let names = (opened.id.as_str(), opened.request_id.as_str());
    report_closed(app, &opened.api, names, opened.deliveries.path(), &End::never_opened());
    let left = removed(app, names, &opened.deliveries).await;
    clean_up(app, &opened.api, &opened.id, left).await;
}

/// Calls the cleanup function for a client that left, unless another node has taken its connection over. To know that
/// may take a while: the client's close frame does not wait for it.
async fn clean_up(app: &App, api: &RunningApi, id: &str, left: bool) {
    if left && app.is_cleanup_due(id).await {
        app.clean_up(api, id).await;
    } else {
        app.finished(id);
    }
}

/// Removes the connection from the registry. Whether its client left; `false` if a function closed it.
async fn removed(app: &App, (id, request_id): (&str, &str), deliveries: &Deliveries) -> bool {
    app.registry.remove(id).await.unwrap_or_else(|error| {
        warn!(connection = id, request_id; "{id} has ended and may still be registered: {error} (request {request_id})");
        !deliveries.closed_by_function()
    })
}

fn report_closed(app: &App, api: &RunningApi, (id, request_id): (&str, &str), path: &str, end: &End) {
    info!(connection = id, request_id; "{id} {end} (request {request_id})");
    api.metrics.closed(end.reason);
    if let Some(limit) = end.limit {
        app.clients.metrics.limit_hit(limit);
    }
    let reason = end.reason.name();
    app.reports.report(|| Report::ConnectionClosed { connection: id, path, reason, message: end.sentence() });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of the futures that this function returns.
    fn future_bytes<A, B, C, F: Future>(_: impl FnOnce(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    /// Most of an idle connection's memory is its task. What makes it grow is allocated when it is needed instead.
    #[test]
    fn an_open_connection_is_small() {
        let bytes = future_bytes(serve);
        assert!(bytes <= MAX_CONNECTION_BYTES, "the future of an open connection has {bytes} bytes");
    }

    const MAX_CONNECTION_BYTES: usize = 1024;
}
