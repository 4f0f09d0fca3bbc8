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
pub(crate) mod deflate;
pub(crate) mod framing;
mod incoming;
mod liveness;
mod platform;
mod session;
mod socket;
mod transfers;

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use hyper::upgrade::Upgraded;
use log::{info, warn};
use tokio::{sync::oneshot, time::timeout};

pub(crate) use self::accept_key::accept_key;
use self::{
    close::close, close_reason::End, deflate::Deflate, framing::Decoder, platform::PlatformLimits,
    session::Session, socket::Socket, transfers::Transfers,
};
use crate::{
    connection::{
        cleanup::clean_up,
        clients::ConnectionSettings,
        limits::{Permits, UnfinishedShare},
    },
    observe::report::Report,
    registry::{Deliveries, Ownership, Traffic},
    server::http::{Stream, upgraded_stream},
    start::{apis::RunningApi, app::App},
};

/// A connection that the register function has accepted.
pub(crate) struct AcceptedConnection {
    pub(crate) ownership: Ownership,
    pub(crate) api: Arc<RunningApi>,
    pub(crate) deliveries: Deliveries,
    /// Of the connecting event; the log names the connection by it too.
    pub(crate) request_id: String,
    /// What applied when the client asked to connect.
    pub(crate) current: Arc<ConnectionSettings>,
    /// How the client's frames may be compressed, if that was agreed.
    pub(crate) deflate: Option<Deflate>,
    /// Held for as long as the client is connected.
    pub(crate) permits: Box<Permits>,
}

impl AcceptedConnection {
    pub(crate) fn id(&self) -> &str {
        self.ownership.id()
    }
}

/// Serves a connection in a task of its own, so that the memory of the handshake's is released.
/// The client asked for it at `asked`.
pub(crate) async fn open(app: &Arc<App>, opened: AcceptedConnection, upgraded: Upgraded, asked: Instant) {
    let Some((stream, already_received)) = upgraded_stream(upgraded) else {
        let (connection, request_id) = (opened.id(), &opened.request_id);
        warn!(
            connection, request_id;
            "{connection}: the connection was not accepted by this server (request {request_id})"
        );
        return never_began(app, opened).await;
    };
    let settings = &opened.current.settings;
    let platform = settings.web_function.as_ref().map(|web| Box::new(PlatformLimits::new(web, asked)));
    let unfinished = UnfinishedShare::new(Arc::clone(&opened.current.unfinished));
    let decoder = Decoder::new(settings.limits.frame_bytes, opened.deflate.is_some());
    let socket = Socket::new(stream, &already_received, (decoder, unfinished), platform);
    app.open.spawn(serve(Arc::clone(app), opened, socket));
}

/// Serves a connection until its end, the closing event included.
#[allow(clippy::manual_async_fn, reason = "the future of an `async fn` holds its arguments twice")]
fn serve(
    app: Arc<App>,
    opened: AcceptedConnection,
    mut socket: Socket<Stream>,
) -> impl Future<Output = ()> + Send {
    async move {
        let held = AtomicBool::new(false);
        let mut session = Session::new(&opened, &mut socket);
        let end = session.run(&held, &app.drain).await;
        let transfers = session.into_transfers();
        Box::pin(finish(&app, &opened, socket, transfers, end)).await;
    }
}

/// Closes the connection, runs what its client had sent, and calls the cleanup function.
async fn finish(
    app: &App,
    opened: &AcceptedConnection,
    socket: Socket<Stream>,
    transfers: Transfers<'_>,
    end: End,
) {
    let AcceptedConnection { ownership, api, deliveries, request_id, current, .. } = opened;
    let id = ownership.id();
    ownership.seal();
    report_closed(app, api, (id, request_id), deliveries, &end);
    let (cleaned, is_cleaned) = oneshot::channel::<()>();
    let closed = async {
        // With its last connection the instance of a web function may be frozen, in the middle of a cleanup too.
        if let Some(web) = &current.settings.web_function {
            let _ = timeout(web.cleanup_time(), is_cleaned).await;
        }
        close(socket, deliveries, &end, (id, &current.settings)).await;
        // What the functions still do for the client does not count towards its limits.
        opened.permits.release();
    };
    let finished = async {
        if !end.reason.is_failed_transfer() {
            transfers.finish(end.reason.runs_the_rest()).await;
        }
        if let Some(due) = ownership.end().await {
            clean_up(&app.cleanups, api, due).await;
        }
        drop(cleaned);
    };
    tokio::join!(closed, finished);
}

/// The client was gone before its connection became a WebSocket; the register function had accepted it.
pub(crate) async fn never_began(app: &App, opened: AcceptedConnection) {
    let names = (opened.id(), opened.request_id.as_str());
    report_closed(app, &opened.api, names, &opened.deliveries, &End::never_opened());
    opened.permits.release();
    if let Some(due) = opened.ownership.end().await {
        clean_up(&app.cleanups, &opened.api, due).await;
    }
}

/// One line says all of a connection that has ended. What is still sent with the close frame is not in it.
fn report_closed(
    app: &App,
    api: &RunningApi,
    (connection, request_id): (&str, &str),
    deliveries: &Deliveries,
    end: &End,
) {
    let info = deliveries.info();
    let traffic = info.traffic.unwrap_or_default();
    let (path, address, ms) = (&*info.path, info.source_ip, info.age_ms());
    let (reason, code) = (end.reason.name(), end.logged_code());
    let Traffic { frames_in, bytes_in, frames_out, bytes_out, .. } = traffic;
    info!(
        connection, request_id, reason, code, address:%, path, ms, frames_in, bytes_in, frames_out, bytes_out;
        "{connection} {end} (request {request_id}): from {address} on {path} for {:.1} s, {traffic}",
        Duration::from_millis(ms).as_secs_f64()
    );
    api.metrics.closed(end.reason);
    if let Some(limit) = end.limit {
        app.clients.metrics.limit_hit(limit);
    }
    app.reports.report(|| Report::ConnectionClosed { connection, path, reason, message: end.sentence() });
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
