//! The reverse push: how a function talks to connected clients.
//!
//! A [`Message`] is encoded once; [`Push::to_each`] posts it to the push address for each connection, over
//! one kept HTTP connection and within the invocation's deadline, and counts what became of it.
//! The contract is that of the gateway's reverse push address: status 200 and `errNo` 0 is yes, anything
//! else that answers is a refusal.

mod json;

use std::cell::OnceCell;
use std::fmt;
use std::time::Instant;

use log::{debug, warn};
use ureq::http::Uri;

use crate::event::ConnectionId;
use crate::handler::Failure;
use crate::http::{Client, NoAnswer, Reply};

/// No answer of a push address needs more; what is longer is not read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

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

    fn body_for(&self, connection: &ConnectionId<'_>) -> Vec<u8> {
        [self.before_id, connection.json(), &self.after_id].concat().into_bytes()
    }
}

/// What became of one push.
enum Delivery {
    Delivered,
    /// The gateway answered, and not with a yes.
    Refused(String),
    /// The gateway did not answer.
    Unreached(String),
}

/// What became of the pushes of one event.
#[derive(Debug, Default)]
pub struct Tally {
    delivered: usize,
    refused: usize,
    unreached: usize,
    last_unreached: String,
}

impl Tally {
    fn count(&mut self, connection: &ConnectionId<'_>, delivery: Delivery) {
        let id = connection.as_str();
        match delivery {
            Delivery::Delivered => self.delivered += 1,
            Delivery::Refused(why) => {
                warn!("push to connection {:?} refused: {why}", id);
                self.refused += 1;
            }
            Delivery::Unreached(why) => {
                warn!("push to connection {:?} did not reach the gateway: {why}", id);
                self.unreached += 1;
                self.last_unreached = why;
            }
        }
    }

    /// An event has failed when none of its pushes reached the gateway: that is an outage, and the function's
    /// monitoring must show it. A refusal is the gateway's word on one connection.
    pub fn into_result(self, push: &Push) -> Result<(), Failure> {
        if self.unreached == 0 || self.delivered + self.refused > 0 {
            return Ok(());
        }
        Err(Failure::new(format!(
            "no push of this event reached the gateway at WS_PUSH_URL {}: {}",
            push.url, self.last_unreached
        )))
    }
}

/// A client of the push address.
pub struct Push {
    url: PushUrl,
    /// Made at the first push: a function that is only warmed up pays nothing for it.
    client: OnceCell<Client>,
}

impl Push {
    /// A client of this address; nothing is connected yet.
    #[must_use]
    pub fn new(url: PushUrl) -> Self {
        Self { url, client: OnceCell::new() }
    }

    /// Pushes the message to each connection, until all have it or the deadline has passed.
    pub fn to_each<'i, 'c: 'i>(
        &self,
        connections: impl IntoIterator<Item = &'i ConnectionId<'c>>,
        message: &Message,
        deadline: Instant,
    ) -> Tally {
        let mut tally = Tally::default();
        for connection in connections {
            let delivery = self.post(&message.body_for(connection), deadline);
            tally.count(connection, delivery);
        }
        tally
    }

    fn post(&self, body: &[u8], deadline: Instant) -> Delivery {
        debug!("push {}", String::from_utf8_lossy(body));
        match self.call(body, deadline) {
            Ok(reply) => verdict(reply),
            Err(no_answer) => Delivery::Unreached(no_answer.to_string()),
        }
    }

    /// A kept connection that died while it idled fails before a byte of an answer comes: the push is sent
    /// again, once, on a new one. Should the gateway have taken the first and died before answering, the
    /// client gets the frame twice: that doubt falls on the side of delivering.
    fn call(&self, body: &[u8], deadline: Instant) -> Result<Reply, NoAnswer> {
        let client = self.client.get_or_init(|| Client::new(None));
        let post = || client.post(&self.url.0, "application/json", body, Some(deadline));
        match post() {
            Err(no_answer) if no_answer.on_stale_connection => {
                debug!("the kept connection to the gateway was dead ({no_answer}); pushing again on a new one");
                post()
            }
            result => result,
        }
    }
}

/// Only this of the gateway's answer matters.
#[derive(serde::Deserialize)]
struct PushAnswer {
    #[serde(rename = "errNo", default)]
    err_no: i64,
    #[serde(rename = "errMsg", default)]
    err_msg: String,
}

fn verdict(reply: Reply) -> Delivery {
    let status = reply.status();
    let mut body = Vec::new();
    let read = reply.read_into(&mut body, MAX_ANSWER_BYTES);
    if status != 200 {
        return Delivery::Refused(format!("status {status}, {:?}", excerpt(&body)));
    }
    match serde_json::from_slice::<PushAnswer>(&body) {
        Ok(answer) if answer.err_no == 0 => Delivery::Delivered,
        Ok(answer) => Delivery::Refused(format!("errNo {}, {:?}", answer.err_no, answer.err_msg)),
        Err(e) => {
            let why = read.err().map_or_else(|| e.to_string(), |e| format!("{e:?}"));
            warn!("a push was answered with status 200 and a body that is no answer ({why}): {:?}", excerpt(&body));
            Delivery::Delivered
        }
    }
}

/// As much of an answer as fits a line of the log.
fn excerpt(body: &[u8]) -> String {
    const EXCERPT_BYTES: usize = 200;
    String::from_utf8_lossy(&body[..body.len().min(EXCERPT_BYTES)]).into_owned()
}
