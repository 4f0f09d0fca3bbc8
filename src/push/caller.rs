//! One push: a POST, and the meaning of its answer.
//!
//! Status 200 with `errNo` 0 means delivered. Another `errNo`, 404 and 410 mean that the connection is gone; 429 is
//! retried later. Everything else is a failure of the gateway and says nothing about the connection.

use std::cell::OnceCell;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use log::{debug, warn};

use super::message::Message;
use super::settings::{PushSettings, PushUrl};
use crate::event::ConnectionId;
use crate::http::push_client::{NoAnswer, PushClient, PushReply};
use crate::log_text::excerpt;

/// The longest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The delay after the first 429; it doubles with each further one.
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(10);

/// The result of one push.
pub(crate) enum PushOutcome {
    Delivered,
    /// The gateway does not know the connection (any more).
    Gone(String),
    /// The gateway answered that it failed.
    Refused(String),
    /// The gateway did not answer.
    Unreached(String),
}

/// What an answer means for the push.
enum Interpretation {
    Final(PushOutcome),
    /// Too many requests; the reason to report if no time is left for a retry.
    RetryLater(String),
}

/// Makes one push after the other over one kept connection.
pub(super) struct Caller {
    settings: Arc<PushSettings>,
    /// Created at the first push, so that a function that never pushes pays nothing.
    client: OnceCell<PushClient>,
}

impl Caller {
    pub(super) fn new(settings: Arc<PushSettings>) -> Self {
        Self { settings, client: OnceCell::new() }
    }

    pub(super) fn url(&self) -> &PushUrl {
        &self.settings.url
    }

    pub(super) fn push(
        &self,
        connection: &ConnectionId<'_>,
        message: &Message,
        deadline: Instant,
    ) -> PushOutcome {
        let body = message.body_for(connection);
        debug!("push {}", String::from_utf8_lossy(&body));
        let mut delay = FIRST_RETRY_DELAY;
        loop {
            let why = match self.post(&body, deadline).map(read_answer) {
                Ok(Interpretation::Final(outcome)) => return outcome,
                Ok(Interpretation::RetryLater(why)) => why,
                Err(no_answer) => return PushOutcome::Unreached(no_answer.to_string()),
            };
            if Instant::now() + delay >= deadline {
                return PushOutcome::Refused(why);
            }
            thread::sleep(delay);
            delay *= 2;
        }
    }

    /// A kept connection that has gone stale fails before the first byte of an answer: the push is then retried once on a
    /// new connection. If the gateway had accepted the first attempt and crashed before answering, the client receives
    /// the frame twice, which is preferred to losing it.
    fn post(&self, body: &[u8], deadline: Instant) -> Result<PushReply, NoAnswer> {
        let client = self.client.get_or_init(|| PushClient::new(self.settings.trusted_roots.clone()));
        let post = || client.post(self.settings.url.uri(), "application/json", body, deadline);
        match post() {
            Err(no_answer) if no_answer.on_stale_connection => {
                debug!(
                    "the kept connection to the gateway was stale ({no_answer}); retrying the push on a new one"
                );
                post()
            }
            result => result,
        }
    }
}

/// The part of the gateway's answer that matters.
#[derive(serde::Deserialize)]
struct PushAnswer {
    #[serde(rename = "errNo", default)]
    err_no: i64,
    #[serde(rename = "errMsg", default)]
    err_msg: String,
}

fn read_answer(reply: PushReply) -> Interpretation {
    let status = reply.status();
    let mut body = Vec::new();
    let read = reply.read_into(&mut body, MAX_ANSWER_BYTES);
    interpret(status, &body, read.err())
}

fn interpret(status: u16, body: &[u8], cut: Option<io::Error>) -> Interpretation {
    let said = || format!("status {status}, {:?}", excerpt(&String::from_utf8_lossy(body)));
    match status {
        200 => {}
        429 => return Interpretation::RetryLater(said()),
        404 | 410 => return Interpretation::Final(PushOutcome::Gone(said())),
        _ => return Interpretation::Final(PushOutcome::Refused(said())),
    }
    Interpretation::Final(match serde_json::from_slice::<PushAnswer>(body) {
        Ok(answer) if answer.err_no == 0 => PushOutcome::Delivered,
        Ok(answer) => PushOutcome::Gone(format!("errNo {}, {:?}", answer.err_no, excerpt(&answer.err_msg))),
        Err(e) => {
            let why = cut.map_or_else(|| e.to_string(), |cut| cut.to_string());
            warn!("unparseable push response ({}): {}", excerpt(&why), said());
            PushOutcome::Delivered
        }
    })
}

#[cfg(fuzzing)]
pub(crate) fn interpret_any(body: &[u8]) {
    for status in [200, 404, 410, 429, 500] {
        interpret(status, body, None);
    }
}
