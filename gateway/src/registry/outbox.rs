//! The two ends of what goes to one client: the outbox, which a registry keeps, and the deliveries, which the client's
//! connection takes from it.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    delivery::{ConnectionInfo, Delivery, DeliveryError},
    send_queue::{QueueEnd, SendQueue},
};
use crate::{contract::Frame, observe::metrics::Gauge};

/// The sending end, which a registry keeps for each connection of this process. Clones share it.
#[derive(Debug, Clone)]
pub struct Outbox(Arc<Shared>);

/// The receiving end. Dropped, it ends the outbox.
#[derive(Debug)]
pub(crate) struct Deliveries(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: SendQueue,
    path: Arc<str>,
    source_ip: IpAddr,
    connected_at_ms: u64,
    last_active_at_ms: AtomicU64,
}

/// Both ends for a client that asks to connect now, between which `limit_bytes` may wait.
/// The gauge shows what waits in all of them together.
pub(crate) fn outbox(
    path: Arc<str>,
    source_ip: IpAddr,
    limit_bytes: usize,
    waiting: &Gauge,
) -> (Outbox, Deliveries) {
    let connected_at_ms = epoch_ms();
    let shared = Arc::new(Shared {
        queue: SendQueue::new(limit_bytes, waiting.clone()),
        path,
        source_ip,
        connected_at_ms,
        last_active_at_ms: AtomicU64::new(connected_at_ms),
    });
    (Outbox(Arc::clone(&shared)), Deliveries(shared))
}

impl Outbox {
    /// Puts a delivery into the client's queue. Never waits.
    pub fn deliver(&self, delivery: Delivery) -> Result<(), DeliveryError> {
        let taken = match delivery {
            Delivery::Frame(frame) => self.0.queue.push(frame),
            Delivery::Close => self.0.queue.close(),
        };
        taken.map_err(|end| match end {
            QueueEnd::Full => DeliveryError::TooSlow,
            QueueEnd::ClosedByFunction | QueueEnd::Gone => DeliveryError::NotFound,
        })
    }

    /// What is known of the connection.
    #[must_use]
    pub fn info(&self) -> ConnectionInfo {
        let shared = &self.0;
        ConnectionInfo {
            path: Arc::clone(&shared.path),
            source_ip: shared.source_ip,
            connected_at_ms: shared.connected_at_ms,
            last_active_at_ms: shared.last_active_at_ms.load(Ordering::Relaxed),
            waiting_bytes: shared.queue.waiting_bytes(),
        }
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

    /// Whether a function has closed the connection.
    pub(crate) fn closed_by_function(&self) -> bool {
        self.0.queue.end() == Some(QueueEnd::ClosedByFunction)
    }

    /// A data frame went through, in either direction.
    pub(crate) fn note_data(&self) {
        self.0.last_active_at_ms.store(epoch_ms(), Ordering::Relaxed);
    }

    pub(crate) fn path(&self) -> &str {
        &self.0.path
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        self.0.queue.abandon();
    }
}

fn epoch_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
