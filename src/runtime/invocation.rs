//! One invocation, from its offer to its delivery: the states are types, and each is consumed by the next.
//!
//! [`Offered`] → [`Running`] → [`Decided`] → [`Delivered`]. Nothing leads back, so an event cannot be carried
//! out twice; and a delivered outcome is sent again by no other way than [`Delivered::offered_again`], which
//! asks for the new offer of the same event.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use log::{Level, debug, log};

use super::watchdog::{Watchdog, Watched};
use crate::event::{self, Event, EventError, MAX_BYTES};
use crate::excerpt::OnOneLine;
use crate::handler::{Answer, Context, Failure, Handler};

/// An event that SCF has handed out and nobody has carried out.
pub(super) struct Offered {
    request_id: Option<String>,
    /// `None`: longer than the limit, and not kept.
    body: Option<Vec<u8>>,
    received: Instant,
    time_limit: Duration,
    memory_limit_mb: Option<u64>,
}

/// An event that is being carried out, under the watch of the watchdog.
pub(super) struct Running<'w> {
    offered: Offered,
    watched: Watched<'w>,
}

/// An event that was carried out, its outcome to be delivered.
pub(super) struct Decided {
    request_id: Option<String>,
    event: Option<Vec<u8>>,
    verdict: Verdict,
    latest: Instant,
}

/// An event whose outcome SCF has, or has refused, or was too late for. The outcome is kept: should none have
/// reached SCF, it offers the event again.
pub(super) struct Delivered(Decided);

enum Verdict {
    /// The event itself goes back.
    Event,
    Answer(String),
    Error(String),
}

/// What the runtime API is told.
pub(super) enum Outcome<'d> {
    Response(&'d [u8]),
    Error(&'d str),
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

    fn carry_out(self, handler: &mut dyn Handler, integration_response: bool) -> Decided {
        let context = Context {
            request_id: self.request_id(),
            deadline: self.deadline(),
            memory_limit_mb: self.memory_limit_mb,
        };
        let parsed = self.body.as_deref().ok_or(EventError::TooLong).and_then(Event::parse);
        let (role, connection) = match &parsed {
            Ok(event) => (handler.role(event), event.connection_for_log()),
            Err(_) => ("-", "-"),
        };
        debug!(
            "event request_id={} {:?}",
            context.request_id,
            self.body.as_deref().map(String::from_utf8_lossy)
        );
        let result = parsed
            .as_ref()
            .map_err(|e| Failure::new(e.to_string()))
            .and_then(|event| caught(|| handler.handle(event, &context)))
            .and_then(|answer| limited(wrapped(answer, integration_response)));
        let spent_ms = self.received.elapsed().as_secs_f64() * 1e3;
        let (level, outcome) = match &result {
            Ok(answer) if answer.err_no() == 0 => (Level::Info, "ok".to_owned()),
            Ok(answer) => (Level::Info, format!("refused errNo={}", answer.err_no())),
            Err(failure) => (Level::Error, format!("error message={:?}", failure.to_string())),
        };
        log!(
            level,
            "invocation request_id={} role={role} connection={} ms={spent_ms:.3} outcome={outcome}",
            OnOneLine(context.request_id),
            OnOneLine(connection)
        );
        let verdict = match result {
            Ok(answer) => answer.into_json().map_or(Verdict::Event, Verdict::Answer),
            Err(failure) => Verdict::Error(failure.to_string()),
        };
        if let Verdict::Answer(json) = &verdict {
            debug!("answer request_id={} {json}", context.request_id);
        }
        let latest = self.latest();
        Decided { request_id: self.request_id, event: self.body, verdict, latest }
    }
}

impl Running<'_> {
    /// Carries the event out. Whatever goes wrong is the outcome: nothing is thrown.
    pub(super) fn decide(self, handler: &mut dyn Handler, integration_response: bool) -> Decided {
        let decided = self.offered.carry_out(handler, integration_response);
        drop(self.watched);
        decided
    }
}

impl Decided {
    /// Nothing more is sent of it.
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
        match &self.verdict {
            Verdict::Event => Outcome::Response(self.event.as_deref().unwrap_or_default()),
            Verdict::Answer(json) => Outcome::Response(json.as_bytes()),
            Verdict::Error(message) => Outcome::Error(message),
        }
    }
}

impl Delivered {
    /// The same outcome, to be delivered within the time that the new offer gives it; or the offer, where it
    /// is of another event.
    pub(super) fn offered_again(self, offered: Offered) -> Result<Decided, Offered> {
        if self.0.request_id.is_some() && self.0.request_id == offered.request_id {
            Ok(Decided { latest: offered.latest(), ..self.0 })
        } else {
            Err(offered)
        }
    }
}

/// The time kept back for delivering the outcome.
fn margin(time_limit: Duration) -> Duration {
    (time_limit / 10).clamp(Duration::from_millis(20), Duration::from_millis(500)).min(time_limit / 2)
}

/// A panic is the handler's failure, not the process's end.
fn caught<T>(handle: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(handle)).unwrap_or_else(|panic| {
        Err(Failure::new(format!("the handler panicked: {}", panic_message(panic.as_ref()))))
    })
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

fn wrapped(answer: Answer<'_>, integration_response: bool) -> Answer<'_> {
    if integration_response { answer.map(event::integration_response) } else { answer }
}

fn limited(answer: Answer<'_>) -> Result<Answer<'_>, Failure> {
    let bytes = answer.json().len();
    if bytes <= MAX_BYTES {
        return Ok(answer);
    }
    Err(Failure::new(format!("the answer has {bytes} bytes; SCF takes at most {MAX_BYTES}")))
}
