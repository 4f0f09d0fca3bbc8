//! How much clients may do: connections in total and from one address, handshakes from one address, frames on one
//! connection.
//!
//! `Admission::admit` → a `Permit` for as long as the connection is there, or the `Limit` that refuses it.
//! `FrameRate` belongs to one connection. Neither has a task or a timer; time is looked at when something happens.
//!
//! An address is an IPv4 address, or the first 64 bits of an IPv6 address: a single customer of a provider has as many
//! IPv6 addresses as it likes.

mod admission;
mod attributes;
mod count;
mod frame_rate;
mod tcp;
mod unfinished;

use std::{collections::BTreeMap, num::NonZeroU32};

use axum::http::StatusCode;

pub(crate) use self::{admission::Admission, count::Permit, frame_rate::FrameRate};
pub(crate) use self::{
    attributes::{AttributeCount, AttributePermit},
    tcp::{Listener, TcpConnections},
    unfinished::{UnfinishedMessages, UnfinishedShare},
};

/// The settings, by the names of the file's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Connections of all clients.
    pub connections: usize,
    /// Connections of an address.
    pub connections_per_ip: usize,
    /// Handshakes of an address in a second, those that are refused included.
    pub handshakes_per_second_per_ip: NonZeroU32,
    /// Frames from a client in a second. A client that was quiet for a second may send as many at once. Fragments of
    /// messages have a budget of their own, a hundred times as large; the last one of a message counts as a frame.
    pub frames_per_second: NonZeroU32,
    /// The payload of a frame.
    pub frame_bytes: usize,
    /// What waits to be sent to one client.
    pub send_queue_bytes: usize,
    /// What has arrived of messages that are not complete, of all connections together.
    pub unfinished_bytes: usize,
    /// From the first byte of a message to its last.
    pub message_seconds: NonZeroU32,
    /// TCP connections of an address, whatever becomes of them.
    pub tcp_connections_per_ip: usize,
    /// Connections with the same value of an attribute, by its name.
    pub connections_per_attribute: BTreeMap<String, usize>,
}

/// All that a connection counts for. In one place, because each open connection has it and seldom needs it.
#[derive(Debug)]
pub(crate) struct Permits {
    pub(crate) connection: Permit,
    pub(crate) by_attribute: Option<AttributePermit>,
}

impl Permits {
    /// The connection does not count any more.
    pub(crate) fn release(&self) {
        self.connection.release();
        if let Some(permit) = &self.by_attribute {
            permit.release();
        }
    }
}

const THIRTY: NonZeroU32 = NonZeroU32::MIN.saturating_add(29);
const ONE_HUNDRED: NonZeroU32 = NonZeroU32::MIN.saturating_add(99);

impl Limits {
    /// Neither connections nor handshakes nor frames are limited in their number.
    #[must_use]
    pub(crate) fn unlimited() -> Self {
        Self {
            connections: usize::MAX,
            connections_per_ip: usize::MAX,
            handshakes_per_second_per_ip: NonZeroU32::MAX,
            frames_per_second: NonZeroU32::MAX,
            tcp_connections_per_ip: usize::MAX,
            ..Self::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 100_000,
            connections_per_ip: 1000,
            handshakes_per_second_per_ip: ONE_HUNDRED,
            frames_per_second: ONE_HUNDRED,
            frame_bytes: 6 << 20,
            send_queue_bytes: 1 << 20,
            unfinished_bytes: 256 << 20,
            message_seconds: THIRTY,
            tcp_connections_per_ip: 2000,
            connections_per_attribute: BTreeMap::new(),
        }
    }
}

/// A limit that a client has met, and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Limit {
    /// There are this many connections already.
    #[error("the gateway has {0} connections, its limit")]
    Connections(usize),
    /// The client's address has this many connections already.
    #[error("this address has {0} connections, its limit")]
    ConnectionsPerIp(usize),
    /// The client's address makes more handshakes a second than this.
    #[error("this address makes more than {0} handshakes a second")]
    HandshakesPerSecondPerIp(NonZeroU32),
    /// The client sends more frames a second than this.
    #[error("more than {0} frames a second")]
    FramesPerSecond(NonZeroU32),
    /// The client sends a frame with more bytes than this.
    #[error("a frame has more than {0} bytes")]
    FrameBytes(usize),
    /// More bytes than this wait to be sent to the client.
    #[error("more than {0} bytes wait for the client")]
    SendQueueBytes(usize),
    /// The unfinished messages of all clients have more bytes than this, and the client's is among the largest.
    #[error("the unfinished messages of all clients have more than {0} bytes")]
    UnfinishedBytes(usize),
    /// The client takes longer than this for a message.
    #[error("a message takes longer than {0} s")]
    MessageSeconds(NonZeroU32),
    /// The client's address has this many TCP connections already.
    #[error("this address has {0} TCP connections, its limit")]
    TcpConnectionsPerIp(usize),
    /// There are this many connections already with one of the client's attributes.
    #[error("this client has {0} connections, its limit")]
    ConnectionsPerAttribute(usize),
    /// There are as many connections already as fit into the process' limit of open files.
    #[error("there are {0} connections, as many as open files allow")]
    OpenFiles(usize),
}

