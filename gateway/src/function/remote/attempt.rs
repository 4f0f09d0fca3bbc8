//! One attempt at a call, and what a failed one means for the next.

use std::{fmt, time::Duration};

use bytes::Bytes;

use crate::{
    BoxFuture,
    function::{Call, Failure, Role},
};

/// A way to reach a function.
pub trait Attempt: Send + Sync + fmt::Debug {
    /// How messages name the function, for example `scf:chat-register`.
    fn name(&self) -> &str;

    /// Carries the event out, once. The caller sets the limit on its time.
    fn attempt<'a>(&'a self, call: &'a Call<'_>) -> BoxFuture<'a, Result<FunctionAnswer, AttemptError>>;

    /// Finds out whether the function could be called, without calling it. Either is a sentence.
    fn check(&self) -> BoxFuture<'_, Result<String, String>>;
}

/// A function's answer.
#[derive(Debug)]
pub struct FunctionAnswer {
    /// As the function gave it.
    pub body: Bytes,
    /// How long the function ran, if its platform says so.
    pub ran: Option<Duration>,
}

/// An attempt that failed.
#[derive(Debug)]
pub struct AttemptError {
    /// What the caller receives if it is not tried again.
    pub failure: Failure,
    /// Whether another attempt can help and does no harm.
    pub retryable: Retryable,
    /// What it says about the backend.
    pub backend: Backend,
    /// The earliest time for another attempt, if the backend named one.
    pub retry_after: Option<Duration>,
}

/// What an attempt says about the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// It answered, whatever that was.
    Up,
    /// It cannot be reached, or failed as a whole.
    Down,
    /// Nothing, because it was not asked.
    Unknown,
}

/// Whether another attempt can help and does no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retryable {
    /// It would fail again.
    Never,
    /// The function may have run. To register a client twice, or to clean up after it twice, does no harm; a frame
    /// would be delivered twice.
    IfIdempotent,
    /// The function did not run.
    Always,
}

impl Retryable {
    /// Whether another attempt is allowed for an event of this role.
    #[must_use]
    pub fn allows(self, role: Role) -> bool {
        match self {
            Self::Never => false,
            Self::IfIdempotent => role != Role::Transfer,
            Self::Always => true,
        }
    }
}

impl AttemptError {
    /// A failure that another attempt cannot help, of a backend that is up.
    #[must_use]
    pub(crate) fn permanent(failure: Failure) -> Self {
        Self { failure, retryable: Retryable::Never, backend: Backend::Up, retry_after: None }
    }

    /// A failure before the backend was asked, that another attempt cannot help.
    #[must_use]
    pub(crate) fn not_sent(message: String) -> Self {
        Self {
            failure: Failure::Error(message.into()),
            retryable: Retryable::Never,
            backend: Backend::Unknown,
            retry_after: None,
        }
    }

    /// A backend that is up and did not let the function run.
    #[must_use]
    pub(crate) fn not_run(message: String) -> Self {
        Self {
            failure: Failure::Unavailable(message.into()),
            retryable: Retryable::Always,
            backend: Backend::Up,
            retry_after: None,
        }
    }

    /// A backend that is down.
    #[must_use]
    pub fn down(message: String, retryable: Retryable) -> Self {
        Self {
            failure: Failure::Unavailable(message.into()),
            retryable,
            backend: Backend::Down,
            retry_after: None,
        }
    }
}
