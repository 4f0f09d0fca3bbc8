//! What is done with an event: the trait [`Handler`], and the choice of one by role.
//!
//! [`for_role`] builds the handler that the configuration asks for. Each role's business stands in a file of
//! its own: `register`, `transfer`, `cleanup`.

mod cleanup;
mod register;
mod transfer;

use std::borrow::Cow;
use std::fmt;
use std::time::Instant;

pub use self::cleanup::Cleanup;
pub use self::register::Register;
pub use self::transfer::Transfer;

use log::warn;

use crate::config::Role;
use crate::event::{self, Event, EventError};
use crate::store::Room;

/// Somebody's business with events.
pub trait Handler {
    /// The role that this event finds, for the log.
    fn role(&self, event: &Event<'_>) -> &'static str;

    /// Carries the event out. An error, or a panic, is reported to SCF as the invocation's failure.
    fn handle<'e>(&mut self, event: &Event<'e>, context: &Context<'_>) -> Result<Answer<'e>, Failure>;
}

/// What SCF says of an invocation.
#[derive(Debug, Clone, Copy)]
pub struct Context<'c> {
    /// SCF's id of the request, `-` where it sent none.
    pub request_id: &'c str,
    /// When everything must be done: the time limit, less what delivering the outcome takes.
    pub deadline: Instant,
    /// The function's memory, in MB, where SCF says it.
    pub memory_limit_mb: Option<u64>,
}

/// The JSON that goes back.
#[derive(Debug)]
pub struct Answer<'e> {
    json: Cow<'e, str>,
    err_no: u32,
}

impl<'e> Answer<'e> {
    /// The event itself, byte for byte.
    #[must_use]
    pub fn event(event: &Event<'e>) -> Self {
        Self { json: Cow::Borrowed(event.text()), err_no: 0 }
    }

    /// JSON that says yes.
    #[must_use]
    pub fn accept(json: String) -> Self {
        Self { json: Cow::Owned(json), err_no: 0 }
    }

    /// `{"errNo":…,"errMsg":"…"}`: a register function refuses the client with it.
    #[must_use]
    pub fn refuse(err_no: u32, message: &str) -> Self {
        Self { json: Cow::Owned(event::refusing_answer(err_no, message)), err_no }
    }

    /// The number that the answer carries, 0 for a yes.
    #[must_use]
    pub fn err_no(&self) -> u32 {
        self.err_no
    }

    /// The JSON.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }

    pub(crate) fn map(self, wrap: impl FnOnce(&str) -> String) -> Self {
        Self { json: Cow::Owned(wrap(&self.json)), err_no: self.err_no }
    }

    /// The JSON where it is not the event itself.
    pub(crate) fn into_json(self) -> Option<String> {
        match self.json {
            Cow::Borrowed(_) => None,
            Cow::Owned(json) => Some(json),
        }
    }
}

/// Why an event could not be carried out: the sentence that SCF's monitoring shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    /// A failure with its sentence.
    #[must_use]
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl From<EventError> for Failure {
    fn from(error: EventError) -> Self {
        Self(error.to_string())
    }
}

/// The handler that a role asks for.
#[must_use]
pub fn for_role(role: &Role) -> Box<dyn Handler> {
    match role {
        Role::Register(settings) => Box::new(Register::new(settings)),
        Role::Transfer(settings) => Box::new(Transfer::new(settings)),
        Role::Cleanup(settings) => Box::new(Cleanup::new(settings)),
        Role::Auto(settings) => Box::new(Auto {
            register: Register::new(&settings.register),
            transfer: Transfer::new(&settings.transfer),
            cleanup: Cleanup::new(&settings.cleanup),
        }),
    }
}

/// All three roles in one function, by the event's action.
struct Auto {
    register: Register,
    transfer: Transfer,
    cleanup: Cleanup,
}

impl Auto {
    fn choose(&mut self, event: &Event<'_>) -> Result<&mut dyn Handler, EventError> {
        let Some(websocket) = event.websocket() else {
            // Only connecting events carry a request context, and each role has an answer of its own to an
            // event without `websocket`.
            return Ok(if event.has_request_context() { &mut self.register } else { &mut self.transfer });
        };
        let action = websocket?.action.ok_or(EventError::Missing("action"))?;
        match action.text()?.as_ref() {
            "connecting" => Ok(&mut self.register),
            "data recv" => Ok(&mut self.transfer),
            "closing" => Ok(&mut self.cleanup),
            other => Err(EventError::Unknown {
                name: "action",
                value: other.to_owned(),
                known: "connecting, data recv, closing",
            }),
        }
    }
}

impl Handler for Auto {
    fn role(&self, _: &Event<'_>) -> &'static str {
        "auto"
    }

    fn handle<'e>(&mut self, event: &Event<'e>, context: &Context<'_>) -> Result<Answer<'e>, Failure> {
        self.choose(event)?.handle(event, context)
    }
}

/// Forgets connections that have gone. They go unheard of again at the next push, so a store that is away is
/// no more than a warning.
fn forget(room: &mut Room, gone: &[&str], context: &Context<'_>) {
    if let Err(e) = room.remove(gone, context.deadline) {
        warn!("{} gone connections were not removed: {e}", gone.len());
    }
}

/// What transfer and cleanup answer to an event without `websocket`: two words, unlike register's one.
fn websocket_not_found<'e>() -> Answer<'e> {
    Answer::refuse(102, "not found web socket")
}
