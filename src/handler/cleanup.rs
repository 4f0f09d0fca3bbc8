//! Cleanup: a client has left; the event itself goes back.

use super::{Answer, Context, Failure, Handler, websocket_not_found};
use crate::config;
use crate::event::{ConnectionId, Event};
use crate::push::{Message, Push};

/// The cleanup role.
pub struct Cleanup {
    close: Option<Close>,
}

struct Close {
    push: Push,
    connections: Vec<ConnectionId<'static>>,
}

impl Cleanup {
    /// With its settings; nothing is connected before the first event.
    #[must_use]
    pub fn new(settings: config::Cleanup) -> Self {
        let close = match settings {
            config::Cleanup::Quiet => None,
            config::Cleanup::Close { url, connections } => Some(Close {
                push: Push::new(url),
                connections: connections.iter().map(|id| ConnectionId::from(id.as_str())).collect(),
            }),
        };
        Self { close }
    }
}

impl Handler for Cleanup {
    fn role(&self, _: &Event<'_>) -> &'static str {
        "cleanup"
    }

    fn handle<'e>(&mut self, event: &Event<'e>, context: &Context<'_>) -> Result<Answer<'e>, Failure> {
        let Some(websocket) = event.websocket() else { return Ok(websocket_not_found()) };
        websocket?;
        if let Some(Close { push, connections }) = &self.close {
            push.to_each(connections, &Message::closing(), context.deadline).into_result(push)?;
        }
        Ok(Answer::event(event))
    }
}
