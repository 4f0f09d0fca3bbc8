//! Records pushes instead of sending them.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::event::ConnectionId;
use crate::push::{Message, PushOutcome, PushReport, SendPushes};

/// A push that a function has made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pushed {
    /// The connection that it went to.
    pub connection: String,
    /// What it contains.
    pub content: Content,
}

/// What a push contains.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// A text frame.
    Text(String),
    /// A binary frame.
    Binary(Vec<u8>),
    /// A request to close the connection.
    Close,
}

pub(super) struct Recorder {
    pub(super) pushes: Arc<Mutex<Vec<Pushed>>>,
    pub(super) gone: Arc<Mutex<BTreeSet<String>>>,
}

impl Recorder {
    fn record(&self, connection: &ConnectionId<'_>, message: &Message, report: &mut PushReport) {
        if lock(&self.gone).contains(connection.as_str()) {
            return report.count(connection.as_str(), PushOutcome::Gone("the client has left".into()));
        }
        let content = content(&message.body_for(connection));
        lock(&self.pushes).push(Pushed { connection: connection.as_str().to_owned(), content });
        report.count(connection.as_str(), PushOutcome::Delivered);
    }
}

impl SendPushes for Recorder {
    fn address(&self) -> &dyn Display {
        &"of the test"
    }

    fn to_one(&self, connection: &ConnectionId<'_>, message: &Message, _: Instant) -> PushReport {
        let mut report = PushReport::of(1);
        self.record(connection, message, &mut report);
        report
    }

    fn to_many(&self, connections: Arc<[ConnectionId<'static>]>, message: Message, _: Instant) -> PushReport {
        let mut report = PushReport::of(connections.len());
        for connection in connections.iter() {
            self.record(connection, &message, &mut report);
        }
        report
    }
}

/// Reads the body of a push as the gateway would.
fn content(body: &[u8]) -> Content {
    let push: Value = serde_json::from_slice(body).unwrap_or_default();
    let websocket = &push["websocket"];
    if websocket["action"] == "closing" {
        return Content::Close;
    }
    let data = websocket["data"].as_str().unwrap_or_default();
    match websocket["dataType"].as_str() {
        Some("binary") => Content::Binary(STANDARD.decode(data).unwrap_or_default()),
        _ => Content::Text(data.to_owned()),
    }
}

/// A test that has panicked elsewhere must not hide its own message.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
