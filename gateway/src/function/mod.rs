//! Where a function runs: the seam between the gateway and the functions behind it.
//!
//! The gateway knows a function only as a [`FunctionBackend`]: an event goes in, an answer or a [`Failure`] comes out,
//! with the times that it took. [`local`] runs processes on this machine, [`remote`] calls functions elsewhere.

pub(crate) mod call_limit;
pub(crate) mod integration_response;
pub(crate) mod invocation;
pub(crate) mod invoke;
pub mod local;
mod message;
pub mod remote;
pub mod runtime_api;

use std::{
    fmt,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;

pub use self::{message::FailureMessage, remote::circuit::CircuitState};

/// Which of a WebSocket API's three functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Decides whether a client may connect.
    Register,
    /// Receives a client's frames.
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

/// A function somewhere: a local process, an HTTP address, a function in the cloud.
///
/// ```
/// use scf_websocket_gateway::{
///     BoxFuture,
///     function::{Call, FunctionBackend, Invoked, Timings},
/// };
///
/// /// Accepts each client, and answers nothing else.
/// struct Accept;
///
/// impl FunctionBackend for Accept {
///     fn invoke<'a>(&'a self, _: Call<'a>) -> BoxFuture<'a, Invoked> {
///         Box::pin(async { Invoked::new(Ok(r#"{"errNo":0,"errMsg":"ok"}"#.into()), Timings::default()) })
///     }
///
///     fn stop(&self) -> BoxFuture<'_, ()> {
///         Box::pin(async {})
///     }
/// }
/// ```
pub trait FunctionBackend: Send + Sync {
    /// Carries out one event. Dropping the future gives the event up.
    fn invoke<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Invoked>;

    /// Whether it is called, of a backend that is not called while it is down.
    fn circuit(&self) -> Option<CircuitState> {
        None
    }

    /// What a call may take. A client that asks to connect waits no longer than this in all: for its turn, and for the
    /// register function. `None`: as long as it takes.
    fn timeout(&self) -> Option<Duration> {
        None
    }

    /// Ends what it has started and waits until it is gone.
    fn stop(&self) -> BoxFuture<'_, ()>;
}

/// One event for a function.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Call<'a> {
    /// Which of the API's functions.
    pub role: Role,
    /// The id of the connection that the event is about.
    pub connection: &'a str,
    /// A UUID; the log names the invocation by it.
    pub request_id: &'a str,
    /// The event's JSON, 6 MiB at most.
    pub event: Bytes,
    /// When nobody waits for the answer any more, if that is before the function's own time-out.
    pub deadline: Option<Instant>,
    /// The header `traceparent` with which the client asked to connect.
    pub trace: Option<&'a str>,
}

impl<'a> Call<'a> {
    /// An event for a function.
    #[must_use]
    pub fn new(role: Role, connection: &'a str, request_id: &'a str, event: Bytes) -> Self {
        Self { role, connection, request_id, event, deadline: None, trace: None }
    }
}

/// What a call came to, and how long it took.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Invoked {
    /// The function's answer as it gave it.
    pub result: Result<Bytes, Failure>,
    /// The times, also of a call that failed.
    pub timings: Timings,
}

impl Invoked {
    /// The result of a call, with its times.
    #[must_use]
    pub fn new(result: Result<Bytes, Failure>, timings: Timings) -> Self {
        Self { result, timings }
    }
}

/// Where the time of a call went. What is not in here is counted as the gateway's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// How long the event waited in the backend before anything was done for it.
    pub queued: Duration,
    /// How long an instance took to start for this event; `None` if none was started.
    pub started: Option<Duration>,
    /// How long the function itself ran; `None` if it never began.
    pub ran: Option<Duration>,
    /// The name of the instance that ran it, if the backend knows.
    pub instance: Option<String>,
}

impl Timings {
    /// What remains of the total for the gateway itself.
    pub(crate) fn remainder(&self, total: Duration) -> Duration {
        let elsewhere = self.queued + self.started.unwrap_or_default() + self.ran.unwrap_or_default();
        total.saturating_sub(elsewhere)
    }
}

/// Why an event has no answer. The messages are for the log; they may hold what only the function's owner should see.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The function said so itself, or its answer cannot be used.
    #[error("{0}")]
    Error(FailureMessage),
    /// It was not initialised, or had not answered, within its time.
    #[error("{0}")]
    TimedOut(FailureMessage),
    /// It ended in the middle.
    #[error("{0}")]
    Crashed(FailureMessage),
    /// It could not be started, or ended before it was initialised.
    #[error("{0}")]
    NeverReady(FailureMessage),
    /// The backend has too much to do. The function did not run.
    #[error("the backend is overloaded; retry after {} s", retry_after.as_secs_f64())]
    Overloaded {
        /// When another attempt makes sense.
        retry_after: Duration,
    },
    /// The backend cannot be reached, or accepts no calls at present. The function did not run.
    #[error("{0}")]
    Unavailable(FailureMessage),
    /// The backend has been down for a while and is not called for now. The function did not run.
    #[error("not called for now, because it is down: {why}")]
    CircuitOpen {
        /// Why it counts as down: a sentence.
        why: FailureMessage,
        /// When it is called again.
        retry_after: Duration,
    },
    /// It cannot be called as it is configured: a wrong name, region or key. The function did not run.
    #[error("{0}")]
    Misconfigured(FailureMessage),
    /// The gateway is shutting down.
    #[error("the gateway is shutting down")]
    Stopping,
}

impl Failure {
    /// Whether it says something about the backend and nothing about the event. The function did not run.
    #[must_use]
    pub(crate) fn is_of_backend(&self) -> bool {
        matches!(
            self,
            Self::Overloaded { .. }
                | Self::Unavailable(_)
                | Self::CircuitOpen { .. }
                | Self::Misconfigured(_)
        )
    }

    /// Whether the function may have run, and its answer is not known.
    #[must_use]
    pub(crate) fn may_have_run(&self) -> bool {
        matches!(self, Self::Error(_) | Self::TimedOut(_) | Self::Crashed(_))
    }

    /// What happened, in a few words that a client may see.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Error(_) => "failed",
            Self::TimedOut(_) => "timed out",
            Self::Crashed(_) => "crashed",
            Self::NeverReady(_) => "did not start",
            Self::Overloaded { .. } => "is overloaded",
            Self::Unavailable(_) | Self::CircuitOpen { .. } => "is unavailable",
            Self::Misconfigured(_) => "cannot be called",
            Self::Stopping => "is shutting down",
        }
    }
}
