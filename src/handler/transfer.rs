//! Transfer: a client sent a frame, which is pushed on; the event itself goes back.

use super::{Answer, Context, Failure, Handler, websocket_not_found};
use crate::config::{self, Recipients, TextEncoding};
use crate::event::{ConnectionId, Data, Event, WebSocket};
use crate::push::{Message, Push};

/// The transfer role.
pub struct Transfer {
    way: Way,
}

enum Way {
    Silent,
    Push { push: Push, to: To, encoding: TextEncoding },
}

enum To {
    Sender,
    Fixed(Vec<ConnectionId<'static>>),
}

impl Transfer {
    /// With its settings; nothing is connected before the first push.
    #[must_use]
    pub fn new(settings: config::Transfer) -> Self {
        let way = match settings {
            config::Transfer::Silent => Way::Silent,
            config::Transfer::Push { url, to, encoding } => {
                let to = match to {
                    Recipients::Sender => To::Sender,
                    Recipients::Fixed(ids) => {
                        To::Fixed(ids.iter().map(|id| ConnectionId::from(id.as_str())).collect())
                    }
                };
                Way::Push { push: Push::new(url), to, encoding }
            }
        };
        Self { way }
    }

    fn pass_on(&self, websocket: &WebSocket<'_>, context: &Context<'_>) -> Result<(), Failure> {
        let data = websocket.data()?;
        let Way::Push { push, to, encoding } = &self.way else { return Ok(()) };
        let message = match (data, encoding) {
            (Data::Binary(base64), _) => Message::binary(base64.json()),
            (Data::Text(text), TextEncoding::Raw) => Message::text(text.json()),
            (Data::Text(text), TextEncoding::Json) => Message::text_as_json(&text.text()?),
        };
        let tally = match to {
            To::Sender => push.to_each([&websocket.connection], &message, context.deadline),
            To::Fixed(ids) => push.to_each(ids, &message, context.deadline),
        };
        tally.into_result(push)
    }
}

impl Handler for Transfer {
    fn role(&self, _: &Event<'_>) -> &'static str {
        "transfer"
    }

    fn handle<'e>(&mut self, event: &Event<'e>, context: &Context<'_>) -> Result<Answer<'e>, Failure> {
        let Some(websocket) = event.websocket() else { return Ok(websocket_not_found()) };
        self.pass_on(websocket?, context)?;
        Ok(Answer::event(event))
    }
}
