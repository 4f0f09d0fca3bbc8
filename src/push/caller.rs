//! One push: a POST, for one connection or a batch, and its answer.
//!
//! 429 is retried later; `answer` interprets every other status.

use std::cell::OnceCell;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use log::debug;

use super::answer::{Answer, NotTaken, said};
use super::message::Message;
use super::offer::Offer;
use super::outcome::PushOutcome;
use super::report::PushReport;
use super::settings::{PushSettings, PushUrl};
use crate::event::ConnectionId;
use crate::http::push_client::{NoAnswer, PushClient, PushReply};

/// The longest answer to a single push that is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// What the answer to a batch may have beyond that for each of its connections.
const MAX_FAILED_BYTES: usize = 1024;

/// The delay after the first 429; it doubles with each further one.
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(10);

/// Makes one push after the other over one kept connection.
pub(super) struct Caller {
    settings: Arc<PushSettings>,
    offer: Arc<Offer>,
    /// Created at the first push, so that a function that never pushes pays nothing.
    client: OnceCell<PushClient>,
}

impl Caller {
    pub(super) fn new(settings: Arc<PushSettings>, offer: Arc<Offer>) -> Self {
        Self { settings, offer, client: OnceCell::new() }
    }

    pub(super) fn url(&self) -> &PushUrl {
        &self.settings.url
    }

    pub(super) fn offer(&self) -> &Offer {
        &self.offer
    }

    /// Pushes the message to one connection.
    pub(super) fn push(
        &self,
        connection: &ConnectionId<'_>,
        message: &Message,
        deadline: Instant,
    ) -> PushOutcome {
        let mut read = Vec::new();
        let answer = self.call(&message.body_for(connection), &mut read, MAX_ANSWER_BYTES, deadline);
        answer.map_or_else(|outcome| outcome, |answer| answer.outcome())
    }

    /// Pushes the message to all of these connections with one request, and counts the results.
    pub(super) fn push_batch(
        &self,
        batch: &[ConnectionId<'_>],
        message: &Message,
        deadline: Instant,
        report: &mut PushReport,
    ) -> Result<(), NotTaken> {
        let mut read = Vec::new();
        let max_bytes = MAX_ANSWER_BYTES + batch.len() * MAX_FAILED_BYTES;
        match self.call(&message.body_for_batch(batch), &mut read, max_bytes, deadline) {
            Ok(answer) => answer.count(batch, report),
            Err(outcome) => {
                report.count_all(batch, outcome);
                Ok(())
            }
        }
    }

    /// Posts the body until the answer is another than 429, and reads that into the buffer. The error is the outcome of
    /// a push without such an answer.
    fn call<'b>(
        &self,
        body: &[u8],
        buffer: &'b mut Vec<u8>,
        max_bytes: usize,
        deadline: Instant,
    ) -> Result<Answer<'b>, PushOutcome> {
        debug!("push {}", String::from_utf8_lossy(body));
        let mut delay = FIRST_RETRY_DELAY;
        let (status, cut) = loop {
            let reply = self.post(body, deadline).map_err(|no_answer| {
                self.offer.forget();
                PushOutcome::Unreached(no_answer.to_string())
            })?;
            let status = reply.status();
            let read = reply.read_into(buffer, max_bytes);
            if status != 429 {
                break (status, read.err());
            }
            if Instant::now() + delay >= deadline {
                return Err(PushOutcome::Refused(said(status, buffer)));
            }
            thread::sleep(delay);
            delay *= 2;
        };
        let answer = Answer::new(status, buffer, cut);
        self.offer.note(status, answer.offered());
        Ok(answer)
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
