//! What is delivered to a client, what is known of it, and what can go wrong.

use std::{error, fmt, net::IpAddr, sync::Arc};

use crate::{
    contract::{Attributes, Close, Frame},
    observe::metrics::Gauge,
};

/// What goes to a client. Clones share the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// A frame.
    Frame(Frame),
    /// The end of the connection, behind the frames that wait. From now on its id is unknown.
    Close(Close),
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
    /// What the register function has said of the client.
    pub attributes: Option<Arc<Attributes>>,
}

/// A client that asks to connect.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewConnection {
    /// The path that it asks for, without its query.
    pub path: Arc<str>,
    /// Its address.
    pub source_ip: IpAddr,
    /// The path of the API that it belongs to.
    pub api: Arc<str>,
    /// How many bytes may wait to be sent to it.
    pub send_queue_bytes: usize,
    /// Shows what waits to be sent to all clients together.
    pub(crate) waiting: Gauge,
}
