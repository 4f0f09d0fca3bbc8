//! Register: a client asks to connect, and the answer decides the handshake.

use super::{Answer, Context, Failure, Handler};
use crate::config::{self, SubProtocols};
use crate::event::{self, Event, JsonText, WebSocket, json_string};
use crate::excerpt::excerpt;
use crate::store::{Room, StoreError};

/// The register role.
pub struct Register {
    sub_protocols: SubProtocols,
    room: Option<Room>,
}

impl Register {
    /// With its settings.
    #[must_use]
    pub fn new(settings: &config::Register) -> Self {
        Self { sub_protocols: settings.sub_protocols.clone(), room: settings.room.as_ref().map(Room::open) }
    }

    /// Nobody is let in whom nobody could reach.
    fn enter(&mut self, websocket: &WebSocket<'_>, context: &Context<'_>) -> Result<(), StoreError> {
        match &mut self.room {
            Some(room) => room.renew(&websocket.connection, context.deadline),
            None => Ok(()),
        }
    }

    fn judge<'e>(&self, websocket: &WebSocket<'_>) -> Result<Answer<'e>, Failure> {
        let offered = websocket.sub_protocols;
        let known = match &self.sub_protocols {
            SubProtocols::AsOffered => {
                let as_it_came = offered.as_ref().map(JsonText::json);
                return Ok(Answer::accept(event::accepting_answer(websocket, as_it_came)));
            }
            SubProtocols::Known(known) => known,
        };
        let offered = offered.map(|list| list.text()).transpose()?.unwrap_or_default();
        match known.iter().find(|name| offered.split(',').any(|entry| entry.trim() == name.as_str())) {
            Some(name) => Ok(Answer::accept(event::accepting_answer(websocket, Some(&json_string(name))))),
            None => Ok(Answer::refuse(
                103,
                &format!(
                    "no sub-protocol in common: offered {:?}, accepted {:?}",
                    excerpt(&offered),
                    known.join(",")
                ),
            )),
        }
    }
}

impl Handler for Register {
    fn role(&self, _: &Event<'_>) -> &'static str {
        "register"
    }

    fn handle<'e>(&mut self, event: &Event<'e>, context: &Context<'_>) -> Result<Answer<'e>, Failure> {
        if !event.has_request_context() {
            return Ok(Answer::refuse(101, "not found request context"));
        }
        let Some(websocket) = event.websocket() else {
            return Ok(Answer::refuse(102, "not found websocket"));
        };
        let websocket = websocket?;
        let answer = self.judge(websocket)?;
        if answer.err_no() == 0
            && let Err(e) = self.enter(websocket, context)
        {
            return Ok(Answer::refuse(104, &e.to_string()));
        }
        Ok(answer)
    }
}
