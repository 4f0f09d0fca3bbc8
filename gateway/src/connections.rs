//! Who holds a connection: the seam between the reverse push address and the connections.
//!
//! A connection is known by its id from [`Connections::open`] until [`Connections::leave`] or
//! [`Connections::close`], whichever is first: that one decides whether the client left or a function sent it away.
//! Today [`LocalConnections`] holds them all in this process; several nodes that pass pushes on to each other fit here
//! as another implementation.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::timeout;

use crate::{
    BoxFuture,
    contract::Frame,
    queue::{self, Queued},
};

/// Frames of together this many bytes may wait for one client; a larger amount waits at the push address.
const WAITING_BYTES: u32 = 8 << 20;
/// How long the push address waits for a client that does not read.
const SLOW_CLIENT: Duration = Duration::from_secs(2);

/// Holds connections by their ids.
pub trait Connections: Send + Sync {
    /// From now on what is sent to this id goes into the outbox.
    fn open(&self, id: &str, outbox: Outbox);

    /// The client has left. Whether it was still held: `false` if a function has closed it before.
    fn leave(&self, id: &str) -> bool;

    /// Sends a frame to the client. Returning means that it is on its way behind those before it.
    fn send<'a>(&'a self, id: &'a str, frame: Frame) -> BoxFuture<'a, Result<(), Undelivered>>;

    /// Closes the connection behind the frames that are on their way. From now on the id is unknown.
    fn close<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), Undelivered>>;
}

/// Why something did not reach a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undelivered {
    /// There is no such connection, or no longer.
    Unknown,
    /// The client does not read what was sent before.
    Slow,
}

impl fmt::Display for Undelivered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => formatter.write_str("there is no such connection, or no longer"),
            Self::Slow => write!(
                formatter,
                "the client has not read what was sent to it before, for {} ms",
                SLOW_CLIENT.as_millis()
            ),
        }
    }
}

impl std::error::Error for Undelivered {}

/// What goes to a client.
#[derive(Debug)]
pub(crate) enum Outbound {
    Frame(Frame),
    /// A function closes the connection.
    Close,
}

/// The sending end of what goes to one client.
#[derive(Clone)]
pub struct Outbox(queue::Sender<Outbound>);

impl fmt::Debug for Outbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Outbox")
    }
}

/// The other end: what the client's connection takes from the outbox, in order.
pub(crate) struct Deliveries(queue::Receiver<Outbound>);

/// Both ends for one client.
pub(crate) fn outbox() -> (Outbox, Deliveries) {
    let (sender, receiver) = queue::channel(WAITING_BYTES);
    (Outbox(sender), Deliveries(receiver))
}

impl Outbox {
    async fn send(&self, frame: Frame) -> Result<(), Undelivered> {
        let bytes = frame.len();
        match timeout(SLOW_CLIENT, self.0.send(Outbound::Frame(frame), bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(queue::Closed)) => Err(Undelivered::Unknown),
            Err(_) => Err(Undelivered::Slow),
        }
    }

    fn close(&self) -> Result<(), Undelivered> {
        self.0.send_now(Outbound::Close).map_err(|queue::Closed| Undelivered::Unknown)
    }
}

impl Deliveries {
    /// The next one. Never returns once every outbox is gone.
    pub(crate) async fn next(&mut self) -> Queued<Outbound> {
        match self.0.recv().await {
            Some(outbound) => outbound,
            None => std::future::pending().await,
        }
    }

    /// The next frame if one waits already.
    pub(crate) fn next_waiting(&mut self) -> Option<Queued<Outbound>> {
        self.0.try_recv()
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
            outbox.send(frame).await
        })
    }

    fn close<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(async move { self.outboxes().remove(id).ok_or(Undelivered::Unknown)?.close() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::MAX_EVENT_BYTES;

    #[tokio::test]
    async fn whoever_ends_a_connection_first_has_ended_it() {
        let connections = LocalConnections::default();
        let (outbox, mut deliveries) = outbox();
        connections.open("a", outbox.clone());
        connections.open("b", outbox);
        assert_eq!(connections.close("a").await, Ok(()));
        assert!(!connections.leave("a"), "a function closed it before");
        assert_eq!(connections.close("a").await, Err(Undelivered::Unknown));
        assert!(connections.leave("b"));
        assert_eq!(connections.close("b").await, Err(Undelivered::Unknown));
        assert!(matches!(deliveries.next().await.item, Outbound::Close));
        assert!(deliveries.next_waiting().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_not_waited_for_without_end() {
        let connections = LocalConnections::default();
        let (outbox, _deliveries) = outbox();
        connections.open("a", outbox);
        let frame = || Frame::Text("x".repeat(MAX_EVENT_BYTES));
        assert_eq!(connections.send("a", frame()).await, Ok(()));
        assert_eq!(connections.send("a", frame()).await, Err(Undelivered::Slow));
    }
}
