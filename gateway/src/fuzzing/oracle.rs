//! What another implementation makes of the same bytes.

use std::io::{self, Cursor, Read, Write};

use tungstenite::{
    Error, WebSocket,
    error::ProtocolError,
    protocol::{Role, WebSocketConfig},
};

use crate::connection::websocket::framing::Message;

/// The messages, and how the stream ends.
#[derive(Debug)]
pub(super) struct DecodedStream {
    pub(super) messages: Vec<Message<'static>>,
    pub(super) end: Expected,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// Everything up to a close frame, or to the end of the bytes, is sound.
    Nothing,
    Protocol,
    TooBig,
    NotUtf8,
}

/// Decodes the bytes; with `to_an_error`, and zeros behind them: an error that ours finds at once this implementation
/// finds when the whole frame is there.
pub(super) fn decode(bytes: &[u8], limit_bytes: usize, to_an_error: bool) -> DecodedStream {
    let mut decoded = run(bytes.to_vec(), limit_bytes);
    if to_an_error && decoded.end == Expected::Nothing && !ends_with_close(&decoded.messages) {
        let zeros = vec![0; limit_bytes + 16];
        decoded = run([bytes, &zeros].concat(), limit_bytes);
    }
    decoded
}

fn ends_with_close(messages: &[Message<'_>]) -> bool {
    matches!(messages.last(), Some(Message::Close(_)))
}

fn run(bytes: Vec<u8>, limit_bytes: usize) -> DecodedStream {
    let config =
        WebSocketConfig::default().max_message_size(Some(limit_bytes)).max_frame_size(Some(limit_bytes));
    let mut socket = WebSocket::from_raw_socket(Stream(Cursor::new(bytes)), Role::Server, Some(config));
    let mut messages = Vec::new();
    loop {
        let message = match socket.read() {
            Ok(message) => message,
            Err(error) => return DecodedStream { messages, end: expected(&error) },
        };
        let Some(message) = converted(message) else {
            return DecodedStream { messages, end: Expected::Protocol };
        };
        messages.push(message);
        if ends_with_close(&messages) {
            return DecodedStream { messages, end: Expected::Nothing };
        }
    }
}

fn expected(error: &Error) -> Expected {
    match error {
        Error::Capacity(_) => Expected::TooBig,
        Error::Utf8(_) => Expected::NotUtf8,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Expected::Nothing,
        Error::Protocol(_) => Expected::Protocol,
        other => panic!("an error that bytes cannot cause: {other}"),
    }
}

/// `None` if it is a close frame whose code is reserved, which this implementation leaves to its caller.
fn converted(message: tungstenite::Message) -> Option<Message<'static>> {
    use tungstenite::Message as Theirs;
    Some(match message {
        Theirs::Text(text) => Message::Text(text.as_str().to_owned().into()),
        Theirs::Binary(bytes) => Message::Binary(bytes.to_vec().into()),
        Theirs::Ping(bytes) => Message::Ping(bytes.to_vec().into()),
        Theirs::Pong(bytes) => Message::Pong(bytes.to_vec().into()),
        // It replaces a reserved code by 1002, with this reason.
        Theirs::Close(Some(close)) if close.reason == "Protocol violation" => return None,
        Theirs::Close(close) => {
            Message::Close(close.map(|close| (close.code.into(), close.reason.as_str().to_owned().into())))
        }
        Theirs::Frame(_) => unreachable!("only written, never read"),
    })
}

/// The bytes to read; what is written is discarded.
struct Stream(Cursor<Vec<u8>>);

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
