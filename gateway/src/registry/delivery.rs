//! What is delivered to a client, what is known of it, and what can go wrong.

use std::{
    error, fmt,
    net::IpAddr,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Serialize;

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
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The connection does not exist, or no longer: forget it.
    #[error("there is no such connection, or no longer")]
    NotFound,
    /// The client does not read what was sent before, and is therefore being closed: forget it.
    #[error("the client does not read what is sent to it, and its connection is closed")]
    TooSlow,
    /// The connection cannot be reached now, and may well exist: keep it. With the reason.
    #[error("the connection cannot be reached now: {0}")]
    Unreachable(String),
}

/// Why a registry could not take note of something.
#[derive(Debug, thiserror::Error)]
#[error("the connection registry is unavailable: {0}")]
pub struct RegistryError(#[source] Box<dyn error::Error + Send + Sync>);

impl RegistryError {
    /// With the cause, or a sentence.
    pub fn new(cause: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
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
    /// What has gone through it; `None` if another process has it.
    pub traffic: Option<Traffic>,
}

impl ConnectionInfo {
    /// How long ago the client asked to connect, in milliseconds.
    pub(crate) fn age_ms(&self) -> u64 {
        epoch_ms().saturating_sub(self.connected_at_ms)
    }
}

/// Now, in milliseconds since 1970.
pub(super) fn epoch_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The data frames of a connection, and the bytes of their payloads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Traffic {
    /// Frames from the client.
    pub frames_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Frames to the client.
    pub frames_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
}

impl fmt::Display for Traffic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { frames_in, bytes_in, frames_out, bytes_out } = self;
        write!(
            formatter,
            "{frames_in} frames ({bytes_in} bytes) in, {frames_out} frames ({bytes_out} bytes) out"
        )
    }
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
    /// The valid header `traceparent` that it sent.
    pub(crate) trace: Option<Arc<str>>,
}

#[cfg(test)]
impl NewConnection {
    /// One of this path, on this machine.
    pub(crate) fn on(path: &str, send_queue_bytes: usize) -> Self {
        Self {
            path: path.into(),
            source_ip: std::net::Ipv4Addr::LOCALHOST.into(),
            api: "/chat".into(),
            send_queue_bytes,
            waiting: Gauge::default(),
            trace: None,
        }
    }
}
