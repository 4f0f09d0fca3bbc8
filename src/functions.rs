//! The interface of a user's functions: [`Functions`], and the [`Decision`] about a client.

use log::warn;

use crate::connecting::Connecting;
use crate::context::Context;
use crate::error::{Chain, Result};
use crate::frame::{Closing, Frame};
use crate::log_text::excerpt;

/// The three functions of a WebSocket API.
///
/// One value serves the events of one instance, one event at a time. SCF runs several instances, so whatever they
/// share belongs into a room or a stored value of the [`Context`], not into a field.
///
/// An error, or a panic, fails the invocation: a client that is connecting is refused, and a client that has sent a
/// frame is disconnected.
///
/// ```
/// use scf_websocket::{Context, Frame, Functions, Result};
///
/// /// Sends each text frame back in capitals.
/// struct Shout;
///
/// impl Functions for Shout {
///     fn transfer(&mut self, frame: &Frame<'_>, context: &mut Context<'_>) -> Result<()> {
///         if let Some(text) = frame.text() {
///             context.push(frame.connection()).text(&text.to_uppercase())?;
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait Functions {
    /// Decides whether a client may connect.
    ///
    /// By default every client is accepted; if `WS_STORE` is set, it is recorded in the room that `WS_ROOM` names.
    fn register(&mut self, client: &Connecting<'_>, context: &mut Context<'_>) -> Result<Decision> {
        Ok(Decision::accept().recorded(client, context))
    }

    /// Handles a frame that a client has sent. By default nothing is done.
    fn transfer(&mut self, frame: &Frame<'_>, context: &mut Context<'_>) -> Result<()> {
        let _ = (frame, context);
        Ok(())
    }

    /// Handles the end of a connection. By default it is removed from the room that `WS_ROOM` names.
    ///
    /// A client may vanish without this event, and a connection that a function closes causes none.
    fn cleanup(&mut self, connection: &Closing<'_>, context: &mut Context<'_>) -> Result<()> {
        if let Some(mut room) = context.default_room() {
            room.leave(connection.id())?;
        }
        Ok(())
    }

    /// Settings to show in the first line of the log: `key=value` pairs separated by spaces, without secrets.
    ///
    /// By default there are none.
    fn settings(&self) -> String {
        String::new()
    }
}

impl<F: Functions + ?Sized> Functions for Box<F> {
    fn register(&mut self, client: &Connecting<'_>, context: &mut Context<'_>) -> Result<Decision> {
        (**self).register(client, context)
    }

    fn transfer(&mut self, frame: &Frame<'_>, context: &mut Context<'_>) -> Result<()> {
        (**self).transfer(frame, context)
    }

    fn cleanup(&mut self, connection: &Closing<'_>, context: &mut Context<'_>) -> Result<()> {
        (**self).cleanup(connection, context)
    }

    fn settings(&self) -> String {
        (**self).settings()
    }
}

/// Whether a client may connect.
///
/// ```
/// use scf_websocket::Decision;
///
/// assert!(Decision::accept_with("chat").is_accepted());
/// assert_eq!(Decision::refuse(401, "a token, please").err_no(), 401);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision(pub(crate) DecisionKind);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DecisionKind {
    Accept { sub_protocol: Option<String> },
    Refuse { err_no: u32, message: String },
}

impl Decision {
    /// Accepts the client. The gateway selects the first of the sub-protocols that the client offers, if any.
    #[must_use]
    pub fn accept() -> Self {
        Self(DecisionKind::Accept { sub_protocol: None })
    }

    /// Accepts the client with this sub-protocol, which should be one that it [offers](Connecting::sub_protocols).
    #[must_use]
    pub fn accept_with(sub_protocol: impl Into<String>) -> Self {
        Self(DecisionKind::Accept { sub_protocol: Some(sub_protocol.into()) })
    }

    /// Refuses the client. The gateway receives the number as `errNo` and the message as `errMsg`.
    ///
    /// The contract leaves the number open, except that 0 would accept the client; 0 is therefore sent as 403. This
    /// repository's gateway refuses the client with the number as the status if it is one of 400 to 599, else with 403;
    /// 104 is kept for a store that cannot record the client, and is 503.
    #[must_use]
    pub fn refuse(err_no: u32, message: impl Into<String>) -> Self {
        let err_no = if err_no == 0 { 403 } else { err_no };
        Self(DecisionKind::Refuse { err_no, message: message.into() })
    }

    /// Whether the client is accepted.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.err_no() == 0
    }

    /// The `errNo` of a refusal; 0 if the client is accepted.
    #[must_use]
    pub fn err_no(&self) -> u32 {
        match self.0 {
            DecisionKind::Accept { .. } => 0,
            DecisionKind::Refuse { err_no, .. } => err_no,
        }
    }

    /// The message of a refusal; empty if the client is accepted.
    #[must_use]
    pub fn message(&self) -> &str {
        match &self.0 {
            DecisionKind::Accept { .. } => "",
            DecisionKind::Refuse { message, .. } => message,
        }
    }

    /// The sub-protocol that [`Decision::accept_with`] names.
    #[must_use]
    pub fn sub_protocol(&self) -> Option<&str> {
        match &self.0 {
            DecisionKind::Accept { sub_protocol } => sub_protocol.as_deref(),
            DecisionKind::Refuse { .. } => None,
        }
    }

    /// Records an accepted client in the room that `WS_ROOM` names, if `WS_STORE` is set.
    ///
    /// A client that cannot be recorded could not be reached, so it is refused with `errNo` 104 and a sentence that says
    /// nothing of the store; the reason is logged.
    #[must_use]
    pub fn recorded(self, client: &Connecting<'_>, context: &mut Context<'_>) -> Self {
        if self.is_accepted()
            && let Some(mut room) = context.default_room()
            && let Err(e) = room.join(client.id())
        {
            warn!("connection {:?} was not recorded and is refused: {}", excerpt(client.id()), Chain(&e));
            return Self::refuse(104, "the client cannot be recorded now: try again later");
        }
        self
    }
}
