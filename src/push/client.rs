//! The HTTP client under the reverse push: ureq over a transport of our own.
//!
//! A [`Client`] keeps one connection to the push address. [`Client::post`] sets the call's deadline, ureq speaks
//! HTTP/1.1, and `transport` moves the bytes; the answer's body is then read with [`Reply::read_into`] under the
//! same deadline. Redirects are never followed, no proxy is ever used, and any status is an answer, not an error.

mod transport;

use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ureq::http::{Response, Uri};
use ureq::{Agent, Body};

/// A connection to one server, made at the first call and again whenever it broke.
pub(super) struct Client {
    agent: Agent,
    line: Arc<Line>,
}

/// What the caller of [`Client`] and the transport under ureq tell each other.
struct Line(Mutex<Call>);

#[derive(Clone, Copy)]
struct Call {
    /// None before the first call.
    deadline: Option<Instant>,
    /// Whether the call went out on a connection that an earlier one had left open.
    on_kept_connection: bool,
    /// Whether a byte of an answer has come.
    answered: bool,
}

/// Why a call has no answer.
#[derive(Debug)]
pub(super) struct NoAnswer {
    reason: ureq::Error,
    /// The kept connection was dead: it failed before one byte of an answer came.
    pub(super) on_stale_connection: bool,
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            ureq::Error::Io(e) => e.fmt(f),
            other => other.fmt(f),
        }
    }
}

/// An answer, its body still to be read.
pub(super) struct Reply(Response<Body>);

impl Client {
    pub(super) fn new() -> Self {
        let call = Call { deadline: None, on_kept_connection: false, answered: false };
        let line = Arc::new(Line(Mutex::new(call)));
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

    /// `POST` of a body, its answer awaited until the deadline.
    pub(super) fn post(
        &self,
        uri: &Uri,
        content_type: &'static str,
        body: &[u8],
        deadline: Instant,
    ) -> Result<Reply, NoAnswer> {
        *self.line.call() = Call { deadline: Some(deadline), on_kept_connection: true, answered: false };
        let result = self.agent.post(uri.clone()).header("Content-Type", content_type).send(body);
        result.map(Reply).map_err(|reason| {
            let call = *self.line.call();
            let timed_out = matches!(&reason, ureq::Error::Io(e) if e.kind() == ErrorKind::TimedOut);
            NoAnswer { on_stale_connection: call.on_kept_connection && !call.answered && !timed_out, reason }
        })
    }
}

impl Reply {
    pub(super) fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    /// Reads the body, of at most so many bytes, into the buffer, which is emptied first; what came before a failure
    /// is in it. Of a body that announces more, nothing is read.
    ///
    /// A body that is not read to its end, here or because the reply was dropped, costs the connection.
    pub(super) fn read_into(mut self, buffer: &mut Vec<u8>, max_bytes: usize) -> io::Result<()> {
        buffer.clear();
        let too_long = || io::Error::new(ErrorKind::FileTooLarge, "longer than is read");
        if self.0.body().content_length().is_some_and(|length| length > max_bytes as u64) {
            return Err(too_long());
        }
        let limit = max_bytes as u64 + 1;
        self.0.body_mut().as_reader().take(limit).read_to_end(buffer)?;
        if buffer.len() > max_bytes { Err(too_long()) } else { Ok(()) }
    }
}

impl Line {
    fn call(&self) -> MutexGuard<'_, Call> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}
