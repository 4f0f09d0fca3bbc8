//! One push: a POST, for one connection or a batch, and its answer.
//!
//! 429 is retried later; `answer` interprets every other status. Of several addresses, the next one is used when no
//! connection to this one can be made, or a server in front of it takes no requests: then nothing was accepted.

use std::cell::OnceCell;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use log::{debug, warn};

use super::answer::{NotTaken, PushAnswer, said};
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

/// Why a push has no answer.
enum Unanswered {
    /// No connection was made. The reason is a part of a sentence.
    NotSent(String),
    /// Whether it has arrived is not known, or it was refused.
    Outcome(PushOutcome),
}

impl Unanswered {
    fn of(no_answer: &NoAnswer) -> Self {
        let why = no_answer.to_string();
        if no_answer.not_sent { Self::NotSent(why) } else { Self::Outcome(PushOutcome::Unreached(why)) }
    }

    fn into_outcome(self) -> PushOutcome {
        match self {
            Self::NotSent(why) => PushOutcome::Unreached(why),
            Self::Outcome(outcome) => outcome,
        }
    }
}

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
        let body = message.body_for(connection);
        for _ in 1..self.settings.url.count() {
            let (position, _) = self.settings.url.current();
            match self.call(&body, &mut read, MAX_ANSWER_BYTES, deadline) {
                Err(Unanswered::NotSent(why)) => self.leave(position, &why),
                Err(Unanswered::Outcome(outcome)) => return outcome,
                Ok(answer) if answer.is_not_taken() => self.leave(position, "status 503"),
                Ok(answer) => return answer.outcome(),
            }
        }
        match self.call(&body, &mut read, MAX_ANSWER_BYTES, deadline) {
            Err(unanswered) => unanswered.into_outcome(),
            Ok(answer) => answer.outcome(),
        }
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
        let has_others = self.settings.url.count() > 1;
        let (position, _) = self.settings.url.current();
        match self.call(&message.body_for_batch(batch), &mut read, max_bytes, deadline) {
            // The next address has not offered to take batches.
            Err(Unanswered::NotSent(why)) if has_others => {
                self.leave(position, &why);
                Err(NotTaken)
            }
            Ok(answer) if has_others && answer.is_not_taken() => {
                self.leave(position, "status 503");
                Err(NotTaken)
            }
            Ok(answer) => answer.count(batch, report),
            Err(unanswered) => {
                report.count_all(batch, unanswered.into_outcome());
                Ok(())
            }
        }
    }

    /// Uses the next address from now on.
    fn leave(&self, position: usize, why: &str) {
        warn!("the push address {} of {} is not reached ({why})", position + 1, self.settings.url.count());
        self.settings.url.leave(position);
        self.offer.forget();
    }

    /// Posts the body until the answer is another than 429, and reads that into the buffer. The error is the outcome of
    /// a push without such an answer.
    fn call<'b>(
        &self,
        body: &[u8],
        buffer: &'b mut Vec<u8>,
        max_bytes: usize,
        deadline: Instant,
    ) -> Result<PushAnswer<'b>, Unanswered> {
        debug!("push {}", String::from_utf8_lossy(body));
        let mut delay = FIRST_RETRY_DELAY;
        let (status, cut) = loop {
            let reply = self.post(body, deadline).map_err(|no_answer| {
                self.offer.forget();
                Unanswered::of(&no_answer)
            })?;
            let status = reply.status();
            let read = reply.read_into(buffer, max_bytes);
            if status != 429 {
                break (status, read.err());
            }
            if Instant::now() + delay >= deadline {
                return Err(Unanswered::Outcome(PushOutcome::Refused(said(status, buffer))));
            }
            thread::sleep(delay);
            delay *= 2;
        };
        let answer = PushAnswer::new(status, buffer, cut);
        self.offer.note(status, answer.offered());
        Ok(answer)
    }

    /// A kept connection that has gone stale fails before the first byte of an answer: the push is then retried once on a
    /// new connection. If the gateway had accepted the first attempt and crashed before answering, the client receives
    /// the frame twice, which is preferred to losing it.
    fn post(&self, body: &[u8], deadline: Instant) -> Result<PushReply, NoAnswer> {
        let client = self.client.get_or_init(|| PushClient::new(self.settings.trusted_roots.clone()));
        let (_, uri) = self.settings.url.current();
        // An address that does not respond leaves time for the next one.
        let connect_deadline = match self.settings.url.count() {
            1 => deadline,
            count => {
                Instant::now()
                    + deadline.saturating_duration_since(Instant::now()) / u32::try_from(count).unwrap_or(1)
            }
        };
        let post = || client.post(uri, "application/json", body, deadline, connect_deadline);
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
