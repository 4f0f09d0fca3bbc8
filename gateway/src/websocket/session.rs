//! An open connection until its end is found.
//!
//! Reader, writer, transfers and heartbeat are polled one after the other by the connection's only task. They are
//! written as a state machine so that an idle connection is no larger than what it has to remember: the transfer that
//! runs is the only part that is allocated, for as long as it runs.

use std::{
    future::poll_fn,
    mem,
    pin::{Pin, pin},
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use log::debug;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep, sleep_until},
};

use super::{
    Opened,
    close_reason::{CloseReason, End},
    framing::Outgoing,
    incoming::Incoming,
    liveness::{Due, Heartbeat},
    socket::Socket,
};
use crate::{
    contract::MAX_EVENT_BYTES,
    drain::Drain,
    event_queue::EventQueue,
    invoke::{FailedInvocation, FrameEvent, Functions},
    limits::{FrameRate, Limit},
    metrics::labels::Direction,
    registry::QueueEnd,
};

/// How many bytes of one client's events may wait before the connection is no longer read.
const WAITING_EVENTS_BYTES: usize = 256 * 1024;

/// The state of an open connection.
pub(super) struct Session<'a, S> {
    connection: &'a Opened,
    socket: Socket<S>,
    transfers: Transfers<'a>,
    heartbeat: Heartbeat,
    rate: FrameRate,
    pong_overdue: bool,
    /// Waits for capacity to be sent. Of several, only the last ping needs an answer.
    pong: Option<Bytes>,
    ping_due: bool,
}