/// The keys of all limits that are a `Limit`; the last one is no key of the file, but what the system sets.
pub const KEYS: [&str; 11] = [
    "connections",
    "connections_per_ip",
    "handshakes_per_second_per_ip",
    "frames_per_second",
    "frame_bytes",
    "send_queue_bytes",
    "unfinished_bytes",
    "message_seconds",
    "tcp_connections_per_ip",
    "connections_per_attribute",
    "open_files",
];

impl Limits {
    /// Each with its key.
    #[must_use]
    pub fn entries(&self) -> [(&'static str, u64); 9] {
        let values = [
            self.connections as u64,
            self.connections_per_ip as u64,
            self.handshakes_per_second_per_ip.get().into(),
            self.frames_per_second.get().into(),
            self.frame_bytes as u64,
            self.send_queue_bytes as u64,
            self.unfinished_bytes as u64,
            self.message_seconds.get().into(),
            self.tcp_connections_per_ip as u64,
        ];
        std::array::from_fn(|index| (KEYS[index], values[index]))
    }
}

/// What a client receives when it meets a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// Its handshake is refused with this status.
    Status(StatusCode),
    /// Its connection is closed with this code.
    Close(u16),
}

impl Limit {
    /// The key of `[limits]` that sets it; also its name in logs and metrics.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Connections(_) => "connections",
            Self::ConnectionsPerIp(_) => "connections_per_ip",
            Self::HandshakesPerSecondPerIp(_) => "handshakes_per_second_per_ip",
            Self::FramesPerSecond(_) => "frames_per_second",
            Self::FrameBytes(_) => "frame_bytes",
            Self::SendQueueBytes(_) => "send_queue_bytes",
            Self::UnfinishedBytes(_) => "unfinished_bytes",
            Self::MessageSeconds(_) => "message_seconds",
            Self::TcpConnectionsPerIp(_) => "tcp_connections_per_ip",
            Self::ConnectionsPerAttribute(_) => "connections_per_attribute",
            Self::OpenFiles(_) => "open_files",
        }
    }

    /// What the client receives: 503 if another node may have capacity, 429 if the client itself is too much, 1008 or
    /// 1009 if it is connected.
    #[must_use]
    pub fn rejection(self) -> Rejection {
        match self {
            Self::Connections(_) | Self::TcpConnectionsPerIp(_) | Self::OpenFiles(_) => {
                Rejection::Status(StatusCode::SERVICE_UNAVAILABLE)
            }
            Self::ConnectionsPerIp(_)
            | Self::ConnectionsPerAttribute(_)
            | Self::HandshakesPerSecondPerIp(_) => Rejection::Status(StatusCode::TOO_MANY_REQUESTS),
            Self::FramesPerSecond(_)
            | Self::SendQueueBytes(_)
            | Self::UnfinishedBytes(_)
            | Self::MessageSeconds(_) => Rejection::Close(1008),
            Self::FrameBytes(_) => Rejection::Close(1009),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_names_its_key_and_fits_into_a_close_frame() {
        let limits = [
            Limit::Connections(usize::MAX),
            Limit::ConnectionsPerIp(usize::MAX),
            Limit::HandshakesPerSecondPerIp(NonZeroU32::MAX),
            Limit::FramesPerSecond(NonZeroU32::MAX),
            Limit::FrameBytes(usize::MAX),
            Limit::SendQueueBytes(usize::MAX),
            Limit::UnfinishedBytes(usize::MAX),
            Limit::MessageSeconds(NonZeroU32::MAX),
            Limit::TcpConnectionsPerIp(usize::MAX),
            Limit::ConnectionsPerAttribute(usize::MAX),
            Limit::OpenFiles(usize::MAX),
        ];
        assert_eq!(limits.map(Limit::key), KEYS);
        for limit in limits {
            assert!(limit.to_string().len() <= 123, "{limit}");
            match limit.rejection() {
                Rejection::Status(status) => assert!(status == 503 || status == 429, "{limit}"),
                Rejection::Close(code) => assert!(code == 1008 || code == 1009, "{limit}"),
            }
        }
    }
}
