//! The gateway's side of a test: who is connected, and what was pushed, which is recorded instead of sent.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::event::ConnectionId;
use crate::push::{Message, PushOutcome, PushReport, SendPushes};

/// A push that a function has made, and that has reached its client.
///
/// ```
/// # use scf_websocket::{Context, Frame, Functions, Result};
/// use scf_websocket::testing::{Content, Harness};
///
/// /// Closes each client that sends a frame.
/// struct Strict;
///
/// impl Functions for Strict {
///     fn transfer(&mut self, frame: &Frame<'_>, context: &mut Context<'_>) -> Result<()> {
///         context.push(frame.connection()).close_with(4001, "silence")?;
///         Ok(())
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let mut strict = Harness::new(Strict);
/// strict.connect("ann")?;
/// strict.send_text("ann", "hello")?;
/// let pushes = strict.pushes();
/// assert_eq!(pushes[0].connection, "ann");
/// assert_eq!(pushes[0].content, Content::Close { code: 4001, reason: "silence".into() });
/// assert!(!strict.is_connected("ann"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pushed {
    /// The connection that it went to.
    pub connection: String,
    /// What it contains.
    pub content: Content,
}

/// What a push contains; see [`Pushed`] for a close.
///
/// ```
/// # use scf_websocket::testing::{Content, Pushed};
/// /// What a test counts.
/// fn bytes(pushes: &[Pushed]) -> usize {
///     let contents = pushes.iter().map(|push| match &push.content {
///         Content::Text(text) => text.len(),
///         Content::Binary(bytes) => bytes.len(),
///         _ => 0,
///     });
///     contents.sum()
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Content {
    /// A text frame.
    Text(String),
    /// A binary frame.
    Binary(Vec<u8>),
    /// The end of the connection, with what the client receives.
    Close {
        /// The code; 1000 unless the function names one.
        code: u16,
        /// The reason; empty unless the function names one.
        reason: String,
    },
}

/// The attributes of a connection, as an event carries them; null if there are none.
pub(super) type AttributesJson = Value;

/// Clones share one state.
#[derive(Clone, Default)]
pub(super) struct Gateway(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    connected: HashMap<String, AttributesJson>,
    pushes: Vec<Pushed>,
    /// Connections closed by functions that asked for the cleanup function to be called.
    to_clean_up: Vec<(String, AttributesJson)>,
}

impl Gateway {
    /// A client connects, or register has given it these attributes.
    pub(super) fn enter(&self, connection: &str, attributes: AttributesJson) {
        self.state().connected.insert(connection.to_owned(), attributes);
    }

    /// A client is not connected any more; its attributes, if it was.
    pub(super) fn remove(&self, connection: &str) -> Option<AttributesJson> {
        self.state().connected.remove(connection)
    }

    /// How many pushes are recorded.
    pub(super) fn pushed(&self) -> usize {
        self.state().pushes.len()
    }

    /// A client is refused: nothing that was pushed to it since then reaches it.
    pub(super) fn refuse(&self, connection: &str, since: usize) {
        let mut state = self.state();
        state.connected.remove(connection);
        let mut number = 0..;
        state.pushes.retain(|push| number.next() < Some(since) || push.connection != connection);
    }

    pub(super) fn attributes(&self, connection: &str) -> Option<AttributesJson> {
        self.state().connected.get(connection).cloned()
    }

    pub(super) fn next_to_clean_up(&self) -> Option<(String, AttributesJson)> {
        let mut state = self.state();
        (!state.to_clean_up.is_empty()).then(|| state.to_clean_up.remove(0))
    }

    pub(super) fn take_pushes(&self) -> Vec<Pushed> {
        std::mem::take(&mut self.state().pushes)
    }

    pub(super) fn take_texts_to(&self, connection: &str) -> Vec<String> {
        let mut texts = Vec::new();
        self.state().pushes.retain(|push| match &push.content {
            Content::Text(text) if push.connection == connection => {
                texts.push(text.clone());
                false
            }
            _ => true,
        });
        texts
    }

    fn push(&self, connection: &ConnectionId<'_>, message: &Message, report: &mut PushReport) {
        let id = connection.as_str().to_owned();
        let mut state = self.state();
        if !state.connected.contains_key(&id) {
            return report.count(&id, PushOutcome::Gone("the client is not connected".into()));
        }
        let push: Value = serde_json::from_slice(&message.body_for(connection)).unwrap_or_default();
        let content = content(&push["websocket"]);
        if let Content::Close { .. } = content {
            let attributes = state.connected.remove(&id).unwrap_or_default();
            if push["websocket"]["cleanup"] == true {
                state.to_clean_up.push((id.clone(), attributes));
            }
        }
        report.count(&id, PushOutcome::Delivered);
        state.pushes.push(Pushed { connection: id, content });
    }

    /// A test that has panicked elsewhere must not hide its own message.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SendPushes for Gateway {
    fn address(&self) -> &dyn Display {
        &"of the test"
    }

    fn to_one(&self, connection: &ConnectionId<'_>, message: &Message, _: Instant) -> PushReport {
        let mut report = PushReport::of(1);
        self.push(connection, message, &mut report);
        report
    }

    fn to_many(&self, connections: Arc<[ConnectionId<'static>]>, message: Message, _: Instant) -> PushReport {
        let mut report = PushReport::of(connections.len());
        for connection in connections.iter() {
            self.push(connection, &message, &mut report);
        }
        report
    }
}

/// Reads a push as the gateway would.
fn content(websocket: &Value) -> Content {
    let text = |name: &str| websocket[name].as_str().unwrap_or_default();
    match (text("action"), text("dataType")) {
        ("closing", _) => {
            let code = websocket["code"].as_u64().and_then(|code| code.try_into().ok()).unwrap_or(1000);
            Content::Close { code, reason: text("reason").to_owned() }
        }
        (_, "binary") => Content::Binary(STANDARD.decode(text("data")).unwrap_or_default()),
        _ => Content::Text(text("data").to_owned()),
    }
}
