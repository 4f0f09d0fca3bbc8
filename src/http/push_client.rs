//! The client of the push address: `ureq` over a transport of our own.
//!
//! [`PushClient::post`] sets the deadline of the call, `ureq` speaks HTTP/1.1, and `transport` moves the bytes.
//! [`PushReply::read_into`] then reads the body under the same deadline. Every status is an answer, not an error.

mod state;
mod transport;

use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, Response, Uri};
use ureq::{Agent, Body};

use self::state::{Call, SharedState};
use self::transport::GatheringConnector;
use crate::net::TrustedRoots;

/// A client of one server. Connects at the first call, and again after a failure.
pub(crate) struct PushClient {
    agent: Agent,
    state: Arc<SharedState>,
    /// Never read. While a block of this size is in use, musl's allocator does not map and unmap a page for that of each
    /// answer's headers.
    _headers: HeaderMap,
}

/// A call that got no answer.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    reason: ureq::Error,
    /// The kept connection had gone stale: it failed before the first byte of an answer.
    pub(crate) on_stale_connection: bool,
    /// No connection was made, so nothing was sent.
    pub(crate) not_sent: bool,
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            ureq::Error::Io(e) => e.fmt(f),
            other => other.fmt(f),
        }
    }
}

/// An answer whose body has not been read yet.
pub(crate) struct PushReply(Response<Body>);

impl PushClient {
    pub(crate) fn new(trusted_roots: TrustedRoots) -> Self {
        let state = Arc::new(SharedState::new());
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
            // The transport decides whether a kept connection is used again.
            .max_idle_age(Duration::from_secs(u64::from(u32::MAX)))
            .build();
        let connector = GatheringConnector::new(Arc::clone(&state), trusted_roots);
        Self {
            agent: Agent::with_parts(config, connector, transport::ResolveOnConnect),
            state,
            _headers: HeaderMap::with_capacity(1),
        }
    }

    /// Sends a `POST` and waits for the head of its answer until the deadline. A new connection is made by the other
    /// deadline, or not.
    pub(crate) fn post(
        &self,
        uri: &Uri,
        content_type: &'static str,
        body: &[u8],
        deadline: Instant,
        connect_deadline: Instant,
    ) -> Result<PushReply, NoAnswer> {
        *self.state.call() = Call {
            deadline: Some(deadline),
            connect_deadline: Some(connect_deadline.min(deadline)),
            on_kept_connection: true,
            ..Call::default()
        };
        let result = self.agent.post(uri.clone()).header("Content-Type", content_type).send(body);
        result.map(PushReply).map_err(|reason| {
            let call = *self.state.call();
            let timed_out = matches!(&reason, ureq::Error::Io(e) if e.kind() == ErrorKind::TimedOut);
            NoAnswer {
                on_stale_connection: call.on_kept_connection && !call.answered && !timed_out,
                not_sent: !call.on_kept_connection && !call.connected,
                reason,
            }
        })
    }
}

impl PushReply {
    pub(crate) fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    /// Replaces the buffer's content with the body. After a failure the buffer holds what arrived before it. A body that
    /// announces more than `max_bytes` is not read at all.
    ///
    /// The connection is closed if the body is not read to its end, here or because the reply is dropped.
    pub(crate) fn read_into(mut self, buffer: &mut Vec<u8>, max_bytes: usize) -> io::Result<()> {
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
