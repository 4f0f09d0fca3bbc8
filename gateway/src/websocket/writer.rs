//! The writer of an open connection.

use bytes::Bytes;
use futures_util::{SinkExt as _, stream::SplitSink};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{
    close_reason::{CloseReason, End},
    heartbeat::Heartbeat,
    socket::Socket,
};
use crate::registry::{Deliveries, QueueEnd};

/// Sends pushes and pings until a function closes the connection, too much waits, or the connection is lost.
pub(super) async fn write(
    sink: &mut SplitSink<Socket, Message>,
    deliveries: &Deliveries,
    ping: &Notify,
    heartbeat: &Heartbeat,
) -> End {
    loop {
        let (message, is_data) = tokio::select! {
            delivery = deliveries.next() => match delivery {
                Ok(frame) => (frame.into_message(), true),
                Err(QueueEnd::Full) => return End::queue_full(deliveries.limit_bytes()),
                Err(QueueEnd::ClosedByFunction) => return CloseReason::ClosedByFunction.into(),
                // Only this connection itself abandons its queue.
                Err(QueueEnd::Gone) => return End::connection_lost(),
            },
            () = ping.notified() => (Message::Ping(Bytes::new()), false),
        };
        let sent = tokio::select! {
            sent = sink.send(message) => sent,
            () = deliveries.full() => return End::queue_full(deliveries.limit_bytes()),
        };
        if is_data {
            heartbeat.data();
            deliveries.note_data();
        }
        match sent {
            Ok(()) => {}
            // The client has closed or misbehaved: the reader finds out which.
            Err(Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(_)) => {
                std::future::pending::<()>().await;
            }
            Err(error) => return error.into(),
        }
    }
}
