//! Who holds a connection: the seam between the reverse push address and the connections.
//!
//! A connection is known by its id from [`Connections::open`] until [`Connections::leave`] or
//! [`Connections::close`], whichever is first: that one decides whether the client left or a function sent it away.
//! Today [`LocalConnections`] holds them all in this process; several nodes that pass pushes on to each other fit here
//! as another implementation.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    BoxFuture,
    contract::Frame,
    send_queue::{QueueEnd, SendQueue},
};

/// Holds connections by their ids.
pub trait Connections: Send + Sync {
    /// From now on what is sent to this id goes into the outbox.
    fn open(&self, id: &str, outbox: Outbox);

    /// The client has left. Whether it was still held: `false` if a function has closed it before.
    fn leave(&self, id: &str) -> bool;

    /// Sends a frame to the client. Returning means that it is on its way behind those before it. Never waits for the
    /// client: one that does not read is closed.
    fn send<'a>(&'a self, id: &'a str, frame: Frame) -> BoxFuture<'a, Result<(), Undelivered>>;

    /// Closes the connection behind the frames that are on their way. From now on the id is unknown.
    fn close<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), Undelivered>>;
}

/// Why something did not reach a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undelivered {
    /// There is no such connection, or no longer.
    Unknown,
    /// The client does not read what was sent before, and is therefore being closed.
    TooSlow,
}

impl fmt::Display for Undelivered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unknown => "there is no such connection, or no longer",
            Self::TooSlow => "the client does not read what is sent to it, and its connection is closed",
        })
    }
}

impl std::error::Error for Undelivered {}

/// The sending end of what goes to one client.
#[derive(Debug, Clone)]
pub struct Outbox(Arc<SendQueue>);

/// The other end: what the client's connection takes from the outbox, in order. Dropped, it ends the outbox.
#[derive(Debug)]
pub(crate) struct Deliveries {
    queue: Arc<SendQueue>,
    limit_bytes: usize,
}

/// Both ends for one client, between which `limit_bytes` may wait.
pub(crate) fn outbox(limit_bytes: usize) -> (Outbox, Deliveries) {
    let queue = Arc::new(SendQueue::new(limit_bytes));
    (Outbox(Arc::clone(&queue)), Deliveries { queue, limit_bytes })
}

impl Outbox {
    fn send(&self, frame: Frame) -> Result<(), Undelivered> {
        self.0.push(frame).map_err(|end| match end {
            QueueEnd::Full => Undelivered::TooSlow,
            QueueEnd::ClosedByFunction | QueueEnd::Gone => Undelivered::Unknown,
        })
    }

    fn close(&self) -> Result<(), Undelivered> {
        self.0.close().map_err(|_| Undelivered::Unknown)
    }
}

impl Deliveries {
    /// The next frame, or why none will follow.
    pub(crate) async fn next(&self) -> Result<Frame, QueueEnd> {
        self.queue.next().await
    }

    /// The next frame if one waits already.
    pub(crate) fn next_waiting(&self) -> Option<Frame> {
        self.queue.next_waiting()
    }

    /// Waits until a frame has found no room.
    pub(crate) async fn full(&self) {
        self.queue.full().await;
    }

    pub(crate) fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        self.queue.abandon();
    }
}

/// All connections in this process.
#[derive(Debug, Default)]
pub struct LocalConnections {
    outboxes: Mutex<HashMap<String, Outbox>>,
}

impl LocalConnections {
    fn outboxes(&self) -> std::sync::MutexGuard<'_, HashMap<String, Outbox>> {
        self.outboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections for LocalConnections {
    fn open(&self, id: &str, outbox: Outbox) {
        self.outboxes().insert(id.to_owned(), outbox);
    }

    fn leave(&self, id: &str) -> bool {
        self.outboxes().remove(id).is_some()
    }

    fn send<'a>(&'a self, id: &'a str, frame: Frame) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(async move {
            let outbox = self.outboxes().get(id).cloned().ok_or(Undelivered::Unknown)?;
            outbox.send(frame)
        })
    }

    fn close<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(async move { self.outboxes().remove(id).ok_or(Undelivered::Unknown)?.close() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT_BYTES: usize = 1000;

    #[tokio::test]
    async fn whoever_ends_a_connection_first_has_ended_it() {
        let connections = LocalConnections::default();
        let (a, a_deliveries) = outbox(LIMIT_BYTES);
        let (b, _b_deliveries) = outbox(LIMIT_BYTES);
        connections.open("a", a);
        connections.open("b", b);
        assert_eq!(connections.close("a").await, Ok(()));
        assert!(!connections.leave("a"), "a function closed it before");
        assert_eq!(connections.close("a").await, Err(Undelivered::Unknown));
        assert!(connections.leave("b"));
        assert_eq!(connections.close("b").await, Err(Undelivered::Unknown));
        assert_eq!(a_deliveries.next().await, Err(QueueEnd::ClosedByFunction));
        assert!(a_deliveries.next_waiting().is_none());
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_not_waited_for() {
        let connections = LocalConnections::default();
        let (outbox, deliveries) = outbox(LIMIT_BYTES);
        connections.open("a", outbox);
        let frame = || Frame::Text("x".repeat(LIMIT_BYTES / 2));
        assert_eq!(connections.send("a", frame()).await, Ok(()));
        assert_eq!(connections.send("a", frame()).await, Err(Undelivered::TooSlow));
        deliveries.full().await;
        assert!(connections.leave("a"), "no function has closed it: cleanup follows");
    }

    #[tokio::test]
    async fn an_ended_connection_is_unknown_even_before_it_has_left() {
        let connections = LocalConnections::default();
        let (outbox, deliveries) = outbox(LIMIT_BYTES);
        connections.open("a", outbox);
        drop(deliveries);
        assert_eq!(connections.send("a", Frame::Text(String::new())).await, Err(Undelivered::Unknown));
    }
}
