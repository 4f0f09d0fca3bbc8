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

use super::{Socket, end::End, halves::message};
use crate::connections::{Deliveries, Outbound};

/// What the whole farewell may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// What a client may still send that is thrown away.
const THROWN_AWAY_BYTES: u64 = 64 << 20;

/// Ends the line.
pub(super) async fn farewell(
    sink: SplitSink<Socket, Message>,
    stream: SplitStream<Socket>,
    deliveries: &mut Deliveries,
    end: &End,
) {
    // Both halves are of one socket.
    let Ok(mut socket) = sink.reunite(stream) else { return };
    let parting = async {
        match end.close_frame() {
            Some((code, reason)) => {
                send_what_waits(&mut socket, deliveries).await;
                let sent =
                    socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
                if let Err(error) = sent {
                    return debug!("the close frame was not sent: {error}");
                }
            }
            None if matches!(end, End::Cut(_)) => return,
            None => {}
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

async fn send_what_waits(socket: &mut Socket, deliveries: &mut Deliveries) {
    while let Some(delivery) = deliveries.next_waiting() {
        let Outbound::Frame(frame) = delivery.item else { return };
        if socket.feed(message(frame)).await.is_err() {
            return;
        }
    }
}
