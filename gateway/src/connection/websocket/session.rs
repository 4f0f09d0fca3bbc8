//! An open connection until its end is found.
//!
//! Reader, writer, transfers and heartbeat are polled one after the other by the connection's only task. They are
//! written as a state machine so that an idle connection is no larger than what it has to remember.

use std::{
    future::poll_fn,
    mem,
    pin::{Pin, pin},
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use log::debug;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep, sleep_until},
};

use super::{
    AcceptedConnection,
    close_reason::{CloseReason, End},
    deflate::compress,
    framing::OutgoingFrame,
    incoming::Incoming,
    liveness::{Due, Heartbeat},
    socket::Socket,
    transfers::Transfers,
};
use crate::{
    connection::{
        compression::Compression,
        limits::{FrameRate, Limit},
    },
    contract::{Frame, MAX_EVENT_BYTES},
    function::invoke::{FailedInvocation, FrameEvent},
    observe::metrics::labels::Direction,
    registry::QueueEnd,
    start::drain::Drain,
};

/// The state of an open connection.
pub(super) struct Session<'a, 's, S> {
    connection: &'a AcceptedConnection,
    socket: &'s mut Socket<S>,
    transfers: Transfers<'a>,
    heartbeat: Heartbeat,
    rate: FrameRate,
    pong_overdue: bool,
    /// Waits for capacity to be sent. Of several, only the last ping needs an answer.
    pong: Option<Box<[u8]>>,
    ping_due: bool,
}

impl<'a, 's, S: AsyncRead + AsyncWrite + Unpin> Session<'a, 's, S> {
    pub(super) fn new(connection: &'a AcceptedConnection, socket: &'s mut Socket<S>) -> Self {
        let settings = &connection.current.settings;
        Self {
            connection,
            socket,
            transfers: Transfers::new(connection),
            heartbeat: Heartbeat::new(
                connection.api.settings.idle_timeout,
                settings.timeouts.ping_interval,
                settings.limits.message_seconds,
            ),
            rate: FrameRate::new(settings.limits.frames_per_second),
            pong_overdue: false,
            pong: None,
            ping_due: false,
        }
    }

    /// Serves the connection until an end is found. `held` is set while too many events wait, one of them this
    /// connection's, and its frames are not read.
    pub(super) async fn run(&mut self, held: &'a AtomicBool, drain: &Drain) -> End {
        let mut timer = pin!(sleep_until(self.next_alarm()));
        let mut turn = pin!(drain.turn());
        let ownership = &self.connection.ownership;
        let mut lost = ownership.lost();
        let mut is_polled = false;
        poll_fn(|context| {
            // The first poll leaves the wakers, after which nothing happens until the shutdown: all connections would
            // contend for the same lock. It comes first, before the task's budget is used up.
            let is_first = !mem::replace(&mut is_polled, true);
            let is_due = (is_first || drain.has_begun()) && turn.as_mut().poll(context).is_ready();
            let mut is_lost = || lost.as_mut().is_some_and(|lost| lost.as_mut().poll(context).is_ready());
            if (is_first || ownership.is_lost()) && is_lost() {
                return Poll::Ready(CloseReason::NodeLost.into());
            }
            match self.poll(context, held, timer.as_mut()) {
                Poll::Pending if is_due => Poll::Ready(CloseReason::ShuttingDown.into()),
                polled => polled,
            }
        })
        .await
    }

