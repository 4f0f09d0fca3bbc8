//! The writer of an open connection.

use bytes::Bytes;
use futures_util::{SinkExt as _, stream::SplitSink};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{
    close_reason::{CloseReason, End},
    liveness::Heartbeat,
    socket::Socket,
};
use crate::{
    apis::RunningApi,
    clients::ClientSettings,
    limits::Limit,
    metrics::labels::Direction,
    registry::{Deliveries, QueueEnd},
};

/// Sends pushes and pings until a function closes the connection, too much waits, or the connection is lost.
pub(super) async fn write(
    sink: &mut SplitSink<Socket, Message>,
    deliveries: &Deliveries,
    ping: &Notify,
    heartbeat: &Heartbeat,
    (api, settings): (&RunningApi, &ClientSettings),
) -> End {
    loop {
        let (message, data_bytes) = tokio::select! {
            delivery = deliveries.next() => match delivery {
                Ok(frame) => {
                    let bytes = frame.len();
                    (frame.into_message(), Some(bytes))
                }
                Err(QueueEnd::Full) => return queue_full(deliveries),
                Err(QueueEnd::ClosedByFunction) => return CloseReason::ClosedByFunction.into(),
                // Only this connection itself abandons its queue.
                Err(QueueEnd::Gone) => return End::connection_lost(),
            },
            () = ping.notified() => (Message::Ping(Bytes::new()), None),
        };
        let sent = tokio::select! {
            sent = sink.send(message) => sent,
            () = deliveries.full() => return queue_full(deliveries),
        };
        if let Some(bytes) = data_bytes {
            api.metrics.frame(Direction::Out, bytes);
            heartbeat.data();
            deliveries.note_data();
        }
        match sent {
            Ok(()) => {}
            // The client has closed or misbehaved: the reader finds out which.
            Err(Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(_)) => {
                std::future::pending::<()>().await;
            }
            Err(error) => {
                return End::error(error, settings.limits.frame_bytes, settings.timeouts.send);
            }
        }
    }
}

fn queue_full(deliveries: &Deliveries) -> End {
    End::limit(Limit::SendQueueBytes(deliveries.limit_bytes()))
}
