//! The two ends of what goes to one client: the outbox, which a registry keeps, and the deliveries, which the client's
//! connection takes from it.

use std::{
    net::IpAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use super::{
    closing::{ClosedBy, Confirmation},
    delivery::{ConnectionInfo, DeliveryError, NewConnection, Traffic, epoch_ms},
    record::ConnectionRecord,
    send_queue::{QueueEnd, SendQueue},
};
use crate::{
    contract::{Attributes, Close, Frame},
    observe::metrics::labels::{Direction, Label as _},
};

/// The sending end, which a registry keeps for each connection of this process. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Outbox(Arc<OutboxInner>);

/// The receiving end. Dropped, it ends the outbox.
#[derive(Debug)]
pub(crate) struct Deliveries(Arc<OutboxInner>);

#[derive(Debug)]
struct OutboxInner {
    queue: SendQueue,
    path: Arc<str>,
    source_ip: IpAddr,
    api: Arc<str>,
    trace: Option<Arc<str>>,
    attributes: OnceLock<Arc<Attributes>>,
    connected_at_ms: u64,
    last_active_at_ms: AtomicU64,
    traffic: [TrafficCounter; 2],
}

/// The data frames of one direction.
#[derive(Debug, Default)]
struct TrafficCounter {
    frames: AtomicU64,
    bytes: AtomicU64,
}

/// Both ends for a client that asks to connect now.
pub(crate) fn outbox(new: NewConnection) -> (Outbox, Deliveries) {
    let connected_at_ms = epoch_ms();
    let shared = Arc::new(OutboxInner {
        queue: SendQueue::new(new.send_queue_bytes, new.waiting),
        path: new.path,
        source_ip: new.source_ip,
        api: new.api,
        trace: new.trace,
        attributes: OnceLock::new(),
        connected_at_ms,
        last_active_at_ms: AtomicU64::new(connected_at_ms),
        traffic: Default::default(),
    });
    (Outbox(Arc::clone(&shared)), Deliveries(shared))
}

impl Outbox {
    /// Puts a frame into the client's queue. Never waits.
    pub(super) fn send(&self, frame: Frame) -> Result<(), DeliveryError> {
        self.0.queue.push(frame).map_err(delivery_error)
    }

    /// Closes the connection behind the frames that wait.
    pub(super) fn close(
        &self,
        close: Close,
        confirmation: Option<Confirmation>,
    ) -> Result<(), DeliveryError> {
        self.0.queue.close(close, confirmation).map_err(delivery_error)
    }

    /// Nothing more can be delivered from now on. Who has ended the connection.
    pub(super) fn seal(&self) -> ClosedBy {
        self.0.queue.seal().map_or(ClosedBy::Client, |closed| ClosedBy::Function {
            wants_cleanup: closed.close.cleanup,
            confirmation: closed.confirmation,
        })
    }

    pub(super) fn set_attributes(&self, attributes: Attributes) {
        // The register function is called once.
        let _ = self.0.attributes.set(Arc::new(attributes));
    }

    /// What the cleanup of the connection needs.
    pub(super) fn record(&self) -> ConnectionRecord {
        ConnectionRecord::new(
            self.0.source_ip,
            Arc::clone(&self.0.api),
            self.0.attributes.get().cloned(),
            self.0.trace.clone(),
        )
    }

    /// What is known of the connection.
    pub(super) fn info(&self) -> ConnectionInfo {
        self.0.info()
    }
}

impl OutboxInner {
    fn info(&self) -> ConnectionInfo {
        ConnectionInfo {
            path: Arc::clone(&self.path),
            source_ip: self.source_ip,
            connected_at_ms: self.connected_at_ms,
            last_active_at_ms: self.last_active_at_ms.load(Ordering::Relaxed),
            waiting_bytes: self.queue.waiting_bytes(),
            attributes: self.attributes.get().cloned(),
            traffic: Some(self.traffic()),
        }
    }

    fn traffic(&self) -> Traffic {
        let of = |direction: Direction| {
            let TrafficCounter { frames, bytes } = &self.traffic[direction.index()];
            (frames.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed))
        };
        let ((frames_in, bytes_in), (frames_out, bytes_out)) = (of(Direction::In), of(Direction::Out));
        Traffic { frames_in, bytes_in, frames_out, bytes_out }
    }
}

impl Deliveries {
    /// The next frame, or why none will follow.
    pub(crate) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Result<Frame, QueueEnd>> {
        self.0.queue.poll_next(context)
    }

    #[cfg(test)]
    pub(crate) async fn next(&self) -> Result<Frame, QueueEnd> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// The next frame if one waits already.
    pub(crate) fn next_waiting(&self) -> Option<Frame> {
        self.0.queue.next_waiting()
    }

    /// Ready once a frame has exceeded the limit.
    pub(crate) fn poll_full(&self, context: &mut Context<'_>) -> Poll<()> {
        self.0.queue.poll_full(context)
    }

    #[cfg(test)]
    pub(crate) async fn full(&self) {
        std::future::poll_fn(|context| self.poll_full(context)).await;
    }

    pub(crate) fn limit_bytes(&self) -> usize {
        self.0.queue.limit_bytes()
    }

    /// How a function has closed the connection, if one has.
    pub(crate) fn closed_by_function(&self) -> Option<Close> {
        self.0.queue.closed().map(|closed| closed.close)
    }

    /// What the register function has said of the client.
    pub(crate) fn attributes(&self) -> Option<&Arc<Attributes>> {
        self.0.attributes.get()
    }

    /// The header `traceparent` of the client's handshake.
    pub(crate) fn trace(&self) -> Option<&str> {
        self.0.trace.as_deref()
    }

    /// A data frame with a payload of this size went through.
    pub(crate) fn note_frame(&self, direction: Direction, bytes: usize) {
        self.0.last_active_at_ms.store(epoch_ms(), Ordering::Relaxed);
        let counted = &self.0.traffic[direction.index()];
        counted.frames.fetch_add(1, Ordering::Relaxed);
        counted.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// What is known of the connection.
    pub(crate) fn info(&self) -> ConnectionInfo {
        self.0.info()
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        self.0.queue.abandon();
    }
}

fn delivery_error(end: QueueEnd) -> DeliveryError {
    match end {
        QueueEnd::Full => DeliveryError::TooSlow,
        QueueEnd::ClosedByFunction | QueueEnd::Gone => DeliveryError::NotFound,
    }
}