    /// What is left to be carried out once an end is found.
    pub(super) fn into_transfers(self) -> Transfers<'a> {
        self.transfers
    }

    /// An end that the client has caused takes precedence over one that the gateway would cause.
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        held: &'a AtomicBool,
        mut timer: Pin<&mut Sleep>,
    ) -> Poll<End> {
        loop {
            if let Poll::Ready(end) = self.poll_reader(context, held) {
                return Poll::Ready(end);
            }
            let waits_for_pong = self.pong.is_some();
            if let Poll::Ready(end) = self.poll_writer(context) {
                return Poll::Ready(end);
            }
            if let Poll::Ready(FailedInvocation { failure, request_id }) = self.transfers.poll(context, held)
            {
                return Poll::Ready(End::transfer_failed(&failure, &request_id));
            }
            if let Poll::Ready(end) = self.poll_heartbeat(context, timer.as_mut()) {
                return Poll::Ready(end);
            }
            let may_read =
                waits_for_pong && self.pong.is_none() || self.heartbeat.is_paused() && !self.is_held(held);
            if !may_read && !self.has_control_frame() {
                return Poll::Pending;
            }
        }
    }

    fn next_alarm(&self) -> Instant {
        let next = self.heartbeat.next();
        self.socket.closes_at().map_or(next, |closes_at| next.min(closes_at))
    }

    fn is_held(&self, held: &AtomicBool) -> bool {
        held.load(Ordering::Relaxed) || self.transfers.is_full()
    }

    fn has_control_frame(&self) -> bool {
        (self.ping_due || self.pong.is_some()) && self.socket.may_queue()
    }

    /// Makes the client's frames events, and finds the end that the client causes.
    fn poll_reader(&mut self, context: &mut Context<'_>, held: &AtomicBool) -> Poll<End> {
        // A ping is answered before the next frame is read, unless the client reads too slowly for an answer to each.
        while self.pong.is_none() || !self.socket.may_queue() {
            if self.is_held(held) && !self.socket.must_give_way() {
                self.heartbeat.pause();
                return Poll::Pending;
            }
            self.heartbeat.resume();
            let attributes = self.connection.deliveries.attributes().map(|attributes| &**attributes);
            let of = (self.connection.id(), attributes);
            let received = self
                .socket
                .poll_receive(context, |message, compressed| Incoming::of(of, message, compressed));
            if self.socket.take_received() {
                self.heartbeat.heard(Instant::now());
            }
            if matches!(received, Poll::Ready(Ok(Incoming::Event { .. }))) {
                self.heartbeat.message(false);
            }
            self.heartbeat.message(self.socket.is_within_message());
            if let Err(limit) = self.rate.count_fragments(self.socket.take_fragments()) {
                return Poll::Ready(End::limit(limit));
            }
            let taken = match ready!(received) {
                Ok(incoming) => self.take(incoming),
                Err(error) => {
                    let settings = &self.connection.current.settings;
                    let (frame_bytes, send) = (settings.limits.frame_bytes, settings.timeouts.send);
                    Err(End::receive_error(error, frame_bytes, send))
                }
            };
            if let Err(end) = taken {
                return Poll::Ready(end);
            }
        }
        Poll::Pending
    }

    fn take(&mut self, incoming: Incoming) -> Result<(), End> {
        if !matches!(incoming, Incoming::Close(_)) {
            self.rate.count().map_err(End::limit)?;
        }
        if matches!(incoming, Incoming::Pong) {
            self.heartbeat.pong();
        }
        // The first message after so long may have been on its way all the time, and the pong behind it.
        let unanswered = self.heartbeat.too_many_unanswered();
        if mem::replace(&mut self.pong_overdue, unanswered.is_some())
            && let Some(pings) = unanswered
        {
            return Err(End::pings_unanswered(pings));
        }
        match incoming {
            Incoming::Event { event, payload_bytes, compressed_bytes } => {
                return self.take_event(event, payload_bytes, compressed_bytes);
            }
            Incoming::Ping(payload) => self.pong = Some(payload),
            Incoming::Pong => {}
            Incoming::Close(code) => return Err(End::closed_by_client(code)),
        }
        Ok(())
    }

    fn take_event(
        &mut self,
        event: serde_json::Result<Bytes>,
        payload_bytes: usize,
        compressed_bytes: Option<usize>,
    ) -> Result<(), End> {
        let connection = self.connection.id();
        self.connection.api.metrics.frame(Direction::In, payload_bytes);
        if let Some(after) = compressed_bytes {
            self.connection.api.metrics.compressed(Direction::In, payload_bytes, after);
        }
        let now = Instant::now();
        self.heartbeat.data(now);
        self.connection.deliveries.note_frame(Direction::In, payload_bytes);
        let event = event.map_err(|error| {
            End::protocol_error(format_args!("a frame cannot be written as an event: {error}"))
        })?;
        if event.len() > MAX_EVENT_BYTES {
            return Err(End::event_too_big(payload_bytes, event.len()));
        }
        debug!(connection; "{connection}: {}", String::from_utf8_lossy(&event));
        let now = now.into_std();
        let inflated = compressed_bytes.map(|compressed| (compressed, payload_bytes));
        self.transfers.push(FrameEvent { event, inflated, received: now, queued: now });
        Ok(())
    }

    /// Sends pushes, pings and pongs until a function closes the connection, too much waits, or the connection is lost.
    fn poll_writer(&mut self, context: &mut Context<'_>) -> Poll<End> {
        let Self { connection, socket, heartbeat, .. } = self;
        let settings = &connection.current.settings;
        loop {
            if socket.may_queue()
                && let Some(payload) = self.pong.take()
            {
                socket.queue(OutgoingFrame::pong(payload.into()));
            }
            if socket.may_queue() && mem::take(&mut self.ping_due) {
                socket.queue(OutgoingFrame::ping());
            }
            let mut queue_end = None;
            let mut is_empty = false;
            while socket.may_queue() && queue_end.is_none() && !is_empty {
                match connection.deliveries.poll_next(context) {
                    Poll::Ready(Ok(frame)) => socket.queue(outgoing(connection, frame)),
                    Poll::Ready(Err(end)) => queue_end = Some(end),
                    Poll::Pending => is_empty = true,
                }
            }
            if queue_end == Some(QueueEnd::Full) {
                return Poll::Ready(queue_full(connection));
            }
            let sent = socket.poll_send(context, |frame| {
                if let Some(bytes) = frame.data_bytes() {
                    connection.api.metrics.frame(Direction::Out, bytes);
                    heartbeat.data(Instant::now());
                    connection.deliveries.note_frame(Direction::Out, bytes);
                    if let Some(after) = frame.compressed_bytes() {
                        connection.api.metrics.compressed(Direction::Out, bytes, after);
                    }
                }
            });
            match sent {
                Poll::Pending if connection.deliveries.poll_full(context).is_ready() => {
                    return Poll::Ready(queue_full(connection));
                }
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(End::io_error(&error, settings.timeouts.send)),
                Poll::Ready(Ok(())) => {}
            }
            match queue_end {
                Some(QueueEnd::ClosedByFunction) => {
                    let close = connection.deliveries.closed_by_function().unwrap_or_default();
                    return Poll::Ready(End::closed_by_function(&close));
                }
                // Only this connection itself abandons its queue.
                Some(_) => return Poll::Ready(End::connection_lost()),
                None if is_empty => return Poll::Pending,
                None => {}
            }
        }
    }

    fn poll_heartbeat(&mut self, context: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<End> {
        if self.heartbeat.next() < timer.deadline() {
            timer.as_mut().reset(self.heartbeat.next());
        }
        loop {
            ready!(timer.as_mut().poll(context));
            if self.socket.closes_at().is_some_and(|closes_at| Instant::now() >= closes_at) {
                return Poll::Ready(CloseReason::TimeLimit.into());
            }
            match self.heartbeat.look(Instant::now()) {
                Due::End(end) => return Poll::Ready(end),
                Due::Ping => self.ping_due = true,
                Due::Nothing => {}
            }
            timer.as_mut().reset(self.next_alarm());
        }
    }
}

/// The frame as it is sent to this client: compressed, if that was agreed and makes it smaller.
fn outgoing(connection: &AcceptedConnection, frame: Frame) -> OutgoingFrame {
    let compressed = connection.deflate.and_then(|deflate| {
        let Compression { min_bytes, level } = connection.current.settings.compression?;
        if frame.len() < min_bytes {
            return None;
        }
        frame.compressed(deflate.has_full_window(), |payload| {
            connection.api.metrics.compression();
            compress(payload, level, deflate)
        })
    });
    match compressed {
        Some(payload) => OutgoingFrame::compressed(&frame, payload),
        None => OutgoingFrame::data(frame),
    }
}

fn queue_full(connection: &AcceptedConnection) -> End {
    End::limit(Limit::SendQueueBytes(connection.deliveries.limit_bytes()))
}

#[cfg(test)]
mod tests;
