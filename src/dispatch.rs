//! From an event to its answer: selects the function by role, and turns what it returns into the contract's JSON.

use std::sync::Arc;

use crate::answer::Answer;
use crate::connecting::Connecting;
use crate::context::{Context, FunctionInfo, Invocation, Resources};
use crate::error::Result;
use crate::event::{Event, EventError, JsonText, WebSocket, json_string};
use crate::frame::{Closing, Frame};
use crate::functions::{Decision, DecisionKind, Functions};
use crate::role::Role;

/// The functions of a process with all that they use.
pub(crate) struct Dispatcher {
    functions: Box<dyn Functions>,
    role: Role,
    function: Arc<FunctionInfo>,
    resources: Resources,
    integration_response: bool,
}

impl Dispatcher {
    pub(crate) fn new(
        functions: Box<dyn Functions>,
        role: Role,
        function: Arc<FunctionInfo>,
        resources: Resources,
        integration_response: bool,
    ) -> Self {
        Self { functions, role, function, resources, integration_response }
    }

    /// The role that `WS_ROLE` gives the process, for the log.
    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// Handles the event. The answer to an absent key takes precedence over errors inside `websocket`.
    pub(crate) fn handle<'e>(&mut self, event: &Event<'e>, invocation: Invocation<'_>) -> Result<Answer<'e>> {
        let answer = match self.role_for(event)? {
            Role::Register => self.register(event, invocation)?,
            Role::Cleanup => self.cleanup(event, invocation)?,
            Role::Transfer | Role::Auto => self.transfer(event, invocation)?,
        };
        Ok(if self.integration_response { answer.as_integration_response() } else { answer })
    }

    fn role_for(&self, event: &Event<'_>) -> Result<Role, EventError> {
        if self.role != Role::Auto {
            return Ok(self.role);
        }
        let Some(websocket) = event.websocket() else {
            // Only connecting events have a request context, and the roles answer differently to an event without
            // `websocket`.
            return Ok(if event.has_request_context() { Role::Register } else { Role::Transfer });
        };
        let action = websocket?.action.ok_or(EventError::Missing("action"))?;
        match action.text()?.as_ref() {
            "connecting" => Ok(Role::Register),
            "data recv" => Ok(Role::Transfer),
            "closing" => Ok(Role::Cleanup),
            other => Err(EventError::Unknown {
                name: "action",
                value: other.to_owned(),
                known: "connecting, data recv, closing",
            }),
        }
    }

    fn register<'e>(&mut self, event: &Event<'e>, invocation: Invocation<'_>) -> Result<Answer<'e>> {
        if !event.has_request_context() {
            return Ok(Answer::refuse(101, "not found request context"));
        }
        let Some(websocket) = event.websocket() else {
            return Ok(Answer::refuse(102, "not found websocket"));
        };
        let websocket = websocket?;
        let mut context = Context::new(invocation, &self.function, &mut self.resources);
        let decision = self.functions.register(&Connecting::of(event, websocket), &mut context)?;
        answer(&decision, websocket)
    }

    fn transfer<'e>(&mut self, event: &Event<'e>, invocation: Invocation<'_>) -> Result<Answer<'e>> {
        let Some(websocket) = event.websocket() else { return Ok(websocket_not_found()) };
        let frame = Frame::of(event, websocket?)?;
        let context = Context::new(invocation, &self.function, &mut self.resources);
        let mut context = context.of_frame(frame.connection());
        self.functions.transfer(&frame, &mut context)?;
        match frame.decoding_error() {
            Some(e) => Err(e.clone().into()),
            None => Ok(Answer::event(event)),
        }
    }

    fn cleanup<'e>(&mut self, event: &Event<'e>, invocation: Invocation<'_>) -> Result<Answer<'e>> {
        let Some(websocket) = event.websocket() else { return Ok(websocket_not_found()) };
        let mut context = Context::new(invocation, &self.function, &mut self.resources);
        self.functions.cleanup(&Closing::of(event, websocket?), &mut context)?;
        Ok(Answer::event(event))
    }
}

fn answer<'e>(decision: &Decision, websocket: &WebSocket<'_>) -> Result<Answer<'e>> {
    let attributes = decision.attributes_json()?;
    Ok(match &decision.0 {
        DecisionKind::Accept { sub_protocol, .. } => {
            let chosen = sub_protocol.as_deref().map(json_string);
            let sub_protocol = chosen.as_deref().or(websocket.sub_protocols.as_ref().map(JsonText::json));
            Answer::accept(websocket, sub_protocol, attributes.as_deref())
        }
        DecisionKind::Refuse { err_no, message } => Answer::refuse(*err_no, message),
    })
}

/// What transfer and cleanup answer to an event without `websocket`: two words, unlike register's one.
fn websocket_not_found<'e>() -> Answer<'e> {
    Answer::refuse(102, "not found web socket")
}