/// The events that wait, and the one that is being carried out.
pub(super) struct Transfers<'a> {
    pub(super) waiting: EventQueue<FrameEvent>,
    pub(super) running: Option<BoxFuture<'a, Result<(), FailedInvocation>>>,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Session<'a, S> {
    pub(super) fn new(connection: &'a Opened, socket: Socket<S>) -> Self {
        let settings = &connection.current.settings;
        Self {
            connection,
            socket,
            transfers: Transfers { waiting: EventQueue::new(WAITING_EVENTS_BYTES), running: None },
            heartbeat: Heartbeat::new(connection.api.idle_timeout, settings.timeouts.ping_interval),
            rate: FrameRate::new(settings.limits.frames_per_second),
            pong_overdue: false,
            pong: None,
            ping_due: false,
        }
    }

    /// Serves the connection until an end is found. `held` is set while too many events wait, one of them this
    /// connection's, and its frames are not read.
    pub(super) async fn run(&mut self, held: &'a AtomicBool, drain: &Drain) -> End {
        let mut timer = pin!(sleep_until(self.heartbeat.next()));
        let mut turn = pin!(drain.turn());
        let mut turn_is_polled = false;
        poll_fn(|context| {
            if let Poll::Ready(end) = self.poll(context, held, timer.as_mut()) {
                return Poll::Ready(end);
            }
            // The first poll leaves the waker, after which nothing happens until the shutdown. All connections would
            // contend for the same lock.
            if (!mem::replace(&mut turn_is_polled, true) || drain.has_begun())
                && turn.as_mut().poll(context).is_ready()
            {
                return Poll::Ready(CloseReason::ShuttingDown.into());
            }
            Poll::Pending
        })
        .await
    }

    /// What is left once an end is found.
    pub(super) fn into_parts(self) -> (Socket<S>, Transfers<'a>) {
        (self.socket, self.transfers)
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
            if let Poll::Ready(FailedInvocation { failure, request_id }) = self.poll_transfers(context, held)
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

    fn is_held(&self, held: &AtomicBool) -> bool {
        held.load(Ordering::Relaxed) || self.transfers.waiting.is_full()
    }

    fn has_control_frame(&self) -> bool {
        (self.ping_due || self.pong.is_some()) && self.socket.may_queue()
    }

    /// Makes the client's frames events, and finds the end that the client causes.
    fn poll_reader(&mut self, context: &mut Context<'_>, held: &AtomicBool) -> Poll<End> {
        // A ping is answered before the next frame is read.
        while self.pong.is_none() {
            if self.is_held(held) {
                self.heartbeat.pause();
                return Poll::Pending;
            }
            self.heartbeat.resume();
            let id = &self.connection.id;
            let received = self.socket.poll_receive(context, |message| Incoming::of(id, message));
            if self.socket.take_received() {
                self.heartbeat.heard(Instant::now());
            }
            let taken = match ready!(received) {
                Ok(incoming) => self.take(incoming),
                Err(error) => Err(End::receive_error(error, &self.connection.current.settings)),
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
            Incoming::Event { event, payload_bytes } => return self.take_event(event, payload_bytes),
            Incoming::Ping(payload) => self.pong = Some(payload),
            Incoming::Pong => {}
            Incoming::Close(code) => return Err(End::closed_by_client(code)),
        }
        Ok(())
    }

    fn take_event(&mut self, event: serde_json::Result<Bytes>, payload_bytes: usize) -> Result<(), End> {
        let connection = self.connection.id.as_str();
        self.connection.api.metrics.frame(Direction::In, payload_bytes);
        let now = Instant::now();
        self.heartbeat.data(now);
        self.connection.deliveries.note_data();
        let event = event.map_err(|error| {
            End::protocol_error(format_args!("a frame cannot be written as an event: {error}"))
        })?;
        let bytes = event.len();
        if bytes > MAX_EVENT_BYTES {
            return Err(End::limit(Limit::FrameBytes(MAX_EVENT_BYTES)));
        }
        debug!(connection; "{connection}: {}", String::from_utf8_lossy(&event));
        let now = now.into_std();
        self.transfers.waiting.push(FrameEvent { event, received: now, queued: now }, bytes);
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
                socket.queue(Outgoing::pong(payload));
            }
            if socket.may_queue() && mem::take(&mut self.ping_due) {
                socket.queue(Outgoing::ping());
            }
            let mut queue_end = None;
            let mut is_empty = false;
            while socket.may_queue() && queue_end.is_none() && !is_empty {
                match connection.deliveries.poll_next(context) {
                    Poll::Ready(Ok(frame)) => socket.queue(Outgoing::data(frame)),
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
                    connection.deliveries.note_data();
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
                Some(QueueEnd::ClosedByFunction) => return Poll::Ready(CloseReason::ClosedByFunction.into()),
                // Only this connection itself abandons its queue.
                Some(_) => return Poll::Ready(End::connection_lost()),
                None if is_empty => return Poll::Pending,
                None => {}
            }
        }
    }

    /// Carries the events out one after the other, until one fails.
    fn poll_transfers(&mut self, context: &mut Context<'_>, held: &'a AtomicBool) -> Poll<FailedInvocation> {
        let Transfers { waiting, running } = &mut self.transfers;
        loop {
            let transfer = match running {
                Some(transfer) => transfer,
                None => match waiting.start() {
                    Some(event) => running.insert(Box::pin(transfer(self.connection, event, held))),
                    None => return Poll::Pending,
                },
            };
            let carried_out = ready!(transfer.as_mut().poll(context));
            *running = None;
            waiting.finish();
            if let Err(failed) = carried_out {
                return Poll::Ready(failed);
            }
        }
    }

    fn poll_heartbeat(&mut self, context: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<End> {
        loop {
            ready!(timer.as_mut().poll(context));
            match self.heartbeat.look(Instant::now()) {
                Due::End(end) => return Poll::Ready(end),
                Due::Ping => self.ping_due = true,
                Due::Nothing => {}
            }
            timer.as_mut().reset(self.heartbeat.next());
        }
    }
}

fn queue_full(connection: &Opened) -> End {
    End::limit(Limit::SendQueueBytes(connection.deliveries.limit_bytes()))
}

/// Carries an event out. While it has to wait for a place, nothing further of its connection is read.
async fn transfer(connection: &Opened, event: FrameEvent, held: &AtomicBool) -> Result<(), FailedInvocation> {
    let functions: &Functions = &connection.api.functions;
    let admission = &functions.transfer.admission;
    let mut place = admission.try_place();
    if place.is_none() {
        held.store(true, Ordering::Relaxed);
        // `None` when the gateway stops, which the call finds too.
        place = admission.place().await.ok();
        held.store(false, Ordering::Relaxed);
    }
    functions.transfer(&connection.id, event, place).await
}

impl Transfers<'_> {
    /// Carries out what is left, until one fails.
    pub(super) async fn carry_out(mut self, connection: &Opened, the_rest_too: bool) {
        // A failure no longer has a client to be reported to; it is logged.
        if let Some(running) = self.running.take()
            && running.await.is_err()
        {
            return;
        }
        let held = AtomicBool::new(false);
        while the_rest_too && let Some(event) = self.waiting.start() {
            if transfer(connection, event, &held).await.is_err() {
                return;
            }
        }
    }
}
