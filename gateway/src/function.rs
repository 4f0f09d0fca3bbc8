//! Where a function runs: the seam between the gateway and the functions behind it.
//!
//! The gateway knows a function only as [`Function::invoke`]: an event goes in, an answer or a [`Failure`] comes out.
//! Today the one implementation is the `pool`: local processes behind a runtime API each. A function at an HTTP
//! address, or one called through SCF's invoke API, fits here as another.

pub(crate) mod instance;
pub(crate) mod pool;
pub(crate) mod process;
pub mod remote;
pub mod runtime_api;

use std::fmt;

use bytes::Bytes;

use crate::{BoxFuture, timeline::Ticket};

/// Which of a WebSocket API's three functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Decides whether a client may connect.
    Register,
    /// Gets a client's frames.
    Transfer,
    /// Learns that a client has left.
    Cleanup,
}

impl Role {
    /// All three, in the order of a connection's life.
    pub const ALL: [Self; 3] = [Self::Register, Self::Transfer, Self::Cleanup];

    /// `register`, `transfer` or `cleanup`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Transfer => "transfer",
            Self::Cleanup => "cleanup",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Carries out events.
pub trait Function: Send + Sync {
    /// Has one event (JSON) carried out under this request id and returns the answer as the function gave it. The ticket
    /// is told where the event was placed and how long it ran. Dropping the future gives the event up.
    fn invoke<'a>(
        &'a self,
        request_id: &'a str,
        event: Bytes,
        ticket: &'a Ticket,
    ) -> BoxFuture<'a, Result<Bytes, Failure>>;
}

/// Why an event has no answer. The messages are sentences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The function said so itself, or its answer cannot be used.
    Error(String),
    /// It was not initialised, or had not answered, within its time.
    TimedOut(String),
    /// It ended in the middle.
    Crashed(String),
    /// It could not be started, or ended before it was initialised.
    NeverReady(String),
    /// The gateway is shutting down.
    Stopping,
}

impl Failure {
    /// What happened, in two words for a client; the message may hold what only the function's owner should see.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Error(_) => "failed",
            Self::TimedOut(_) => "timed out",
            Self::Crashed(_) => "crashed",
            Self::NeverReady(_) => "did not start",
            Self::Stopping => "is shutting down",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(message)
            | Self::TimedOut(message)
            | Self::Crashed(message)
            | Self::NeverReady(message) => formatter.write_str(message),
            Self::Stopping => formatter.write_str("the gateway is shutting down"),
        }
    }
}

impl std::error::Error for Failure {}
