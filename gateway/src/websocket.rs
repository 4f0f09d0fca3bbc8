//! An open connection: frames in to the transfer function, pushes out to the client, and one close.
//!
//! Each connection is one task. In it four things go on side by side until the first of them finds an [`End`]: the
//! reader puts events into a bounded queue, the transfers carry them out one after the other, the writer sends what is
//! pushed, the heartbeat looks for silence. Pushes never wait for the client: a full send queue is an end too. Then the
//! client gets its close frame, the frames that it had sent before are still carried out, and the cleanup function is
//! called: exactly once, unless a function itself has closed the connection.

mod close;
pub(crate) mod close_reason;
mod liveness;
mod reader;
mod socket;
mod writer;

use std::{
    future::pending,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::StreamExt as _;
use hyper::upgrade::Upgraded;
use log::{info, warn};
use tokio::sync::Notify;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::protocol::{Role, WebSocketConfig},
};

pub use self::close_reason::CloseReason;
use self::{
    close::close,
    close_reason::End,
    liveness::{Heartbeat, watch},
    reader::read,
    writer::write,
};
use crate::{
    apis::RunningApi,
    app::App,
    cleanup::Lost,
    clients::Current,
    event_queue::{self, Queued},
    http::upgraded_stream,
    invoke::{FailedInvocation, FrameEvent, Functions},
    limits::Permit,
    registry::Deliveries,
    report::Report,
};

/// How many bytes of one client's events may wait, or one larger event. With more, the connection is not read.
const WAITING_EVENTS_BYTES: u32 = 256 * 1024;
/// Most frames are short; the default of 128 KiB would be most of a connection's memory.
const READ_BUFFER_BYTES: usize = 16 * 1024;

/// A connection that the register function has accepted.
pub(crate) struct Opened {
    pub(crate) id: String,
    pub(crate) api: Arc<RunningApi>,
    pub(crate) deliveries: Deliveries,
    /// Of the connecting event; the log names the connection by it too.
    pub(crate) request_id: String,
    /// What applied when the client asked to connect.
    pub(crate) current: Arc<Current>,
    /// Held for as long as the connection counts.
    pub(crate) permit: Permit,
}

/// Serves a connection until its end, the closing event included.
pub(crate) async fn serve(app: &App, opened: Opened, upgraded: Upgraded) {
    let Some((stream, already_received)) = upgraded_stream(upgraded) else {
        let (connection, request_id) = (&opened.id, &opened.request_id);
        warn!(
            connection, request_id;
            "{connection}: the connection was not accepted by this server (request {request_id})"
        );
        return never_began(app, opened).await;
    };
    let Opened { id, api, deliveries, request_id, current, permit } = opened;
    let settings = &current.settings;
    let frame_bytes = settings.limits.frame_bytes;
    let activity = stream.activity();
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(Some(frame_bytes))
        .max_frame_size(Some(frame_bytes));
    let socket =
        WebSocketStream::from_partially_read(stream, already_received.into(), Role::Server, Some(config))
            .await;
    let (mut sink, mut stream) = socket.split();
    let (events, waiting) = event_queue::channel(WAITING_EVENTS_BYTES);
    let heartbeat = Heartbeat::default();
    let discard = AtomicBool::new(false);
    let lost = app.lost(&id);
    let mut transfers = pin!(transfers((app, &lost), &api.functions, &id, waiting, &heartbeat, &discard));
    let end = {
        let ping = Notify::new();
        let times = (api.idle_timeout, settings.timeouts.ping_interval);
        // The reader owns the queue's sending end: once the reader is gone, the transfers end behind the last event.
        let mut reader = pin!(read(&mut stream, events, (&heartbeat, &deliveries), (&id, &api, settings)));
        let mut writer = pin!(write(&mut sink, &deliveries, &ping, &heartbeat, (&api, settings)));
        let mut watch = pin!(watch(&heartbeat, &activity, times, &ping));
        let failed = async {
            match transfers.as_mut().await {
                Err(FailedInvocation { failure, request_id }) => End::transfer_failed(&failure, &request_id),
                // The reader has found its end and returns it.
                Ok(()) => pending().await,
            }
        };
        let mut failed = pin!(failed);
        tokio::select! {
            // An end that the client has caused takes precedence over one that the gateway would cause.
            biased;
            () = lost.known() => CloseReason::NodeLost.into(),
            end = &mut reader => end,
            end = &mut writer => end,
            end = &mut failed => end,
            end = &mut watch => end,
            () = app.drain.turn() => CloseReason::ShuttingDown.into(),
        }
    };
    discard.store(!end.reason.carries_out_the_rest(), Ordering::Relaxed);
    let needs_cleanup =
        removed(app, (&id, &request_id), &deliveries).await && end.reason != CloseReason::ClosedByFunction;
    report_closed(app, &api, (&id, &request_id), deliveries.path(), &end);
    let carried_out = async {
        if !end.reason.is_failed_transfer() {
            // A failure no longer has a client to be reported to; it is logged.
            let _ = transfers.await;
        }
        if needs_cleanup {
            app.clean_up(&api, &id).await;
        } else {
            app.finished(&id);
        }
    };
    tokio::join!(close(sink, stream, &deliveries, &end, (&id, settings.timeouts.close)), carried_out);
    drop(permit);
}

/// The client was gone before its connection became a WebSocket; the register function had accepted it.
pub(crate) async fn never_began(app: &App, opened: Opened) {
    let names = (opened.id.as_str(), opened.request_id.as_str());
    report_closed(app, &opened.api, names, opened.deliveries.path(), &End::never_opened());
    if removed(app, names, &opened.deliveries).await {
        app.clean_up(&opened.api, &opened.id).await;
    } else {
        app.finished(&opened.id);
    }
}

/// Removes the connection from the registry. Whether its client left and cleanup is this node's matter; `false` if a
/// function closed it, or another node has taken it over.
async fn removed(app: &App, (id, request_id): (&str, &str), deliveries: &Deliveries) -> bool {
    let left = app.registry.remove(id).await.unwrap_or_else(|error| {
        warn!(connection = id, request_id; "{id} has ended and may still be registered: {error} (request {request_id})");
        !deliveries.closed_by_function()
    });
    left && app.is_cleanup_due(id).await
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

/// Carries the events out one after the other until there are no more, one fails, or the rest is to be discarded.
async fn transfers(
    (app, lost): (&App, &Lost),
    functions: &Functions,
    connection: &str,
    mut waiting: event_queue::Receiver<FrameEvent>,
    heartbeat: &Heartbeat,
    discard: &AtomicBool,
) -> Result<(), FailedInvocation> {
    while let Some(Queued { item, permit }) = waiting.recv().await {
        app.certain().await;
        if discard.load(Ordering::Relaxed) || lost.is_known() {
            break;
        }
        let admission = &functions.transfer.admission;
        let place = match admission.try_place() {
            Some(place) => Some(place),
            // `None` when the gateway stops, which the call finds too.
            None => heartbeat.hold(admission.place()).await.ok(),
        };
        functions.transfer(connection, item, place).await?;
        drop(permit);
    }
    Ok(())
}
