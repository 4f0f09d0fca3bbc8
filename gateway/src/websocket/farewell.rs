//! The end of a line: what still waits for the client is sent, then the close frame, and the line is kept until the
//! client has had a chance to read it.

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

use super::{CloseReason, Socket, close_reason::End, halves::message};
use crate::connections::Deliveries;

/// What the whole farewell may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// What a client may still send that is thrown away.
const THROWN_AWAY_BYTES: u64 = 64 << 20;

/// Ends the line.
pub(super) async fn farewell(
    sink: SplitSink<Socket, Message>,
    stream: SplitStream<Socket>,
    deliveries: &Deliveries,
    end: &End,
) {
    // Both halves are of one socket.
    let Ok(mut socket) = sink.reunite(stream) else { return };
    let parting = async {
        match end.reason.code() {
            Some(code) => {
                send_what_waits(&mut socket, deliveries).await;
                let frame = CloseFrame { code: code.into(), reason: end.text.as_str().into() };
                let sent = socket.send(Message::Close(Some(frame))).await;
                if let Err(error) = sent {
                    return debug!("the close frame was not sent: {error}");
                }
            }
            None if end.reason == CloseReason::ClosedByClient => {}
            None => return,
        }
        // Sends the reply to the client's close, or waits for the client's reply to ours.
        while let Some(Ok(_)) = socket.next().await {}
        let line = socket.get_mut();
        // Closing a line with unread bytes on it would destroy the close frame on its way.
        if line.shutdown().await.is_ok() {
            let _ = tokio::io::copy(&mut line.take(THROWN_AWAY_BYTES), &mut tokio::io::sink()).await;
        }
    };
    if timeout(PATIENCE, parting).await.is_err() {
        debug!("the client did not end the line within {} ms", PATIENCE.as_millis());
    }
}

async fn send_what_waits(socket: &mut Socket, deliveries: &Deliveries) {
    while let Some(frame) = deliveries.next_waiting() {
        if socket.feed(message(frame)).await.is_err() {
            return;
        }
    }
}
