//! The HTTP client under the runtime API and the push address: ureq over a transport of our own.
//!
//! A [`Client`] keeps one connection to one server. [`Client::post`] or [`Client::get`] sets the call's
//! deadline, ureq speaks HTTP/1.1, and `transport` moves the bytes; the answer's body is then read with
//! [`Reply::read_into`] under the same deadline. Redirects are never followed, no proxy is ever used, and
//! any status is an answer, not an error.

mod transport;

use std::fmt;
use std::io::Read;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, Response, Uri};
use ureq::{Agent, Body};

/// Told of the moments at which an answer is awaited and begins to arrive.
pub(crate) trait Waiter: Send + Sync {
    /// Input is about to be awaited on this stream.
    fn awaits(&self, stream: &Arc<TcpStream>);
    /// Some of it was taken.
    fn arrived(&self);
}

/// A connection to one server, made at the first call and again whenever it broke.
pub(crate) struct Client {
    agent: Agent,
    line: Arc<Line>,
}

/// What the caller of [`Client`] and the transport under ureq tell each other.
struct Line {
    call: Mutex<Call>,
    waiter: Option<Arc<dyn Waiter>>,
}

#[derive(Clone, Copy)]
struct Call {
    deadline: Option<Instant>,
    /// Whether the call went out on a connection that an earlier one had left open.
    on_kept_connection: bool,
    /// Whether a byte of an answer has come.
    answered: bool,
}

/// Why a call has no answer.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    reason: ureq::Error,
    /// The kept connection was dead: it failed before one byte of an answer came.
    pub(crate) on_stale_connection: bool,
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            ureq::Error::Timeout(_) => f.write_str("no answer in time"),
            ureq::Error::Io(e) => e.fmt(f),
            other => other.fmt(f),
        }
    }
}

/// An answer, its body still to be read.
pub(crate) struct Reply(Response<Body>);

/// Why a body could not be read.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// It is longer than the limit.
    TooLong,
    /// It was cut, or did not come in time.
    Cut(String),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("longer than is read"),
            Self::Cut(why) => write!(f, "cut: {why}"),
        }
    }
}

impl Client {
    pub(crate) fn new(waiter: Option<Arc<dyn Waiter>>) -> Self {
        let call = Call { deadline: None, on_kept_connection: false, answered: false };
        let line = Arc::new(Line { call: Mutex::new(call), waiter });
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .accept("")
            .accept_encoding("")
            .user_agent("")
            .input_buffer_size(transport::BUFFER_BYTES)
            .output_buffer_size(transport::BUFFER_BYTES)
            .max_idle_connections(1)
            .max_idle_connections_per_host(1)
            // Whether a kept connection still lives is seen by looking at it, not by its age.
            .max_idle_age(Duration::from_secs(u64::from(u32::MAX)))
            .build();
        let connector = transport::connector(Arc::clone(&line));
        Self { agent: Agent::with_parts(config, connector, transport::AtConnect), line }
    }

    /// `GET`, its answer awaited until the deadline; without one, for ever.
    pub(crate) fn get(&self, uri: &Uri, deadline: Option<Instant>) -> Result<Reply, NoAnswer> {
        self.line.begin(deadline);
        self.reply(self.agent.get(uri.clone()).call())
    }

    /// `POST` of a body, its answer awaited until the deadline; without one, for ever.
    pub(crate) fn post(
        &self,
        uri: &Uri,
        content_type: &'static str,
        body: &[u8],
        deadline: Option<Instant>,
    ) -> Result<Reply, NoAnswer> {
        self.line.begin(deadline);
        self.reply(self.agent.post(uri.clone()).header("Content-Type", content_type).send(body))
    }

    fn reply(&self, result: Result<Response<Body>, ureq::Error>) -> Result<Reply, NoAnswer> {
        result.map(Reply).map_err(|reason| {
            let call = *self.line.call();
            let timed_out = matches!(reason, ureq::Error::Timeout(_));
            NoAnswer { on_stale_connection: call.on_kept_connection && !call.answered && !timed_out, reason }
        })
    }
}

impl Reply {
    pub(crate) fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }

    /// Reads the body, of at most so many bytes, into an empty buffer.
    ///
    /// A body that is not read to its end, here or because the reply was dropped, costs the connection.
    pub(crate) fn read_into(mut self, buffer: &mut Vec<u8>, max_bytes: usize) -> Result<(), BodyError> {
        buffer.clear();
        let expected = self.0.body().content_length().unwrap_or(0);
        if expected > max_bytes as u64 {
            return Err(BodyError::TooLong);
        }
        buffer.reserve(usize::try_from(expected).unwrap_or(0));
        let limit = max_bytes as u64 + 1;
        let read = self.0.body_mut().as_reader().take(limit).read_to_end(buffer);
        if buffer.len() > max_bytes {
            return Err(BodyError::TooLong);
        }
        read.map(drop).map_err(|e| BodyError::Cut(e.to_string()))
    }
}

impl Line {
    fn begin(&self, deadline: Option<Instant>) {
        *self.call() = Call { deadline, on_kept_connection: true, answered: false };
    }

    fn call(&self) -> MutexGuard<'_, Call> {
        self.call.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}
