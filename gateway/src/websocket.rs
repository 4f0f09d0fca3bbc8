//! An open connection: frames in to the transfer function, pushes out to the client, and one farewell.
//!
//! One task a connection. In it four things go on side by side until the first of them finds an [`End`]: the reader
//! lays events into a bounded queue, the transfers carry them out one after the other, the writer sends what is pushed,
//! the watch looks for silence. What is pushed never waits for the client: a full send queue is an end too. Then the client is told, what it had sent before is still carried out, and the cleanup
//! function hears of it: exactly once, unless a function itself has closed the connection.

mod close_reason;
mod farewell;
mod halves;

use std::{
    future::pending,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
};

use futures_util::StreamExt as _;
use hyper::upgrade::Upgraded;
use log::{info, warn};
use tokio::{net::TcpStream, sync::Notify};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::protocol::{Role, WebSocketConfig},
};

pub use self::close_reason::CloseReason;
use self::{
    close_reason::End,
    farewell::farewell,
    halves::{Pulse, read, watch, write},
};
use crate::{
    app::App,
    calls::{Received, Uncarried},
    connections::Deliveries,
    contract::MAX_EVENT_BYTES,
    http::{LimitedStream, upgraded_stream},
    queue::{self, Queued},
    raised,
};

/// Events of one client that wait for those before them, or one larger event; beyond it the client's connection is not
/// read.
const WAITING_EVENTS_BYTES: u32 = 256 * 1024;
/// Short frames are the rule; the default of 128 KiB a connection would be most of its memory.
const READ_BUFFER_BYTES: usize = 16 * 1024;

type Socket = WebSocketStream<LimitedStream<TcpStream>>;

/// A connection that the register function has accepted.
pub(crate) struct Opened {
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) deliveries: Deliveries,
}

/// Serves a connection until its end, the closing event included.
pub(crate) async fn serve(app: &App, opened: Opened, line: Upgraded) {
    let Some((line, already_received)) = upgraded_stream(line) else {
        warn!("{}: the connection is none of this server's", opened.id);
        return never_began(app, opened).await;
    };
    let Opened { id, path, deliveries } = opened;
    let activity = line.activity();
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(Some(MAX_EVENT_BYTES))
        .max_frame_size(Some(MAX_EVENT_BYTES));
    let socket =
        WebSocketStream::from_partially_read(line, already_received.into(), Role::Server, Some(config)).await;
    let (mut sink, mut stream) = socket.split();
    let (events, waiting) = queue::channel(WAITING_EVENTS_BYTES);
    let pulse = Pulse::default();
    let discard = AtomicBool::new(false);
    let mut transfers = pin!(transfers(app, &id, waiting, &pulse, &discard));
    let end = {
        let ping = Notify::new();
        // The reader owns the queue's sending end: once the reader is gone, the transfers end behind the last event.
        let mut reader = pin!(read(&mut stream, events, &pulse, &id));
        let mut writer = pin!(write(&mut sink, &deliveries, &ping, &pulse));
        let mut watch = pin!(watch(&pulse, &activity, app.idle_timeout, &ping));
        let failed = async {
            match transfers.as_mut().await {
                Err(uncarried) => End::transfer_failed(uncarried.failure.kind(), &uncarried.request_id),
                // The reader has found its end and says which.
                Ok(()) => pending().await,
            }
        };
        let mut failed = pin!(failed);
        tokio::select! {
            // An end that the client has brought about is told before one that the gateway would.
            biased;
            end = &mut reader => end,
            end = &mut writer => end,
            end = &mut failed => end,
            end = &mut watch => end,
            () = raised(app.stopping.clone()) => CloseReason::ShuttingDown.into(),
        }
    };
    discard.store(!end.reason.carries_out_the_rest(), Ordering::Relaxed);
    let told_by_us = app.connections.leave(&id);
    note(app, &id, &path, &end);
    let carried_out = async {
        if !matches!(end.reason, CloseReason::TransferFailed(_)) {
            // A failure now has nobody left to be told.
            let _ = transfers.await;
        }
        if told_by_us && end.reason != CloseReason::ClosedByFunction {
            app.functions.cleanup(&id).await;
        }
    };
    tokio::join!(farewell(sink, stream, &deliveries, &end), carried_out);
}

/// The client was gone before its line became a WebSocket; the register function had accepted it.
pub(crate) async fn never_began(app: &App, opened: Opened) {
    note(app, &opened.id, &opened.path, &End::never_opened());
    if app.connections.leave(&opened.id) {
        app.functions.cleanup(&opened.id).await;
    }
}

fn note(app: &App, id: &str, path: &str, end: &End) {
    info!("{id} {end}");
    app.timeline.connection("closed", id, path, None, Some(end.to_string()));
}

/// Carries the events out one after the other until there are no more, one fails, or the rest is to be discarded.
async fn transfers(
    app: &App,
    connection: &str,
    mut waiting: queue::Receiver<Received>,
    pulse: &Pulse,
    discard: &AtomicBool,
) -> Result<(), Uncarried> {
    while let Some(Queued { item, room }) = waiting.recv().await {
        if discard.load(Ordering::Relaxed) {
            break;
        }
        let admission = &app.functions.transfer.admission;
        let place = match admission.try_place() {
            Some(place) => Some(place),
            // `None`: the gateway stops, which the call will find too.
            None => pulse.hold(admission.place()).await.ok(),
        };
        app.functions.transfer(connection, item, place).await?;
        drop(room);
    }
    Ok(())
}
