//! Closes a connection: sends what still waits for the client, then the close frame, and keeps the TCP connection until
//! the client has had a chance to read it.

use std::time::Duration;

use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use log::debug;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};

use super::{
    close_reason::{CloseReason, End},
    socket::Socket,
};
use crate::registry::Deliveries;

/// How much a client may still send; it is discarded.
const DISCARD_LIMIT_BYTES: u64 = 64 << 20;

/// Closes the connection within this time.
pub(super) async fn close(
    sink: SplitSink<Socket, Message>,
    stream: SplitStream<Socket>,
    deliveries: &Deliveries,
    end: &End,
    (connection, time): (&str, Duration),
) {
    // Both halves are of one socket.
    let Ok(mut socket) = sink.reunite(stream) else { return };
    let closing = async {
        match end.reason.code() {
            Some(code) => {
                send_what_waits(&mut socket, deliveries).await;
                let frame = CloseFrame { code: code.into(), reason: end.text.as_str().into() };
                let sent = socket.send(Message::Close(Some(frame))).await;
                if let Err(error) = sent {
                    return debug!(connection; "{connection}: the close frame was not sent: {error}");
                }
            }
            None if end.reason == CloseReason::ClosedByClient => {}
            None => return,
        }
        // Sends the reply to the client's close, or waits for the client's reply to ours.
        while let Some(Ok(_)) = socket.next().await {}
        let stream = socket.get_mut();
        // Closing a TCP connection with unread bytes resets it, and the client may lose the close frame.
        if stream.shutdown().await.is_ok() {
            let _ = tokio::io::copy(&mut stream.take(DISCARD_LIMIT_BYTES), &mut tokio::io::sink()).await;
        }
    };
    if timeout(time, closing).await.is_err() {
        debug!(
            connection; "{connection}: the client did not close the connection within {} ms", time.as_millis()
        );
    }
}

async fn send_what_waits(socket: &mut Socket, deliveries: &Deliveries) {
    while let Some(frame) = deliveries.next_waiting() {
        if socket.feed(frame.into_message()).await.is_err() {
            return;
        }
    }
}
