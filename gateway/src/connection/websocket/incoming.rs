//! What an open connection does with a message of its client.

use bytes::Bytes;

use super::framing::Message;
use crate::contract::{Attributes, binary_event, text_event};

/// A message of the client, of which nothing is borrowed any more.
pub(super) enum Incoming {
    /// A data frame has become the transfer function's event.
    Event {
        event: serde_json::Result<Bytes>,
        payload_bytes: usize,
    },
    Ping(Bytes),
    Pong,
    /// With the code, if there is one.
    Close(Option<u16>),
}

impl Incoming {
    /// A message on this connection, whose client has these attributes.
    pub(super) fn of(connection: (&str, Option<&Attributes>), message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => {
                Self::Event { event: text_event(connection, &text), payload_bytes: text.len() }
            }
            Message::Binary(bytes) => {
                Self::Event { event: binary_event(connection, &bytes), payload_bytes: bytes.len() }
            }
            Message::Ping(payload) => Self::Ping(Bytes::copy_from_slice(&payload)),
            Message::Pong(_) => Self::Pong,
            Message::Close(close) => Self::Close(close.map(|(code, _)| code)),
        }
    }
}
