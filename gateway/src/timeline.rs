//! The time line: what happened behind the gateway, kept as the last 500 records and sent live to every viewer.
//!
//! A call opens a [`Ticket`] → the function reports where it was placed and how long it ran → the ticket is decided.
//! Meanwhile lines of output and pushes find the invocation by the instance's name. Each change goes out as the
//! record's id only; its JSON is made per viewer, so that a time line without viewers costs next to nothing.
//!
//! Where no page is served there is no [`Recorder`]: nothing is recorded, no event is kept and no lock exists to be
//! taken. A [`Ticket`] then only measures.

mod figures;
mod open;
mod payload;
mod record;
mod recorder;
mod ring;
mod stream;
mod ticket;

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;

pub(crate) use self::{payload::shown_push, record::Verdict, recorder::Recorder};
pub use self::{record::Pushed, ticket::Ticket};
use crate::function::Role;

/// A handle on the time line, shared by every part that has something to report.
#[derive(Debug, Clone)]
pub(crate) struct Timeline {
    recorder: Option<Arc<Recorder>>,
    trace: bool,
}

/// An event on its way to a function.
pub(crate) struct Call<'a> {
    pub(crate) role: Role,
    pub(crate) connection: &'a str,
    pub(crate) event: &'a Bytes,
    /// When the gateway received the frame or request behind the event.
    pub(crate) received: Instant,
    /// How long it was kept back since, because a connection's frames are carried out in order.
    pub(crate) waited: Duration,
    /// Whether a person sends a recorded event again.
    pub(crate) replay: bool,
}

impl Timeline {
    /// With `recording`, the records are kept for the page. With `trace`, each decided invocation is a line of the log.
    pub(crate) fn new(recording: bool, trace: bool) -> Self {
        Self { recorder: recording.then(Arc::default), trace }
    }

    /// The records; `None` where no page is served.
    pub(crate) fn recorder(&self) -> Option<&Arc<Recorder>> {
        self.recorder.as_ref()
    }

    /// An invocation begins.
    pub(crate) fn invocation(&self, call: &Call<'_>) -> Ticket {
        let place = self.recorder.as_ref().map(|recorder| (Arc::clone(recorder), recorder.invocation(call)));
        Ticket::new(call, place, self.trace)
    }

    /// A process was started for an instance, because of this invocation.
    pub(crate) fn instance_started(&self, instance: &str, pid: u32, ticket: &Ticket) {
        if let Some(recorder) = &self.recorder {
            recorder.instance_started(ticket.role(), instance, pid, ticket.id());
        }
    }

    /// The instance has initialised.
    pub(crate) fn instance_ready(&self, instance: &str) {
        if let Some(recorder) = &self.recorder {
            recorder.instance_ready(instance);
        }
    }

    /// The instance's process has ended and its output was read.
    pub(crate) fn instance_ended(&self, role: Role, instance: &str, pid: u32, message: &str) {
        if let Some(recorder) = &self.recorder {
            recorder.instance_ended(role, instance, pid, message);
        }
    }

    /// A line of the instance's output.
    pub(crate) fn line(&self, instance: &str, line: &str) {
        if let Some(recorder) = &self.recorder {
            recorder.line(instance, line);
        }
    }

    /// A connection was opened, refused or closed.
    pub(crate) fn connection(
        &self,
        what: &'static str,
        connection: &str,
        path: &str,
        sub_protocol: Option<&str>,
        message: Option<String>,
    ) {
        if let Some(recorder) = &self.recorder {
            recorder.connection(what, connection, path, sub_protocol, message);
        }
    }
}

/// Milliseconds since 1970.
pub(crate) fn epoch_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds to the microsecond.
fn float_ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    /// There is no lock because there is nothing that has one, and the event keeps its one owner.
    #[test]
    fn without_a_page_nothing_is_recorded_and_no_event_is_kept() {
        let timeline = Timeline::new(false, false);
        let event = Bytes::from(vec![b'x'; 64]);
        let call = Call {
            role: Role::Transfer,
            connection: "id==",
            event: &event,
            received: Instant::now(),
            waited: Duration::ZERO,
            replay: false,
        };
        let ticket = timeline.invocation(&call);
        ticket.queued(Duration::from_millis(1));
        ticket.placed("transfer-1", None);
        assert!(timeline.recorder().is_none());
        assert!(ticket.id().is_none());
        assert!(event.is_unique(), "the ticket holds the event");
        ticket.decide(Verdict::Ok, None, Some(&event));
    }
}
