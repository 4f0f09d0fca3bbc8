//! One push: a POST, and what its answer means.
//!
//! The contract is that of the gateway's reverse push address: status 200 and `errNo` 0 is yes; another
//! `errNo`, 404 and 410 say that the connection is gone; 429 asks to come again later; everything else is the
//! gateway's own trouble, from which nothing follows for the connection.

use std::cell::OnceCell;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use log::{debug, warn};

use super::client::{Client, NoAnswer, Reply};
use super::{Message, PushUrl};
use crate::event::ConnectionId;
use crate::excerpt::excerpt;

/// No answer of a push address needs more; what is longer is not read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The first pause after a 429; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// What became of one push.
pub(super) enum Delivery {
    Delivered,
    /// The gateway does not know the connection (any more).
    Gone(String),
    /// The gateway answered, and not with a yes.
    Refused(String),
    /// The gateway did not answer.
    Unreached(String),
}

enum Verdict {
    Final(Delivery),
    /// Too many requests; the reason to give if there is no time to come again.
    Later(String),
}

/// Makes pushes one after the other, over one kept connection.
pub(super) struct Caller {
    url: Arc<PushUrl>,
    /// Made at the first push: a function that is only warmed up pays nothing for it.
    client: OnceCell<Client>,
}

impl Caller {
    pub(super) fn new(url: Arc<PushUrl>) -> Self {
        Self { url, client: OnceCell::new() }
    }

    pub(super) fn url(&self) -> &PushUrl {
        &self.url
    }

    pub(super) fn push(
        &self,
        connection: &ConnectionId<'_>,
        message: &Message,
        deadline: Instant,
    ) -> Delivery {
        let body = message.body_for(connection);
        debug!("push {}", String::from_utf8_lossy(&body));
        let mut pause = FIRST_PAUSE;
        loop {
            let why = match self.post(&body, deadline).map(verdict) {
                Ok(Verdict::Final(delivery)) => return delivery,
                Ok(Verdict::Later(why)) => why,
                Err(no_answer) => return Delivery::Unreached(no_answer.to_string()),
            };
            if Instant::now() + pause >= deadline {
                return Delivery::Refused(why);
            }
            thread::sleep(pause);
            pause *= 2;
        }
    }

    /// A kept connection that died while it idled fails before a byte of an answer comes: the push is sent
    /// again, once, on a new one. Should the gateway have taken the first and died before answering, the
    /// client gets the frame twice: that doubt falls on the side of delivering.
    fn post(&self, body: &[u8], deadline: Instant) -> Result<Reply, NoAnswer> {
        let client = self.client.get_or_init(Client::new);
        let post = || client.post(&self.url.0, "application/json", body, deadline);
        match post() {
            Err(no_answer) if no_answer.on_stale_connection => {
                debug!(
                    "the kept connection to the gateway was dead ({no_answer}); pushing again on a new one"
                );
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

fn verdict(reply: Reply) -> Verdict {
    let status = reply.status();
    let mut body = Vec::new();
    let read = reply.read_into(&mut body, MAX_ANSWER_BYTES);
    judge(status, &body, read.err())
}

fn judge(status: u16, body: &[u8], cut: Option<io::Error>) -> Verdict {
    let said = || format!("status {status}, {:?}", excerpt(&String::from_utf8_lossy(body)));
    match status {
        200 => {}
        429 => return Verdict::Later(said()),
        404 | 410 => return Verdict::Final(Delivery::Gone(said())),
        _ => return Verdict::Final(Delivery::Refused(said())),
    }
    Verdict::Final(match serde_json::from_slice::<PushAnswer>(body) {
        Ok(answer) if answer.err_no == 0 => Delivery::Delivered,
        Ok(answer) => Delivery::Gone(format!("errNo {}, {:?}", answer.err_no, excerpt(&answer.err_msg))),
        Err(e) => {
            let why = cut.map_or_else(|| e.to_string(), |cut| cut.to_string());
            warn!("a push was answered with a body that is no answer ({}): {}", excerpt(&why), said());
            Delivery::Delivered
        }
    })
}

#[cfg(fuzzing)]
pub(crate) fn judge_any(body: &[u8]) {
    for status in [200, 404, 410, 429, 500] {
        judge(status, body, None);
    }
}
