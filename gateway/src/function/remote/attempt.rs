//! One attempt at a call, and what a failed one means for the next.

use std::{fmt, time::Duration};

use bytes::Bytes;

use super::backend::{Call, Failure};
use crate::{BoxFuture, function::Role};

/// A way to reach a function.
pub trait Attempt: Send + Sync + fmt::Debug {
    /// How messages name the function, for example `scf:chat-register`.
    fn name(&self) -> &str;

    /// Carries the event out, once. The caller sets the limit on its time.
    fn attempt<'a>(&'a self, call: &'a Call<'_>) -> BoxFuture<'a, Result<Answer, Setback>>;

    /// Finds out whether the function could be called, without calling it. Either is a sentence.
    fn check(&self) -> BoxFuture<'_, Result<String, String>>;
}

/// A function's answer.
#[derive(Debug)]
pub struct Answer {
    /// As the function gave it.
    pub body: Bytes,
    /// How long the function ran, if its platform says so.
    pub ran: Option<Duration>,
}

/// An attempt that failed.
#[derive(Debug)]
pub struct Setback {
    /// What the caller receives if it is not tried again.
    pub failure: Failure,
    /// Whether another attempt can help and does no harm.
    pub repeat: Repeat,
    /// Whether it says that the backend is down.
    pub down: bool,
    /// The earliest time for another attempt, if the backend named one.
    pub retry_after: Option<Duration>,
}

/// Whether another attempt can help and does no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It would fail again.
    Never,
    /// The function may have run. To register a client twice, or to clean up after it twice, does no harm; a frame
    /// would be delivered twice.
    UnlessFrame,
    /// The function did not run.
    Always,
}

impl Repeat {
    /// Whether another attempt is allowed for an event of this role.
    #[must_use]
    pub fn allows(self, role: Role) -> bool {
        match self {
            Self::Never => false,
            Self::UnlessFrame => role != Role::Transfer,
            Self::Always => true,
        }
    }
}

impl Setback {
    /// A failure that another attempt cannot help, of a backend that is up.
    #[must_use]
    pub fn last(failure: Failure) -> Self {
        Self { failure, repeat: Repeat::Never, down: false, retry_after: None }
    }

    /// A backend that is up and did not let the function run.
    #[must_use]
    pub fn not_now(message: String) -> Self {
        Self {
            failure: Failure::Unavailable(message),
            repeat: Repeat::Always,
            down: false,
            retry_after: None,
        }
    }

    /// A backend that is down.
    #[must_use]
    pub fn down(message: String, repeat: Repeat) -> Self {
        Self { failure: Failure::Unavailable(message), repeat, down: true, retry_after: None }
    }
}
