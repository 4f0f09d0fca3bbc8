//! Why an event cannot be handled.

use std::fmt;

use super::limits::{MAX_BYTES, MAX_DEPTH};
use crate::log_text::excerpt;

/// Why an event cannot be handled: a message that names the field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EventError {
    /// The body is empty.
    Empty,
    /// The body is longer than [`MAX_BYTES`].
    TooLong,
    /// The body is not UTF-8 from this byte on.
    NotUtf8(usize),
    /// The body is nested deeper than 128 levels.
    TooDeep,
    /// The body is not a JSON object; holds the parser's message.
    NotJsonObject(String),
    /// `websocket` is not a JSON object; holds the parser's message.
    WebSocketNotObject(String),
    /// A field of `websocket` is absent.
    Missing(&'static str),
    /// A field of `websocket` is not a string, or not a string of text.
    NotText(&'static str, String),
    /// `data` of a binary frame is not Base64; holds the decoder's message.
    NotBase64(String),
    /// A field of `websocket` has an unknown value.
    Unknown {
        /// The field.
        name: &'static str,
        /// Its value.
        value: String,
        /// The known values.
        known: &'static str,
    },
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the event is empty; expected a JSON object"),
            Self::TooLong => write!(f, "the event is longer than {MAX_BYTES} bytes"),
            Self::NotUtf8(at) => write!(f, "the event is not UTF-8 text from byte {at} on"),
            Self::TooDeep => write!(f, "the event is nested deeper than {MAX_DEPTH} levels"),
            Self::NotJsonObject(why) => write!(f, "the event is not a JSON object: {why}"),
            Self::WebSocketNotObject(why) => write!(f, "the event's websocket is not an object: {why}"),
            Self::Missing(name) => write!(f, "the event has no websocket.{name}"),
            Self::NotText(name, why) => write!(f, "the event's websocket.{name} is not a string: {why}"),
            Self::NotBase64(why) => write!(f, "the event's websocket.data is not Base64: {why}"),
            Self::Unknown { name, value, known } => {
                write!(f, "the event's websocket.{name} is {:?}; known: {known}", excerpt(value))
            }
        }
    }
}

impl std::error::Error for EventError {}
