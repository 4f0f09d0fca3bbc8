//! Cleanup: a client has left; the event itself goes back.

use super::{Answer, Context, Failure, Handler, forget, websocket_not_found};
use crate::config;
use crate::event::{ConnectionId, Event};
use crate::push::{Message, Push, Tally};
use crate::store::Room;

/// The cleanup role.
pub struct Cleanup {
    close: Option<Close>,
    room: Option<Room>,
}

struct Close {
    push: Push,
    connections: Vec<ConnectionId<'static>>,
}

impl Cleanup {
    /// With its settings; nothing is connected before the first event.
    #[must_use]
    pub fn new(settings: &config::Cleanup) -> Self {
        let close = settings.close.as_ref().map(|close| Close {
            push: Push::new(&close.push),
            connections: close.connections.iter().map(|id| ConnectionId::from(id.as_str())).collect(),
        });
        Self { close, room: settings.room.as_ref().map(Room::open) }
    }

    fn leave(&mut self, connection: &ConnectionId<'_>, context: &Context<'_>) -> Result<(), Failure> {
        let Some(room) = &mut self.room else { return Ok(()) };
        room.remove(&[connection.as_str()], context.deadline).map_err(|e| Failure::new(e.to_string()))
    }

    /// What a function closes itself causes no event of its own, so it is forgotten here; what could not be
    /// closed is still connected and stays.
    fn close_others(&mut self, context: &Context<'_>) -> Result<(), Failure> {
        let Some(Close { push, connections }) = &self.close else { return Ok(()) };
        let message = Message::closing();
        let mut tally = Tally::default();
        let mut closed = Vec::new();
        for connection in connections {
            let one = push.to_one(connection, &message, context.deadline);
            if one.all_delivered_or_gone() {
                closed.push(connection.as_str());
            }
            tally.add(one);
        }
        if let Some(room) = &mut self.room {
            forget(room, &closed, context);
        }
        tally.into_result(push)
    }
}

impl Handler for Cleanup {
    fn role(&self, _: &Event<'_>) -> &'static str {
        "cleanup"
    }

    fn handle<'e>(&mut self, event: &Event<'e>, context: &Context<'_>) -> Result<Answer<'e>, Failure> {
        let Some(websocket) = event.websocket() else { return Ok(websocket_not_found()) };
        // Neither waits for the other's success.
        let left = self.leave(&websocket?.connection, context);
        let closed = self.close_others(context);
        left.and(closed)?;
        Ok(Answer::event(event))
    }
}
