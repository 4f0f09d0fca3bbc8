//! The client of the runtime API: `ready`, `next`, and the outcome by `response` or `error`.

use std::fmt;
use std::io;
use std::mem;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::warn;

use super::invocation::{Buffers, Completed, Offered, Outcome};
use crate::config::RuntimeApiAddress;
use crate::event::MAX_BYTES;
use crate::http::lean::{BodyError, GetRequest, Header, LeanClient, LeanReply, PostRequest, WaitObserver};
use crate::log_text::excerpt;

/// A running runtime API answers `ready` at once.
const READY_TIMEOUT: Duration = Duration::from_secs(5);

/// Applies where SCF sends no limit: its default for a new function.
const DEFAULT_TIME_LIMIT: Duration = Duration::from_secs(3);

/// SCF allows no longer limit; larger values are clamped.
const MAX_TIME_LIMIT: Duration = Duration::from_hours(24);

/// The time for the error report of a process that is about to end.
const FINAL_REPORT_TIMEOUT: Duration = Duration::from_millis(500);

const READY: &str = "/runtime/init/ready";
const NEXT: &str = "/runtime/invocation/next";
const RESPONSE: &str = "/runtime/invocation/response";
const ERROR: &str = "/runtime/invocation/error";

/// Answers to `ready` and to an outcome, and refusals, are short; more is not read.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// The status alone accepts or refuses an outcome, so the body is only waited for this long.
const ANSWER_BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// The four calls of the runtime API, over one kept connection.
pub(super) struct RuntimeApi {
    client: LeanClient,
    ready: PostRequest,
    next: GetRequest,
    response: PostRequest,
    error: PostRequest,
}

/// Why a call failed.
#[derive(Debug)]
pub(crate) enum CallError {
    NoAnswer(io::Error),
    Body(io::Error),
    Status { status: u16, body: String },
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer(e) => e.fmt(f),
            Self::Body(why) => write!(f, "the answer's body could not be read: {why}"),
            Self::Status { status, body } => write!(f, "status {status}: {body:?}"),
        }
    }
}

impl CallError {
    /// Whether the same call may succeed later. A request that was understood and refused will not.
    pub(super) fn is_transient(&self) -> bool {
        !matches!(self, Self::Status { status: 400..=499, .. })
            || matches!(self, Self::Status { status: 408 | 425 | 429, .. })
    }
}

impl std::error::Error for CallError {}

impl From<io::Error> for CallError {
    fn from(e: io::Error) -> Self {
        Self::NoAnswer(e)
    }
}

impl RuntimeApi {
    pub(super) fn new(address: &RuntimeApiAddress, observer: Arc<dyn WaitObserver>) -> Self {
        let RuntimeApiAddress { host, port } = address;
        Self {
            client: LeanClient::new(host, *port, Some(observer)),
            ready: PostRequest::new(host, *port, READY, "text/plain"),
            next: GetRequest::new(host, *port, NEXT),
            response: PostRequest::new(host, *port, RESPONSE, "application/json"),
            error: error_request(address),
        }
    }

    /// Ends the initialisation. The body is one space, since SCF has refused an empty one.
    pub(super) fn ready(&mut self) -> Result<(), CallError> {
        let deadline = Instant::now() + READY_TIMEOUT;
        accepted(self.client.post(&self.ready, b" ", deadline)?, deadline)
    }

    /// Waits for the next event, without a time limit.
    pub(super) fn next(&mut self, spare: &mut Buffers) -> Result<Offered, CallError> {
        let reply = self.client.get(&self.next)?;
        if reply.status() != 200 {
            let deadline = body_deadline(&reply);
            return Err(refusal(reply, deadline));
        }
        let received = reply.received();
        let request_id = reply.header(Header::RequestId).map(|id| {
            id.clone_into(&mut spare.request_id);
            mem::take(&mut spare.request_id)
        });
        if request_id.is_none() {
            warn!(
                "the runtime API sent no request_id: a repeated event cannot be distinguished from a new one"
            );
        }
        let time_limit =
            number(&reply, Header::TimeLimitInMs).map_or(DEFAULT_TIME_LIMIT, Duration::from_millis);
        let time_limit = time_limit.min(MAX_TIME_LIMIT);
        let memory_limit_mb = number(&reply, Header::MemoryLimitInMb);
        let mut body = mem::take(&mut spare.body);
        let body = match reply.read_into(&mut body, MAX_BYTES) {
            Ok(()) => Some(body),
            Err(BodyError::TooLong) => None,
            Err(BodyError::Incomplete(why)) => return Err(CallError::Body(why)),
        };
        Ok(Offered::new(request_id, body, received, time_limit, memory_limit_mb))
    }

    /// Delivers an outcome.
    pub(super) fn outcome(&mut self, completed: &Completed) -> Result<(), CallError> {
        let latest = completed.latest();
        let reply = match completed.outcome() {
            Outcome::Response(body) => self.client.post(&self.response, body, latest)?,
            Outcome::Error(message) => self.client.post(&self.error, message.as_bytes(), latest)?,
        };
        accepted(reply, latest)
    }
}

/// Reports the failure of the running invocation once, over a separate connection: for the watchdog, while the loop is
/// blocked.
pub(super) fn report_error(address: &RuntimeApiAddress, message: &str) -> Result<(), CallError> {
    let deadline = Instant::now() + FINAL_REPORT_TIMEOUT;
    let mut client = LeanClient::new(&address.host, address.port, None);
    accepted(client.post(&error_request(address), message.as_bytes(), deadline)?, deadline)
}

fn error_request(address: &RuntimeApiAddress) -> PostRequest {
    PostRequest::new(&address.host, address.port, ERROR, "text/plain; charset=utf-8")
}

fn accepted(reply: LeanReply<'_>, latest: Instant) -> Result<(), CallError> {
    let deadline = body_deadline(&reply).min(latest);
    if !(200..300).contains(&reply.status()) {
        return Err(refusal(reply, deadline));
    }
    reply.finish(MAX_ANSWER_BYTES, deadline);
    Ok(())
}

fn refusal(reply: LeanReply<'_>, deadline: Instant) -> CallError {
    let status = reply.status();
    let body = reply.into_text(MAX_ANSWER_BYTES, deadline);
    CallError::Status { status, body: excerpt(&body).to_owned() }
}

fn body_deadline(reply: &LeanReply<'_>) -> Instant {
    reply.received() + ANSWER_BODY_TIMEOUT
}

fn number(reply: &LeanReply<'_>, header: Header) -> Option<u64> {
    let value = reply.header(header);
    let number = value.and_then(|value| value.parse::<NonZeroU64>().ok());
    if number.is_none() {
        warn!(
            "the runtime API's header {} is {}",
            header.name(),
            value.map_or("absent".into(), |v| format!("{v:?}, not a number above 0"))
        );
    }
    number.map(NonZeroU64::get)
}
