//! The client of the runtime API: `ready`, `next`, and the outcome by `response` or `error`.

use std::fmt;
use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::warn;
use ureq::http::Uri;

use super::http::{BodyError, Client, Header, Reply};
use super::invocation::{Decided, Offered, Outcome};
use super::stop::Gate;
use crate::event::MAX_BYTES;
use crate::excerpt::excerpt;

/// `ready` is answered at once by whoever is there.
const READY_PATIENCE: Duration = Duration::from_secs(5);

/// What holds where SCF does not tell the limit: its default for a new function.
const DEFAULT_TIME_LIMIT: Duration = Duration::from_secs(3);

/// No function may run longer; a header that says so is not to be reckoned with.
const LONGEST_TIME_LIMIT: Duration = Duration::from_hours(24);

/// The last word of a process that ends has this long to be taken.
const LAST_WORD: Duration = Duration::from_millis(500);

const READY: &str = "/runtime/init/ready";
const NEXT: &str = "/runtime/invocation/next";
const RESPONSE: &str = "/runtime/invocation/response";
const ERROR: &str = "/runtime/invocation/error";

const TEXT: &str = "text/plain; charset=utf-8";

/// No answer to `ready` or an outcome needs more, and no refusal.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// An outcome is taken or refused by the status of the answer; what it says besides must come soon.
const BODY_PATIENCE: Duration = Duration::from_secs(1);

/// The four calls of the runtime API, over one kept connection.
pub(super) struct RuntimeApi {
    client: Client,
}

/// Why a call has failed.
#[derive(Debug)]
pub(super) enum Fault {
    NoAnswer(io::Error),
    Body(io::Error),
    Status { status: u16, body: String },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer(e) => e.fmt(f),
            Self::Body(why) => write!(f, "the answer's body could not be read: {why}"),
            Self::Status { status, body } => write!(f, "status {status}: {body:?}"),
        }
    }
}

impl Fault {
    /// Whether the same call may succeed later; what the runtime API understood and refused will not.
    pub(super) fn may_pass(&self) -> bool {
        !matches!(self, Self::Status { status: 400..=499, .. })
            || matches!(self, Self::Status { status: 408 | 425 | 429, .. })
    }
}

impl From<io::Error> for Fault {
    fn from(e: io::Error) -> Self {
        Self::NoAnswer(e)
    }
}

impl RuntimeApi {
    /// `base` is `http://host:port/`.
    pub(super) fn new(base: &Uri, gate: Arc<Gate>) -> Self {
        Self { client: client(base, Some(gate)) }
    }

    /// Ends the initialisation. The body is one space, since an empty one is refused.
    pub(super) fn ready(&mut self) -> Result<(), Fault> {
        let deadline = Instant::now() + READY_PATIENCE;
        accepted(self.client.post(READY, "text/plain", b" ", deadline)?, deadline)
    }

    /// Waits for the next event, for as long as it takes.
    pub(super) fn next(&mut self) -> Result<Offered, Fault> {
        let reply = self.client.get(NEXT)?;
        if reply.status() != 200 {
            return Err(refusal(reply, soon()));
        }
        let received = Instant::now();
        let request_id = reply.header(Header::RequestId).map(str::to_owned);
        if request_id.is_none() {
            warn!("the runtime API sent no request_id: a repeated event cannot be told from a new one");
        }
        let time_limit =
            number(&reply, Header::TimeLimitInMs).map_or(DEFAULT_TIME_LIMIT, Duration::from_millis);
        let time_limit = time_limit.min(LONGEST_TIME_LIMIT);
        let memory_limit_mb = number(&reply, Header::MemoryLimitInMb);
        let mut body = Vec::new();
        let body = match reply.read_into(&mut body, MAX_BYTES) {
            Ok(()) => Some(body),
            Err(BodyError::TooLong) => None,
            Err(BodyError::Cut(why)) => return Err(Fault::Body(why)),
        };
        Ok(Offered::new(request_id, body, received, time_limit, memory_limit_mb))
    }

    /// Delivers an outcome.
    pub(super) fn outcome(&mut self, decided: &Decided) -> Result<(), Fault> {
        let latest = decided.latest();
        let reply = match decided.outcome() {
            Outcome::Response(body) => self.client.post(RESPONSE, "application/json", body, latest)?,
            Outcome::Error(message) => self.client.post(ERROR, TEXT, message.as_bytes(), latest)?,
        };
        accepted(reply, latest)
    }
}

/// Reports the running invocation's failure over a connection of its own, once: for when the loop cannot.
pub(super) fn fail_in_passing(base: &Uri, message: &str) -> Result<(), Fault> {
    let deadline = Instant::now() + LAST_WORD;
    accepted(client(base, None).post(ERROR, TEXT, message.as_bytes(), deadline)?, deadline)
}

fn client(base: &Uri, gate: Option<Arc<Gate>>) -> Client {
    Client::new(base.host().unwrap_or_default(), base.port_u16().unwrap_or(80), gate)
}

fn accepted(reply: Reply<'_>, latest: Instant) -> Result<(), Fault> {
    let deadline = soon().min(latest);
    if !(200..300).contains(&reply.status()) {
        return Err(refusal(reply, deadline));
    }
    reply.finish(MAX_ANSWER_BYTES, deadline);
    Ok(())
}

fn refusal(reply: Reply<'_>, deadline: Instant) -> Fault {
    let status = reply.status();
    let body = reply.into_text(MAX_ANSWER_BYTES, deadline);
    Fault::Status { status, body: excerpt(&body).to_owned() }
}

fn soon() -> Instant {
    Instant::now() + BODY_PATIENCE
}

fn number(reply: &Reply<'_>, header: Header) -> Option<u64> {
    let value = reply.header(header);
    let number = value.and_then(|value| value.trim().parse::<NonZeroU64>().ok());
    if number.is_none() {
        warn!(
            "the runtime API's header {} is {}",
            header.name(),
            value.map_or("absent".into(), |v| format!("{v:?}, not a number above 0"))
        );
    }
    number.map(NonZeroU64::get)
}
