//! Who holds a connection: the seam between whatever pushes to clients and the connections.
//!
//! A connection is known by its id from [`ConnectionRegistry::add`] until it is removed or closed, whichever comes
//! first; that decides whether the client left or a function closed the connection. [`MemoryRegistry`] holds the
//! connections of this process alone. A registry that spans several nodes keeps the outboxes of its own connections,
//! and passes deliveries for the others on; that is why every method is asynchronous and may fail.

mod memory;
mod outbox;
mod send_queue;

use std::{error, fmt, net::IpAddr, sync::Arc};

use futures_util::future::BoxFuture;

pub use self::{memory::MemoryRegistry, outbox::Outbox};
pub(crate) use self::{
    outbox::{Deliveries, outbox},
    send_queue::QueueEnd,
};
use crate::contract::Frame;

/// Holds connections by their ids.
pub trait ConnectionRegistry: Send + Sync {
    /// Makes a connection known: from now on deliveries for this id go into the outbox. The caller removes it even if
    /// this fails, because another node may have taken note of it.
    fn add<'a>(&'a self, id: &'a str, outbox: Outbox) -> BoxFuture<'a, Result<(), RegistryError>>;

    /// The client has left. Whether the connection was still known: `false` if a function closed it before.
    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, RegistryError>>;

    /// Delivers the same to each of the connections, and returns a result for each, in their order. Success means that
    /// the delivery is in the client's queue, behind those before it. Never waits for a client: one that does not read
    /// is closed.
    fn deliver<'a>(
        &'a self,
        ids: &'a [String],
        delivery: Delivery,
    ) -> BoxFuture<'a, Vec<Result<(), DeliveryError>>>;

    /// What is known of a connection.
    fn look_up<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<ConnectionInfo, DeliveryError>>;
}

/// What goes to a client. Clones share the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// A frame.
    Frame(Frame),
    /// The end of the connection, behind the frames that wait. From now on its id is unknown.
    Close,
}

/// Why something was not delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The connection does not exist, or no longer: forget it.
    NotFound,
    /// The client does not read what was sent before, and is therefore being closed: forget it.
    TooSlow,
    /// The connection cannot be reached now, and may well exist: keep it. With the reason.
    Unreachable(String),
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => formatter.write_str("there is no such connection, or no longer"),
            Self::TooSlow => formatter
                .write_str("the client does not read what is sent to it, and its connection is closed"),
            Self::Unreachable(why) => write!(formatter, "the connection cannot be reached now: {why}"),
        }
    }
}

impl error::Error for DeliveryError {}

/// Why a registry could not take note of something.
#[derive(Debug)]
pub struct RegistryError(Box<dyn error::Error + Send + Sync>);

impl RegistryError {
    /// With the cause, or a sentence.
    pub fn new(cause: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

impl fmt::Display for RegistryError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the connection registry is unavailable: {}", self.0)
    }
}

impl error::Error for RegistryError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(self.0.as_ref())
    }
}

/// What is known of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// The path that the client asked for, without its query.
    pub path: Arc<str>,
    /// The client's address.
    pub source_ip: IpAddr,
    /// When the client asked to connect, in milliseconds since 1970.
    pub connected_at_ms: u64,
    /// When a data frame last went through in either direction, in milliseconds since 1970.
    pub last_active_at_ms: u64,
    /// How many bytes wait to be sent to the client, with an overhead for each frame.
    pub waiting_bytes: usize,
}
