//! The seam between the gateway and the functions behind it.

use std::{fmt, time::Duration};

use bytes::Bytes;

use crate::{BoxFuture, function::Role};

/// A function somewhere: a local process, an HTTP address, a function in the cloud.
pub trait FunctionBackend: Send + Sync {
    /// Carries out one event. Dropping the future gives the event up.
    fn invoke<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Invoked>;

    /// Ends what it has started and waits until it is gone.
    fn stop(&self) -> BoxFuture<'_, ()>;
}

/// One event to carry out.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// What the function is to the API.
    pub role: Role,
    /// The connection that the event is about.
    pub connection: &'a str,
    /// A UUID.
    pub request_id: &'a str,
    /// JSON.
    pub event: Bytes,
}

/// What became of an event.
#[derive(Debug)]
pub struct Invoked {
    /// The answer as the function gave it.
    pub result: Result<Bytes, Failure>,
    /// Where the time went.
    pub timings: Timings,
}

/// Where an event's time went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timings {
    /// Waiting until the event could be carried out.
    pub queued: Duration,
    /// Starting an instance for it, if one was started.
    pub started: Option<Duration>,
    /// Carrying it out, if that began.
    pub ran: Option<Duration>,
    /// The instance that carried it out, if it has a name.
    pub instance: Option<String>,
}

/// Why an event has no answer. The messages are sentences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The function reported it, or its answer cannot be used, or it cannot be called as configured.
    Error(String),
    /// It was not initialised, or had not answered, within its time.
    TimedOut(String),
    /// It ended in the middle.
    Crashed(String),
    /// It could not be started, or ended before it was initialised.
    NeverReady(String),
    /// As many calls as allowed are running and waiting.
    Overloaded {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// It cannot be reached, or accepts no calls at present.
    Unavailable(String),
    /// It has failed for a while and is not called for now.
    CircuitOpen {
        /// Why: a sentence.
        why: String,
        /// When it is called again.
        retry_after: Duration,
    },
    /// The gateway is shutting down.
    Stopping,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(message)
            | Self::TimedOut(message)
            | Self::Crashed(message)
            | Self::NeverReady(message)
            | Self::Unavailable(message) => formatter.write_str(message),
            Self::Overloaded { retry_after } => write!(
                formatter,
                "too many calls are running and waiting; try again in {} s",
                retry_after.as_secs().max(1)
            ),
            Self::CircuitOpen { why, .. } => {
                write!(formatter, "not called for now, because it is down: {why}")
            }
            Self::Stopping => formatter.write_str("the gateway is shutting down"),
        }
    }
}

impl std::error::Error for Failure {}
