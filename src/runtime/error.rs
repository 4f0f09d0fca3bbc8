//! Why the loop ended.

use std::fmt;
use std::time::Duration;

use super::api::CallError;

/// Why the loop ended.
#[derive(Debug)]
pub(crate) enum RunError {
    /// The runtime API could not be reached, or refused, for too long.
    RuntimeApiGone {
        /// The call that failed.
        call: &'static str,
        /// For how long it may fail.
        after: Duration,
        /// Its last failure.
        source: CallError,
    },
    /// A thread that the loop needs cannot be started.
    Thread {
        /// What it does.
        name: &'static str,
        /// The error of the operating system.
        source: std::io::Error,
    },
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RuntimeApiGone { call, after, .. } => write!(
                f,
                "giving up: the runtime API's {call} has failed for {} s; the last failure",
                after.as_secs()
            ),
            Self::Thread { name, .. } => write!(f, "cannot start the thread for {name}"),
        }
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::RuntimeApiGone { source, .. } => Some(source),
            Self::Thread { source, .. } => Some(source),
        }
    }
}
