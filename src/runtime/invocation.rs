//! One invocation, from its offer to its delivered outcome. Each state is a type and is consumed by the next.
//!
//! [`Offered`] → [`Running`] → [`Completed`] → [`Delivered`]. No transition leads back, so an event cannot be handled
//! twice. A delivered outcome is only sent again through [`Delivered::offered_again`], which takes a new offer of the
//! same event.

use std::any::Any;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use log::{Level, debug, log};

use super::watchdog::{Watchdog, Watched};
use crate::answer::Answer;
use crate::context;
use crate::dispatch::Dispatcher;
use crate::error::{Error, Result};
use crate::event::{Event, EventError, MAX_BYTES};
use crate::log_text::{push_escaped, push_milliseconds};

/// Beyond this size, the memory weighs more than its allocation.
const MAX_KEPT_BYTES: usize = 64 * 1024;

/// An event that SCF has handed out and that has not been handled yet.
pub(super) struct Offered {
    request_id: Option<String>,
    /// `None` for a body above the limit, which is not kept.
    body: Option<Vec<u8>>,
    received: Instant,
    time_limit: Duration,
    memory_limit_mb: Option<u64>,
}

/// An event that is being handled, watched by the watchdog.
pub(super) struct Running<'w> {
    offered: Offered,
    watched: Watched<'w>,
}

/// An event that has been handled and whose outcome has to be delivered.
pub(super) struct Completed {
    request_id: Option<String>,
    event: Option<Vec<u8>>,
    content: OutcomeContent,
    latest: Instant,
}

/// An event whose outcome SCF has accepted or refused, or that was too late. The outcome is kept, because SCF offers the
/// event again if no outcome has reached it.
pub(super) struct Delivered(Completed);

/// Memory that invocations leave to later ones: allocating it anew would take a twentieth of a short one.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) request_id: String,
    pub(super) body: Vec<u8>,
    pub(super) line: String,
}

enum OutcomeContent {
    /// The event itself, unchanged.
    Event,
    Answer(String),
    Error(String),
}

/// What is reported to the runtime API.
pub(super) enum Outcome<'d> {
    Response(&'d [u8]),
    Error(&'d str),
}

impl Buffers {
    /// Keeps what the outcome occupies, if it is not much.
    pub(super) fn take_back(&mut self, unused: Option<Delivered>) {
        self.line.shrink_to(MAX_KEPT_BYTES);
        let Some(Delivered(Completed { request_id, event, .. })) = unused else { return };
        self.request_id = request_id.unwrap_or_default();
        self.body = event.filter(|event| event.capacity() <= MAX_KEPT_BYTES).unwrap_or_default();
    }
}

impl Offered {
    pub(super) fn new(
        request_id: Option<String>,
        body: Option<Vec<u8>>,
        received: Instant,
        time_limit: Duration,
        memory_limit_mb: Option<u64>,
    ) -> Self {
        Self { request_id, body, received, time_limit, memory_limit_mb }
    }

    pub(super) fn request_id(&self) -> &str {
        self.request_id.as_deref().unwrap_or("-")
    }

    fn latest(&self) -> Instant {
        self.received + self.time_limit
    }

    /// The time limit, less what delivering the outcome takes.
    fn deadline(&self) -> Instant {
        self.received + self.time_limit.saturating_sub(margin(self.time_limit))
    }

    /// When a handler that should have ended at the deadline counts as stuck.
    fn alarm(&self) -> Instant {
        self.received + self.time_limit.saturating_sub(margin(self.time_limit) / 2)
    }

    pub(super) fn begin(self, watchdog: &Watchdog) -> Running<'_> {
        let watched = watchdog.watch(self.request_id(), self.alarm());
        Running { offered: self, watched }
    }

    fn handle(self, dispatcher: &mut Dispatcher, line: &mut String) -> Completed {
        let invocation = context::Invocation {
            request_id: self.request_id(),
            deadline: self.deadline(),
            memory_limit_mb: self.memory_limit_mb,
        };
        let parsed = self.body.as_deref().ok_or(EventError::TooLong).and_then(Event::parse);
        let (role, connection) = match &parsed {
            Ok(event) => (dispatcher.role().name(), event.connection_for_log()),
            Err(_) => ("-", "-"),
        };
        debug!(
            "event request_id={} {:?}",
            invocation.request_id,
            self.body.as_deref().map(String::from_utf8_lossy)
        );
        let result = parsed
            .as_ref()
            .map_err(|e| e.clone().into())
            .and_then(|event| caught(|| dispatcher.handle(event, invocation)))
            .and_then(limited);
        let (level, outcome) = match &result {
            Ok(answer) if answer.err_no() == 0 => (Level::Info, Cow::Borrowed("ok")),
            Ok(answer) => (Level::Info, format!("refused errNo={}", answer.err_no()).into()),
            Err(e) => (Level::Error, format!("error message={:?}", e.to_string()).into()),
        };
        if level <= log::max_level() {
            line.clear();
            write_line(line, invocation.request_id, role, connection, self.received.elapsed(), &outcome);
            log!(level, "{line}");
        }
        let content = match result {
            Ok(answer) => answer.into_json().map_or(OutcomeContent::Event, OutcomeContent::Answer),
            Err(e) => OutcomeContent::Error(e.to_string()),
        };
        if let OutcomeContent::Answer(json) = &content {
            debug!("answer request_id={} {json}", invocation.request_id);
        }
        let latest = self.latest();
        Completed { request_id: self.request_id, event: self.body, content, latest }
    }
}

