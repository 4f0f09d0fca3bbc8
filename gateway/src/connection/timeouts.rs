//! The time limits of clients, except the idle time-out, which each API sets: see [`Api::idle_timeout`](crate::Api).

use std::time::Duration;

/// How long a client may take.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// For the TLS handshake.
    pub tls_handshake: Duration,
    /// From the accepted connection, or the end of the TLS handshake, to the end of the request's head.
    pub request_head: Duration,
    /// Between two pings; a client that sends nothing until the next one is gone.
    pub ping_interval: Duration,
    /// Without taking a byte of what is sent to it.
    pub send: Duration,
    /// To answer a close frame.
    pub close: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            tls_handshake: Duration::from_secs(10),
            request_head: Duration::from_secs(10),
            ping_interval: Duration::from_secs(20),
            send: Duration::from_secs(10),
            close: Duration::from_secs(2),
        }
    }
}
