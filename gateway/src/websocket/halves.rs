//! The three that look after an open line: its reader, its writer, and the watch for silence.

use std::{
    pin::pin,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    FutureExt as _, SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use log::debug;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{CloseReason, Socket, close_reason::End};
use crate::{
    calls::Received,
    connections::Deliveries,
    contract::{Frame, MAX_EVENT_BYTES, binary_event, text_event},
    http::Activity,
    queue,
    send_queue::QueueEnd,
};

/// A ping goes out at least this often.
const LONGEST_PING_INTERVAL: Duration = Duration::from_secs(20);
/// A client that sends all the time and answers none of so many pings in a row does not read.
const MAX_UNANSWERED_PINGS: u32 = 6;

/// When the line last carried something. Shared by the three, within one task.
pub(super) struct Pulse {
    opened: Instant,
    /// Milliseconds after `opened`.
    data_ms: AtomicU64,
    heard_ms: AtomicU64,
    /// The reader waits for room: silence then says nothing about the client.
    not_reading: AtomicBool,
    unanswered_pings: AtomicU32,
    /// Too many events wait, of which one is this connection's: no more of its frames are read.
    held: AtomicBool,
    released: Notify,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            opened: Instant::now(),
            data_ms: AtomicU64::new(0),
            heard_ms: AtomicU64::new(0),
            not_reading: AtomicBool::new(false),
            unanswered_pings: AtomicU32::new(0),
            held: AtomicBool::new(false),
            released: Notify::new(),
        }
    }
}

impl Pulse {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A data frame went through, in either direction.
    fn data(&self) {
        self.data_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// The client gave a sign of life.
    fn heard(&self) {
        self.heard_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    fn last_data(&self) -> Instant {
        self.opened + Duration::from_millis(self.data_ms.load(Ordering::Relaxed))
    }

    fn silent_for(&self) -> Duration {
        let heard_ms = self.heard_ms.load(Ordering::Relaxed);
        Duration::from_millis(self.now_ms().saturating_sub(heard_ms))
    }

    /// The client has answered a ping, or had no chance to.
    fn pong(&self) {
        self.unanswered_pings.store(0, Ordering::Relaxed);
    }

    /// Keeps the reader from reading further frames as long as this takes.
    pub(super) async fn hold<T>(&self, wait: impl Future<Output = T>) -> T {
        self.held.store(true, Ordering::Relaxed);
        let value = wait.await;
        self.held.store(false, Ordering::Relaxed);
        self.released.notify_one();
        value
    }

    async fn released(&self) {
        while self.held.load(Ordering::Relaxed) {
            self.released.notified().await;
        }
    }

    /// Waits for something other than the client. What the client sends meanwhile is not read, so that its silence and
    /// unanswered pings say nothing.
    async fn while_not_reading<T>(&self, wait: impl Future<Output = T>) -> T {
        let mut wait = pin!(wait);
        if let Some(value) = wait.as_mut().now_or_never() {
            return value;
        }
        self.not_reading.store(true, Ordering::Relaxed);
        let value = wait.await;
        self.heard();
        self.pong();
        self.not_reading.store(false, Ordering::Relaxed);
        value
    }
}

/// Lays the client's frames into the queue as events, and finds the end that the client brings about.
pub(super) async fn read(
    stream: &mut SplitStream<Socket>,
    events: queue::Sender<Received>,
    pulse: &Pulse,
    connection: &str,
) -> End {
    let mut pong_overdue = false;
    loop {
        pulse.while_not_reading(pulse.released()).await;
        let Some(message) = stream.next().await else { return End::connection_lost() };
        pulse.heard();
        if matches!(message, Ok(Message::Pong(_))) {
            pulse.pong();
        }
        // The first message after so long may have been on its way all the time, and the pong behind it.
        let unanswered = pulse.unanswered_pings.load(Ordering::Relaxed);
        if std::mem::replace(&mut pong_overdue, unanswered >= MAX_UNANSWERED_PINGS) && pong_overdue {
            return End::pings_unanswered(unanswered);
        }
        let event = match message {
            Ok(Message::Text(text)) => text_event(connection, text.as_str()),
            Ok(Message::Binary(bytes)) => binary_event(connection, &bytes),
            Ok(Message::Close(frame)) => return End::closed_by_client(frame.map(|frame| frame.code.into())),
            // Pings are answered by the protocol's implementation.
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => continue,
            Err(error) => return error.into(),
        };
        let at = std::time::Instant::now();
        pulse.data();
        let event = match event {
            Ok(event) if event.len() <= MAX_EVENT_BYTES => event,
            Ok(_) => return CloseReason::TooBig.into(),
            Err(error) => {
                return End::protocol_error(format_args!("a frame cannot be written as an event: {error}"));
            }
        };
        debug!("{connection}: {}", String::from_utf8_lossy(&event));
        let bytes = event.len();
        let received = Received { event, at, queued: std::time::Instant::now() };
        if pulse.while_not_reading(events.send(received, bytes)).await.is_err() {
            // The transfers have ended and say why.
            std::future::pending::<()>().await;
        }
    }
}

/// Sends pushes and pings, until a function closes the connection, too much waits, or the line breaks.
pub(super) async fn write(
    sink: &mut SplitSink<Socket, Message>,
    deliveries: &Deliveries,
    ping: &Notify,
    pulse: &Pulse,
) -> End {
    loop {
        let (message, is_data) = tokio::select! {
            delivery = deliveries.next() => match delivery {
                Ok(frame) => (message(frame), true),
                Err(QueueEnd::Full) => return End::queue_full(deliveries.limit_bytes()),
                Err(QueueEnd::ClosedByFunction) => return CloseReason::ClosedByFunction.into(),
                // Ended by whoever served the connection, which is here.
                Err(QueueEnd::Gone) => return End::connection_lost(),
            },
            () = ping.notified() => (Message::Ping(Bytes::new()), false),
        };
        let sent = tokio::select! {
            sent = sink.send(message) => sent,
            () = deliveries.full() => return End::queue_full(deliveries.limit_bytes()),
        };
        if is_data {
            pulse.data();
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

/// A frame as the protocol's implementation takes it.
pub(super) fn message(frame: Frame) -> Message {
    match frame {
        Frame::Text(text) => Message::text(text),
        Frame::Binary(bytes) => Message::binary(bytes),
    }
}

/// Finds a connection that carries no data, and a line on which the client gives no sign of life: pings go out, and
/// two intervals without anything heard mean that it is cut, though nobody has said so.
pub(super) async fn watch(pulse: &Pulse, activity: &Activity, idle: Duration, ping: &Notify) -> End {
    let interval = (idle / 2).min(LONGEST_PING_INTERVAL);
    let mut next_ping = Instant::now() + interval;
    loop {
        sleep_until(next_ping.min(pulse.last_data() + idle)).await;
        let now = Instant::now();
        if now >= pulse.last_data() + idle {
            return End::idle(idle);
        }
        if now < next_ping {
            continue;
        }
        // A large message is a sign of life before it is complete.
        if activity.take_received() {
            pulse.heard();
        }
        if pulse.silent_for() >= interval * 2 && !pulse.not_reading.load(Ordering::Relaxed) {
            return End::silent(pulse.silent_for());
        }
        pulse.unanswered_pings.fetch_add(1, Ordering::Relaxed);
        ping.notify_one();
        next_ping = now + interval;
    }
}
