//! The reverse push: how a function talks to connected clients.
//!
//! A [`Message`] is encoded once; [`Push::to_one`] or [`Push::to_many`] posts it to the push address for each
//! connection, within the invocation's deadline, and a [`Tally`] counts what became of it. `call` makes one
//! push, `fan_out` many at a time, each worker over a kept HTTP connection of its own; `client` is HTTP.

mod call;
mod client;
mod fan_out;
mod json;
mod tally;

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use ureq::http::Uri;

use self::call::Caller;
#[cfg(fuzzing)]
pub(crate) use self::call::judge_any;
use self::fan_out::{Job, Workers};
pub use self::tally::Tally;
use crate::config::PushSettings;
use crate::event::ConnectionId;

/// The reverse push address. Its path is the only thing that keeps strangers from pushing, so it is shown
/// without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushUrl(Uri);

impl PushUrl {
    /// Reads `http://host[:port]/path`. The error says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        const ALLOWED: &str = "the reverse push address, http://host/path";
        let uri: Uri = text.parse().map_err(|_| ALLOWED.to_owned())?;
        if uri.host().is_none_or(str::is_empty) {
            return Err(ALLOWED.into());
        }
        match uri.scheme_str() {
            Some("http") => Ok(Self(uri)),
            Some("https") if cfg!(feature = "tls") => Ok(Self(uri)),
            Some("https") => Err(format!("{ALLOWED}; https needs a build with the cargo feature tls")),
            _ => Err(ALLOWED.into()),
        }
    }
}

impl fmt::Display for PushUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme_str().unwrap_or("http"), self.0.host().unwrap_or_default())?;
        if let Some(port) = self.0.port_u16() {
            write!(f, ":{port}")?;
        }
        f.write_str("/…")
    }
}

/// What is pushed, encoded but for the connection it goes to.
#[derive(Debug)]
pub struct Message {
    before_id: &'static str,
    after_id: String,
}

impl Message {
    /// A text frame; `data` is a JSON string, sent as it is.
    #[must_use]
    pub fn text(data: &str) -> Self {
        Self::data_send("text", data)
    }

    /// A text frame that holds the text as a JSON string: `hello` arrives as `"hello"`.
    #[must_use]
    pub fn text_as_json(text: &str) -> Self {
        Self::data_send("text", &json::quoted_twice(text))
    }

    /// A binary frame; `data` is a JSON string of Base64, sent as it is.
    #[must_use]
    pub fn binary(data: &str) -> Self {
        Self::data_send("binary", data)
    }

    /// The order to close the connection.
    #[must_use]
    pub fn closing() -> Self {
        Self { before_id: r#"{"websocket":{"action":"closing","secConnectionID":"#, after_id: "}}".into() }
    }

    fn data_send(data_type: &str, data: &str) -> Self {
        Self {
            before_id: r#"{"websocket":{"action":"data send","secConnectionID":"#,
            after_id: format!(r#","dataType":"{data_type}","data":{data}}}}}"#),
        }
    }

    pub(crate) fn body_for(&self, connection: &ConnectionId<'_>) -> Vec<u8> {
        [self.before_id, connection.json(), &self.after_id].concat().into_bytes()
    }
}

/// A client of the push address.
pub struct Push {
    caller: Caller,
    workers: RefCell<Workers>,
}

impl Push {
    /// A client of this address; nothing is connected yet.
    #[must_use]
    pub fn new(settings: &PushSettings) -> Self {
        let url = Arc::new(settings.url.clone());
        let workers = Workers::new(Arc::clone(&url), settings.concurrency);
        Self { caller: Caller::new(url), workers: RefCell::new(workers) }
    }

    /// Pushes the message to one connection.
    pub fn to_one(&self, connection: &ConnectionId<'_>, message: &Message, deadline: Instant) -> Tally {
        let mut tally = Tally::of(1);
        tally.count(connection.as_str(), self.caller.push(connection, message, deadline));
        tally
    }

    /// Pushes the message to each connection, several at a time, until all have it or the deadline has passed.
    pub fn to_many(
        &self,
        connections: Arc<[ConnectionId<'static>]>,
        message: Message,
        deadline: Instant,
    ) -> Tally {
        let job = Arc::new(Job::new(connections, message, deadline));
        self.workers.borrow_mut().carry_out(&job, &self.caller)
    }
}