/// Puts the line together here, since the formatting machinery would pass it on in some twenty short pieces.
fn write_line(
    line: &mut String,
    request_id: &str,
    role: &str,
    connection: &str,
    spent: Duration,
    outcome: &str,
) {
    line.push_str("invocation request_id=");
    push_escaped(line, request_id);
    line.push_str(" role=");
    line.push_str(role);
    line.push_str(" connection=");
    push_escaped(line, connection);
    line.push_str(" ms=");
    push_milliseconds(line, spent);
    line.push_str(" outcome=");
    line.push_str(outcome);
}

impl Running<'_> {
    /// Handles the event. Errors and panics of the function become the outcome.
    ///
    /// `line` is memory for the log line.
    pub(super) fn complete(self, dispatcher: &mut Dispatcher, line: &mut String) -> Completed {
        let completed = self.offered.handle(dispatcher, line);
        drop(self.watched);
        completed
    }
}

impl Completed {
    /// The outcome is not sent again unless SCF offers the event again.
    pub(super) fn delivered(self) -> Delivered {
        Delivered(self)
    }

    pub(super) fn request_id(&self) -> &str {
        self.request_id.as_deref().unwrap_or("-")
    }

    /// When SCF stops waiting for the outcome.
    pub(super) fn latest(&self) -> Instant {
        self.latest
    }

    pub(super) fn outcome(&self) -> Outcome<'_> {
        match &self.content {
            OutcomeContent::Event => Outcome::Response(self.event.as_deref().unwrap_or_default()),
            OutcomeContent::Answer(json) => Outcome::Response(json.as_bytes()),
            OutcomeContent::Error(message) => Outcome::Error(message),
        }
    }
}

impl Delivered {
    /// The same outcome, to be delivered within the time limit of the new offer; or the offer, if it is a different event.
    pub(super) fn offered_again(last: &mut Option<Self>, offered: Offered) -> Result<Completed, Offered> {
        let is_same =
            |last: &mut Self| last.0.request_id.is_some() && last.0.request_id == offered.request_id;
        match last.take_if(is_same) {
            Some(Self(completed)) => Ok(Completed { latest: offered.latest(), ..completed }),
            None => Err(offered),
        }
    }
}

/// The part of the time limit that is reserved for delivering the outcome.
fn margin(time_limit: Duration) -> Duration {
    (time_limit / 10).clamp(Duration::from_millis(20), Duration::from_millis(500)).min(time_limit / 2)
}

/// Turns a panic of the function into an error.
fn caught<T>(handle: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(handle)).unwrap_or_else(|panic| {
        Err(Error::from(format!("the handler panicked: {}", panic_message(panic.as_ref()))))
    })
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

fn limited(answer: Answer<'_>) -> Result<Answer<'_>> {
    let bytes = answer.json().len();
    if bytes <= MAX_BYTES {
        return Ok(answer);
    }
    Err(Error::from(format!("the answer has {bytes} bytes; SCF takes at most {MAX_BYTES}")))
}
