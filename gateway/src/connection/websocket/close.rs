//! Closes a connection: sends what still waits for the client, then the close frame, and keeps the TCP connection until
//! the client has had a chance to read it.

use log::{debug, warn};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use super::{
    close_reason::{CloseReason, End},
    framing::OutgoingFrame,
    socket::Socket,
};
use crate::{
    connection::{clients::ClientSettings, web_function::WebFunction},
    registry::Deliveries,
};

/// How much a client may still send; it is discarded.
const DISCARD_LIMIT_BYTES: u64 = 64 << 20;

/// Closes the connection within the time that the settings allow.
pub(super) async fn close<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: Socket<S>,
    deliveries: &Deliveries,
    end: &End,
    (connection, settings): (&str, &ClientSettings),
) {
    let web = settings.web_function.as_ref();
    let time = web.map_or(settings.timeouts.close, WebFunction::close_time);
    let closing = async {
        match end.reason {
            CloseReason::ClosedByClient => {
                let code = web.map_or(end.code(), |_| Some(1000));
                let reply = code
                    .map_or_else(OutgoingFrame::close_without_code, |code| OutgoingFrame::close(code, ""));
                socket.queue(reply);
            }
            reason => {
                let Some(code) = end.code() else { return };
                queue_what_waits(&mut socket, deliveries, reason);
                if web.is_some() && timeout(time / 2, socket.send()).await.is_err() {
                    discard_what_waits(&mut socket, connection);
                }
                let code = web.map_or(code, |_| WebFunction::close_code(code));
                socket.queue(OutgoingFrame::close(code, &end.text));
            }
        }
        if let Err(error) = socket.send().await {
            return debug!(connection; "{connection}: the close frame was not sent: {error}");
        }
        if end.reason.awaits_reply() {
            socket.read_to_close().await;
        }
        // Closing a TCP connection with unread bytes resets it, and the client may lose the close frame.
        socket.shut_down(DISCARD_LIMIT_BYTES).await;
    };
    if timeout(time, closing).await.is_err() {
        debug!(
            connection; "{connection}: the client did not close the connection within {} ms", time.as_millis()
        );
    }
}

/// The platform ends the connection soon, and the close frame has to leave before that.
fn discard_what_waits<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut Socket<S>, connection: &str) {
    let waiting = socket.unsent_data();
    socket.discard_unsent();
    let unsent = waiting - socket.unsent_data();
    warn!(
        connection;
        "{connection}: the connection had to end before {unsent} frames that waited for it could be sent"
    );
}

fn queue_what_waits<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut Socket<S>,
    deliveries: &Deliveries,
    reason: CloseReason,
) {
    if reason == CloseReason::TooSlow {
        // It would not read them in time either.
        return socket.discard_unsent();
    }
    while let Some(frame) = deliveries.next_waiting() {
        socket.queue(OutgoingFrame::data(frame));
    }
}
