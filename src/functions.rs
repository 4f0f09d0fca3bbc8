//! The interface of a user's functions: [`Functions`], and the [`Decision`] about a client.

use std::collections::BTreeMap;

use crate::connecting::Connecting;
use crate::context::Context;
use crate::error::Result;
use crate::event::json_object;
use crate::frame::{Closing, Frame};

/// The most that the attributes of a connection may take, as JSON.
const MAX_ATTRIBUTES_BYTES: usize = 4 * 1024;

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
    /// Decides whether a client may connect. By default every client is accepted.
    fn register(&mut self, client: &Connecting<'_>, context: &mut Context<'_>) -> Result<Decision> {
        let _ = (client, context);
        Ok(Decision::accept())
    }

    /// Handles a frame that a client has sent. By default nothing is done.
    fn transfer(&mut self, frame: &Frame<'_>, context: &mut Context<'_>) -> Result<()> {
        let _ = (frame, context);
        Ok(())
    }

    /// Handles the end of a connection. By default nothing is done: a push removes from a [room](crate::Room) whoever
    /// does not exist any more.
    ///
    /// A connection that a function closes causes no such event, unless it asks for one
    /// ([`Push::and_clean_up`](crate::Push::and_clean_up)).
    fn cleanup(&mut self, connection: &Closing<'_>, context: &mut Context<'_>) -> Result<()> {
        let _ = (connection, context);
        Ok(())
    }

    /// Settings to show in the first line of the log: `key=value` pairs separated by spaces, without secrets.
    ///
    /// By default there are none.
    ///
    /// ```
    /// struct Quiz {
    ///     seconds: u32,
    /// }
    ///
    /// impl scf_websocket::Functions for Quiz {
    ///     fn settings(&self) -> String {
    ///         format!("seconds={}", self.seconds)
    ///     }
    /// }
    /// ```
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
/// let accepted = Decision::accept_with("chat");
/// assert!(accepted.is_accepted());
/// assert_eq!(accepted.sub_protocol(), Some("chat"));
/// let refused = Decision::refuse(401, "a token, please");
/// assert_eq!((refused.err_no(), refused.message()), (401, "a token, please"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision(pub(crate) DecisionKind);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DecisionKind {
    Accept { sub_protocol: Option<String>, attributes: BTreeMap<String, String> },
    Refuse { err_no: u32, message: String },
}

impl Decision {
    /// Accepts the client. The gateway selects the first of the sub-protocols that the client offers, if any.
    #[must_use]
    pub fn accept() -> Self {
        Self(DecisionKind::Accept { sub_protocol: None, attributes: BTreeMap::new() })
    }

    /// Accepts the client with this sub-protocol, which should be one that it [offers](Connecting::sub_protocols).
    #[must_use]
    pub fn accept_with(sub_protocol: impl Into<String>) -> Self {
        Self(DecisionKind::Accept { sub_protocol: Some(sub_protocol.into()), attributes: BTreeMap::new() })
    }

    /// Says something of the client that each later event of its connection carries, so that no store is needed for it:
    /// [`Frame::attribute`], [`Closing::attribute`].
    ///
    /// Only the gateway of this project keeps attributes. Who looks at its connections or its log sees them, so a secret is
    /// none. All of a connection have at most 4 KiB as JSON, otherwise the invocation fails and the client is refused. One
    /// that is named twice has its last value; a refusal has none.
    ///
    /// ```
    /// # use scf_websocket::{Connecting, Decision};
    /// fn decide(client: &Connecting<'_>) -> Decision {
    ///     match client.query("name") {
    ///         Some(name) => Decision::accept().attribute("user", name).attribute("level", "3"),
    ///         None => Decision::refuse(401, "a name, please"),
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        if let DecisionKind::Accept { attributes, .. } = &mut self.0 {
            attributes.insert(name.into(), value.into());
        }
        self
    }

    /// Refuses the client. The gateway receives the number as `errNo` and the message as `errMsg`.
    ///
    /// The gateway of this project answers the client with the number as the handshake's status, if it is one of 400 to 599,
    /// and with 403 otherwise: `Decision::refuse(401, "…")` is status 401. 104 is kept for a store that cannot record the
    /// client, and is 503.
    ///
    /// The contract leaves the number open, except that 0 would accept the client; 0 is therefore sent as 403.
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
            DecisionKind::Accept { sub_protocol, .. } => sub_protocol.as_deref(),
            DecisionKind::Refuse { .. } => None,
        }
    }

    /// The attributes as a JSON object; `None` if there are none.
    ///
    /// # Errors
    /// If they are too long.
    pub(crate) fn attributes_json(&self) -> Result<Option<String>> {
        let DecisionKind::Accept { attributes, .. } = &self.0 else { return Ok(None) };
        if attributes.is_empty() {
            return Ok(None);
        }
        let json = json_object(attributes);
        if json.len() > MAX_ATTRIBUTES_BYTES {
            Err(format!(
                "the attributes of the connection have {} bytes as JSON; a connection has at most {MAX_ATTRIBUTES_BYTES}",
                json.len()
            ))?;
        }
        Ok(Some(json))
    }
}
