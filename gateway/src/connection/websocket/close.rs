//! Closes a connection: sends what still waits for the client, then the close frame, and keeps the TCP connection until
//! the client has had a chance to read it.

use std::time::Duration;

use log::debug;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use super::{
    close_reason::{CloseReason, End},
    framing::Outgoing,
    socket::Socket,
};
use crate::registry::Deliveries;

/// How much a client may still send; it is discarded.
const DISCARD_LIMIT_BYTES: u64 = 64 << 20;

/// Closes the connection within this time.
pub(super) async fn close<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: Socket<S>,
    deliveries: &Deliveries,
    end: &End,
    (connection, time): (&str, Duration),
) {
    let closing = async {
        match end.reason {
            CloseReason::ClosedByClient => {
                let reply =
                    end.code().map_or_else(Outgoing::close_without_code, |code| Outgoing::close(code, ""));
                socket.queue(reply);
            }
            reason => {
                let Some(code) = end.code() else { return };
                queue_what_waits(&mut socket, deliveries, reason);
                socket.queue(Outgoing::close(code, &end.text));
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
        socket.queue(Outgoing::data(frame));
    }
}
