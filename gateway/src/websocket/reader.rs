//! The reader of an open connection.

use std::time::Instant;

use futures_util::{StreamExt as _, stream::SplitStream};
use log::debug;
use tokio_tungstenite::tungstenite::Message;

use super::{close_reason::End, liveness::Heartbeat, socket::Socket};
use crate::{
    apis::RunningApi,
    clients::ClientSettings,
    contract::{MAX_EVENT_BYTES, binary_event, text_event},
    event_queue,
    invoke::FrameEvent,
    limits::{FrameRate, Limit},
    metrics::labels::Direction,
    registry::Deliveries,
};

/// Puts the client's frames into the queue as events, and finds the end that the client causes.
pub(super) async fn read(
    stream: &mut SplitStream<Socket>,
    events: event_queue::Sender<FrameEvent>,
    (heartbeat, deliveries): (&Heartbeat, &Deliveries),
    (connection, api, settings): (&str, &RunningApi, &ClientSettings),
) -> End {
    let frame_bytes = settings.limits.frame_bytes;
    let rate = FrameRate::new(settings.limits.frames_per_second);
    let mut pong_overdue = false;
    loop {
        heartbeat.while_not_reading(heartbeat.released()).await;
        let Some(message) = stream.next().await else { return End::connection_lost() };
        heartbeat.heard();
        if let Ok(Message::Text(_) | Message::Binary(_) | Message::Ping(_) | Message::Pong(_)) = message
            && let Err(limit) = rate.count()
        {
            return End::limit(limit);
        }
        if matches!(message, Ok(Message::Pong(_))) {
            heartbeat.pong();
        }
        // The first message after so long may have been on its way all the time, and the pong behind it.
        let unanswered = heartbeat.too_many_unanswered();
        if std::mem::replace(&mut pong_overdue, unanswered.is_some())
            && let Some(pings) = unanswered
        {
            return End::pings_unanswered(pings);
        }
        let event = match message {
            Ok(Message::Text(text)) => {
                api.metrics.frame(Direction::In, text.len());
                text_event(connection, text.as_str())
            }
            Ok(Message::Binary(bytes)) => {
                api.metrics.frame(Direction::In, bytes.len());
                binary_event(connection, &bytes)
            }
            Ok(Message::Close(frame)) => return End::closed_by_client(frame.map(|frame| frame.code.into())),
            // The WebSocket implementation answers pings.
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => continue,
            Err(error) => return End::error(error, frame_bytes, settings.timeouts.send),
        };
        let received = Instant::now();
        heartbeat.data();
        deliveries.note_data();
        let event = match event {
            Ok(event) if event.len() <= MAX_EVENT_BYTES => event,
            Ok(_) => return End::limit(Limit::FrameBytes(MAX_EVENT_BYTES)),
            Err(error) => {
                return End::protocol_error(format_args!("a frame cannot be written as an event: {error}"));
            }
        };
        debug!(connection; "{connection}: {}", String::from_utf8_lossy(&event));
        let bytes = event.len();
        let event = FrameEvent { event, received, queued: Instant::now() };
        if heartbeat.while_not_reading(events.send(event, bytes)).await.is_err() {
            // The transfers have ended and return the reason.
            std::future::pending::<()>().await;
        }
    }
}
