//! What the gateway reports of its work: to the timeline behind the page, and to any other observer.
//!
//! The parts that do the work hold a [`Reports`] and describe each step as a [`Report`], which only borrows. Without a
//! [`Reporter`] no report is even put together. An invocation is named by its request id throughout.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

pub use super::metrics::labels::InvocationOutcome;
use crate::{
    contract::{Push, Status},
    function::{Role, Timings},
};

/// Receives reports.
///
/// ```
/// use scf_websocket_gateway::report::{Report, Reporter};
///
/// /// Prints each failure.
/// struct Failures;
///
/// impl Reporter for Failures {
///     fn report(&self, report: &Report<'_>) {
///         if let Report::InvocationEnded { role, outcome, message, .. } = report
///             && outcome.is_error()
///         {
///             eprintln!("{role}: {}: {}", outcome.name(), message.unwrap_or_default());
///         }
///     }
/// }
/// ```
pub trait Reporter: Send + Sync {
    /// Takes note of one step. Called where the step happens, so it must neither block nor take long.
    fn report(&self, report: &Report<'_>);
}

/// The reporters of a gateway. Clones share them.
#[derive(Clone, Default)]
pub struct Reports(Arc<[Arc<dyn Reporter>]>);

/// One step of the gateway's work.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Report<'a> {
    /// An event is about to go to a function.
    InvocationBegun {
        /// Names the invocation in the reports that follow.
        request_id: &'a str,
        /// The header `traceparent` that the function gets, if it is not made of the request id.
        trace: Option<&'a str>,
        /// The path of the API whose function it is.
        api: &'a Arc<str>,
        /// Which of the API's functions.
        role: Role,
        /// The connection that the event is about.
        connection: &'a str,
        /// The event's JSON.
        event: &'a Bytes,
        /// When the gateway received the frame or request behind the event.
        received: Instant,
        /// How long it has waited since for the frames before it.
        waited: Duration,
        /// Whether a person sends a recorded event again.
        replay: bool,
    },
    /// The frame behind the event had come compressed.
    FrameInflated {
        /// Names the invocation.
        request_id: &'a str,
        /// The payload's bytes on the wire.
        before: usize,
        /// The payload's bytes once inflated.
        after: usize,
    },
    /// The event's turn has come: it goes to the function's backend.
    InvocationCalled {
        /// Names the invocation.
        request_id: &'a str,
        /// How long it has waited so far.
        queued: Duration,
    },
    /// A backend with instances of its own runs the event on this one. Until the next such report, the instance's
    /// output and pushes belong to this invocation.
    InvocationPlaced {
        /// Names the invocation.
        request_id: &'a str,
        /// The instance's name.
        instance: &'a str,
        /// How long the instance took to start, if it was started for this event.
        started: Option<Duration>,
    },
    /// The invocation is over.
    InvocationEnded {
        /// Names the invocation.
        request_id: &'a str,
        /// Which of the API's functions.
        role: Role,
        /// What it came to.
        outcome: InvocationOutcome,
        /// Why, unless it succeeded.
        message: Option<&'a str>,
        /// The function's answer, if it gave one.
        answer: Option<&'a [u8]>,
        /// As the backend measured them, and `queued` as far as the event waited in the gateway too.
        timings: &'a Timings,
        /// From the frame's or request's arrival until now.
        total: Duration,
    },
    /// An instance's process has started.
    InstanceStarted {
        /// The function's role.
        role: Role,
        /// The instance's name.
        instance: &'a str,
        /// The process.
        pid: u32,
        /// The invocation that it is started for.
        request_id: &'a str,
    },
    /// The instance has initialised.
    InstanceReady {
        /// The instance's name.
        instance: &'a str,
    },
    /// The instance's process has ended and its output was read.
    InstanceEnded {
        /// The function's role.
        role: Role,
        /// The instance's name.
        instance: &'a str,
        /// The process.
        pid: u32,
        /// How it ended.
        message: &'a str,
    },
    /// A line of an instance's output.
    OutputLine {
        /// The instance's name.
        instance: &'a str,
        /// The line, without its end.
        line: &'a str,
    },
    /// A client's connection is open.
    ConnectionOpened {
        /// The connection's id.
        connection: &'a str,
        /// The path that it was opened on.
        path: &'a str,
        /// The agreed sub-protocol.
        sub_protocol: Option<&'a str>,
    },
    /// A client was refused.
    ConnectionRefused {
        /// The id that the connection would have had; `None` if the register function was not called.
        connection: Option<&'a str>,
        /// The path that was asked for.
        path: &'a str,
        /// Why.
        message: &'a str,
    },
    /// A client's connection has ended.
    ConnectionClosed {
        /// The connection's id.
        connection: &'a str,
        /// The path that it was opened on.
        path: &'a str,
        /// The reason's short name, as metrics have it.
        reason: &'static str,
        /// Why, as a sentence.
        message: &'a str,
    },
    /// The push address has answered a request.
    PushAnswered {
        /// Who pushed.
        by: Pusher<'a>,
        /// The push; or the body, if it is no push.
        push: Result<&'a Push, &'a [u8]>,
        /// The answer.
        status: &'a Status,
        /// How many of the connections that the push names it did not reach.
        failed: usize,
    },
}

/// Who pushes, as far as the request says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pusher<'a> {
    /// The instance of this name.
    Instance(&'a str),
    /// A function that passes on the trace id with which it was called.
    Trace(&'a str),
    /// An operator, at the page or by a program.
    Operator,
    /// Anyone else: functions elsewhere, and whoever has the address.
    Unnamed,
}

impl Reports {
    /// For these reporters.
    #[must_use]
    pub fn to(reporters: Vec<Arc<dyn Reporter>>) -> Self {
        Self(reporters.into())
    }

    /// Sends a report to every reporter. It is not put together if there is none.
    pub fn report<'a>(&self, report: impl FnOnce() -> Report<'a>) {
        if self.0.is_empty() {
            return;
        }
        let report = report();
        for reporter in self.0.iter() {
            reporter.report(&report);
        }
    }
}

impl fmt::Debug for Reports {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Reports").field(&self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_reporter_no_report_is_put_together() {
        Reports::default().report(|| unreachable!("there is no reporter"));
    }
}
