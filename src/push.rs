//! Reverse pushes: messages from a function to connected clients, by way of the gateway.
//!
//! A [`Message`] is encoded once. [`PushSender::to_one`] and [`PushSender::to_many`] post it to the push address before the
//! deadline, for each connection or, where the address takes them (`offer`), for batches of connections, and a
//! [`PushReport`] counts the results. `caller` makes one push, `answer` interprets what comes back, `fan_out` makes many at
//! once, each worker over an HTTP connection of its own.

mod answer;
mod caller;
mod fan_out;
mod message;
mod offer;
mod outcome;
mod python_json;
mod report;
mod settings;

use std::cell::RefCell;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;

#[cfg(fuzzing)]
pub(crate) use self::answer::interpret_any;
use self::caller::Caller;
use self::fan_out::{Job, Workers};
pub(crate) use self::message::{Close, Message};
use self::offer::Offer;
pub(crate) use self::outcome::PushOutcome;
pub use self::report::{PushError, PushReport};
pub(crate) use self::settings::{PushSettings, PushUrl};
use crate::event::ConnectionId;

/// Sends messages to connections: [`PushSender`] over HTTP; `testing` records them instead.
pub(crate) trait SendPushes {
    /// Where the pushes go, in a form that the log may show.
    fn address(&self) -> &dyn Display;

    /// Pushes the message to one connection.
    fn to_one(&self, connection: &ConnectionId<'_>, message: &Message, deadline: Instant) -> PushReport;

    /// Pushes the message to each connection, several pushes at once, until all are done or the deadline has passed.
    fn to_many(
        &self,
        connections: Arc<[ConnectionId<'static>]>,
        message: Message,
        deadline: Instant,
    ) -> PushReport;
}

/// Sends messages to the connections of one push address.
pub(crate) struct PushSender {
    caller: Caller,
    workers: RefCell<Workers>,
}

impl PushSender {
    /// Prepares a sender; it connects at the first push.
    pub(crate) fn new(settings: &PushSettings) -> Self {
        let settings = Arc::new(settings.clone());
        let offer = Arc::<Offer>::default();
        let workers = Workers::new(Arc::clone(&settings), Arc::clone(&offer));
        Self { caller: Caller::new(settings, offer), workers: RefCell::new(workers) }
    }
}

impl SendPushes for PushSender {
    fn address(&self) -> &dyn Display {
        self.caller.url()
    }

    fn to_one(&self, connection: &ConnectionId<'_>, message: &Message, deadline: Instant) -> PushReport {
        let mut report = PushReport::of(1);
        report.count(connection.as_str(), self.caller.push(connection, message, deadline));
        report
    }

    fn to_many(
        &self,
        connections: Arc<[ConnectionId<'static>]>,
        message: Message,
        deadline: Instant,
    ) -> PushReport {
        let job = Job::new(connections, message, deadline, self.caller.offer());
        self.workers.borrow_mut().carry_out(job, &self.caller)
    }
}
