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
        /// What they were compressed to, if they were.
        compressed_bytes: Option<usize>,
    },
    Ping(Box<[u8]>),
    Pong,
    /// With the code, if there is one.
    Close(Option<u16>),
}

impl Incoming {
    /// A message on this connection, whose client has these attributes, and which may have come compressed.
    pub(super) fn of(
        connection: (&str, Option<&Attributes>),
        message: Message<'_>,
        compressed_bytes: Option<usize>,
    ) -> Self {
        match message {
            Message::Text(text) => {
                let (event, payload_bytes) = (text_event(connection, &text), text.len());
                Self::Event { event, payload_bytes, compressed_bytes }
            }
            Message::Binary(bytes) | Message::Compressed { payload: bytes, .. } => {
                let (event, payload_bytes) = (binary_event(connection, &bytes), bytes.len());
                Self::Event { event, payload_bytes, compressed_bytes }
            }
            Message::Ping(payload) => Self::Ping(payload.into()),
            Message::Pong(_) => Self::Pong,
            Message::Close(close) => Self::Close(close.map(|(code, _)| code)),
        }
    }
}
