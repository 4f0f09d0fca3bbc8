//! Transfer: a client sent a frame, which is pushed on; the event itself goes back.

use std::sync::Arc;

use log::{info, warn};

use super::{Answer, Context, Failure, Handler, forget, websocket_not_found};
use crate::config::{self, Recipients, TextEncoding};
use crate::event::{ConnectionId, Data, Event, WebSocket};
use crate::excerpt::excerpt;
use crate::push::{Message, Push, Tally};
use crate::store::Room;

/// The transfer role.
pub struct Transfer {
    way: Way,
}

enum Way {
    Silent { room: Option<Room> },
    Push { push: Push, to: To, encoding: TextEncoding },
}

enum To {
    Sender { room: Option<Room> },
    Fixed { ids: Arc<[ConnectionId<'static>]>, room: Option<Room> },
    Room { room: Room, with_sender: bool },
}

impl Transfer {
    /// With its settings; nothing is connected before the first event.
    #[must_use]
    pub fn new(settings: &config::Transfer) -> Self {
        let way = match settings {
            config::Transfer::Silent { room } => Way::Silent { room: room.as_ref().map(Room::open) },
            config::Transfer::Push { push, to, encoding } => {
                let to = match to {
                    Recipients::Sender { room } => To::Sender { room: room.as_ref().map(Room::open) },
                    Recipients::Fixed { ids, room } => To::Fixed {
                        ids: ids.iter().map(|id| ConnectionId::from(id.as_str())).collect(),
                        room: room.as_ref().map(Room::open),
                    },
                    Recipients::Room { room, with_sender } => {
                        To::Room { room: Room::open(room), with_sender: *with_sender }
                    }
                };
                Way::Push { push: Push::new(push), to, encoding: *encoding }
            }
        };
        Self { way }
    }

    fn pass_on(&mut self, websocket: &WebSocket<'_>, context: &Context<'_>) -> Result<(), Failure> {
        let data = websocket.data()?;
        let sender = &websocket.connection;
        match &mut self.way {
            Way::Silent { room } => {
                renew(room.as_mut(), sender, context);
                Ok(())
            }
            Way::Push { push, to, encoding } => {
                let message = message(&data, *encoding)?;
                let (tally, room) = to.push(push, message, sender, context)?;
                if let Some(room) = room {
                    forget(room, &tally.gone(), context);
                }
                tally.into_result(push)
            }
        }
    }
}

impl To {
    /// Pushes the message, and gives back the room in which those that have gone are to be forgotten.
    fn push(
        &mut self,
        push: &Push,
        message: Message,
        sender: &ConnectionId<'_>,
        context: &Context<'_>,
    ) -> Result<(Tally, Option<&mut Room>), Failure> {
        match self {
            Self::Sender { room } => {
                renew(room.as_mut(), sender, context);
                Ok((push.to_one(sender, &message, context.deadline), room.as_mut()))
            }
            Self::Fixed { ids, room } => {
                renew(room.as_mut(), sender, context);
                Ok((push.to_many(Arc::clone(ids), message, context.deadline), room.as_mut()))
            }
            Self::Room { room, with_sender } => {
                let members = members(room, sender, *with_sender, context)?;
                let tally = push.to_many(members, message, context.deadline);
                info!("{tally}");
                Ok((tally, Some(room)))
            }
        }
    }
}

fn message(data: &Data<'_>, encoding: TextEncoding) -> Result<Message, Failure> {
    Ok(match (data, encoding) {
        (Data::Binary(base64), _) => Message::binary(base64.json()),
        (Data::Text(text), TextEncoding::Raw) => Message::text(text.json()),
        (Data::Text(text), TextEncoding::Json) => Message::text_as_json(&text.text()?),
    })
}

/// Whoever is pushed to by other means than the room is not lost when the room's store is away: a warning.
fn renew(room: Option<&mut Room>, sender: &ConnectionId<'_>, context: &Context<'_>) {
    if let Some(room) = room
        && let Err(e) = room.renew(sender, context.deadline)
    {
        warn!("connection {:?} was not renewed: {e}", excerpt(sender.as_str()));
    }
}

fn members(
    room: &mut Room,
    sender: &ConnectionId<'_>,
    with_sender: bool,
    context: &Context<'_>,
) -> Result<Arc<[ConnectionId<'static>]>, Failure> {
    let listing = room.renew_and_list(sender, context.deadline).map_err(|e| Failure::new(e.to_string()))?;
    if let Some(e) = listing.not_renewed {
        warn!("connection {:?} was not renewed: {e}", excerpt(sender.as_str()));
    }
    let wanted = listing.connections.iter().filter(|id| with_sender || id.as_str() != sender.as_str());
    Ok(wanted.map(|id| ConnectionId::from(id.as_str())).collect())
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
