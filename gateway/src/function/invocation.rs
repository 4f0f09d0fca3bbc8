//! One invocation from its beginning to its end, as it is reported and traced.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use log::info;

use crate::{
    function::{Invoked, Role, Timings},
    observe::{
        metrics::{ApiMetrics, EventTimer},
        report::{InvocationOutcome, Report, Reports},
    },
};

/// What an invocation is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) api: &'a Arc<str>,
    pub(crate) role: Role,
    pub(crate) connection: &'a str,
    pub(crate) request_id: &'a str,
    /// The header `traceparent` of the client's handshake.
    pub(crate) trace: Option<&'a str>,
    /// When the gateway received the frame or request behind the event.
    pub(crate) received: Instant,
    /// How long it was kept back since, because a connection's frames are carried out in order.
    pub(crate) waited: Duration,
    /// Whether a person sends a recorded event again.
    pub(crate) replay: bool,
}

/// An invocation that has begun. Its end is reported exactly once, also when it is dropped.
pub(crate) struct Invocation<'a> {
    subject: Subject<'a>,
    reports: &'a Reports,
    timer: Option<EventTimer<'a>>,
    /// Whether the end is a line of the log, with the times.
    trace: bool,
    timings: Timings,
    has_ended: bool,
}

impl<'a> Invocation<'a> {
    pub(crate) fn begin(
        subject: Subject<'a>,
        event: &Bytes,
        (reports, metrics): (&'a Reports, &'a ApiMetrics),
        trace: bool,
    ) -> Self {
        reports.report(|| Report::InvocationBegun {
            request_id: subject.request_id,
            trace: subject.trace,
            api: subject.api,
            role: subject.role,
            connection: subject.connection,
            event,
            received: subject.received,
            waited: subject.waited,
            replay: subject.replay,
        });
        let timings = Timings { queued: subject.waited, ..Timings::default() };
        let timer = Some(metrics.event(subject.role));
        Self { subject, reports, timer, trace, timings, has_ended: false }
    }

    pub(crate) fn subject(&self) -> Subject<'a> {
        self.subject
    }

    /// The event's turn has come after this time.
    pub(crate) fn called(&mut self, queued: Duration) {
        self.timings.queued += queued;
        let (request_id, queued) = (self.subject.request_id, self.timings.queued);
        self.reports.report(|| Report::InvocationCalled { request_id, queued });
    }

    /// Takes over the backend's times.
    pub(crate) fn measured(&mut self, invoked: &mut Invoked) {
        let queued = self.timings.queued + invoked.timings.queued;
        self.timings = Timings { queued, ..std::mem::take(&mut invoked.timings) };
    }

    /// The invocation is over.
    pub(crate) fn end(mut self, outcome: InvocationOutcome, message: Option<&str>, answer: Option<&[u8]>) {
        self.close(outcome, message, answer);
    }

    fn close(&mut self, outcome: InvocationOutcome, message: Option<&str>, answer: Option<&[u8]>) {
        self.has_ended = true;
        if let Some(timer) = self.timer.take() {
            timer.finish(outcome);
        }
        let total = self.subject.received.elapsed();
        self.reports.report(|| Report::InvocationEnded {
            request_id: self.subject.request_id,
            role: self.subject.role,
            outcome,
            message,
            answer,
            timings: &self.timings,
            total,
        });
        if self.trace {
            self.trace(outcome, total);
        }
    }

    fn trace(&self, outcome: InvocationOutcome, total: Duration) {
        let timings = &self.timings;
        let Subject { connection, request_id, role, .. } = self.subject;
        let (role, outcome) = (role.name(), outcome.name());
        let instance = timings.instance.as_deref().unwrap_or("-");
        let (queued_ms, init_ms) = (ms(timings.queued), ms(timings.started.unwrap_or_default()));
        let function_ms = ms(timings.ran.unwrap_or_default());
        let (total_ms, gateway_ms) = (ms(total), ms(timings.remainder(total)));
        info!(
            connection, request_id, role, instance, outcome, queued_ms, init_ms, function_ms, total_ms, gateway_ms;
            "trace role={role} instance={instance} connection={connection} request={request_id} outcome={outcome} \
             queued_ms={queued_ms:.3} init_ms={init_ms:.3} function_ms={function_ms:.3} total_ms={total_ms:.3} \
             gateway_ms={gateway_ms:.3}"
        );
    }
}

impl Drop for Invocation<'_> {
    /// An event that is dropped with the future that carries it out is over too.
    fn drop(&mut self) {
        if !self.has_ended {
            let message = "given up: the caller no longer waits for it";
            self.close(InvocationOutcome::Abandoned, Some(message), None);
        }
    }
}

/// To the microsecond.
fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::metrics::Metrics;

    #[test]
    fn without_a_reporter_the_event_is_not_kept() {
        let event = Bytes::from(vec![b'x'; 64]);
        let subject = Subject {
            api: &"/".into(),
            role: Role::Transfer,
            connection: "id==",
            request_id: "1",
            trace: None,
            received: Instant::now(),
            waited: Duration::ZERO,
            replay: false,
        };
        let (reports, metrics) = (Reports::default(), Metrics::new().api("/"));
        let mut invocation = Invocation::begin(subject, &event, (&reports, &metrics), false);
        invocation.called(Duration::from_millis(1));
        assert!(event.is_unique(), "the invocation holds the event");
        invocation.end(InvocationOutcome::Ok, None, Some(&event));
    }
}
