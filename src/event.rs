//! Events, as the contract for API Gateway's WebSocket APIs defines them.
//!
//! An [`Event`] borrows from the received bytes. What is returned or relayed is never rebuilt, so unknown fields, large
//! numbers and the order of keys are preserved, and a value is only decoded when a function reads it.

mod depth;
mod keys;

use std::borrow::Cow;
use std::fmt;

use self::depth::{MAX_DEPTH, is_nested_too_deep};
use self::keys::{Fields, TopLevel};
use crate::log_text::excerpt;

/// Events and answers are at most this many bytes (SCF's limit of 6 MB).
pub(crate) const MAX_BYTES: usize = 6 * 1024 * 1024;

/// One event, as received from SCF.
#[derive(Debug)]
pub(crate) struct Event<'e> {
    text: &'e str,
    has_request_context: bool,
    websocket: Option<Result<WebSocket<'e>, EventError>>,
}

/// The `websocket` object of an event.
#[derive(Debug)]
pub(crate) struct WebSocket<'e> {
    /// What happened; `None` where the event does not say.
    pub(crate) action: Option<JsonText<'e>>,
    /// The connection that the event is about.
    pub(crate) connection: ConnectionId<'e>,
    data_type: Option<JsonText<'e>>,
    data: Option<JsonText<'e>>,
    /// `secWebSocketProtocol`; `None` where the client offered none.
    pub(crate) sub_protocols: Option<JsonText<'e>>,
    /// Whether `secWebSocketExtensions` is present.
    pub(crate) has_extensions: bool,
}

/// A JSON value as it stands in the event; it is expected to be a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JsonText<'e> {
    name: &'static str,
    raw: &'e str,
}

/// `secConnectionID`: as text, and as the JSON string that pushes and answers carry.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionId<'e> {
    json: Cow<'e, str>,
    text: Cow<'e, str>,
}

/// The data of a frame.
#[derive(Debug)]
pub(crate) enum Data<'e> {
    /// A text frame.
    Text(JsonText<'e>),
    /// A binary frame, in Base64.
    Binary(JsonText<'e>),
}

/// Why an event cannot be handled.
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

impl<'e> Event<'e> {
    /// Parses the body of an event.
    ///
    /// Succeeds for every JSON object. Errors inside `websocket` are returned by [`Event::websocket`], because the answers
    /// to absent keys take precedence.
    pub(crate) fn parse(body: &'e [u8]) -> Result<Self, EventError> {
        if body.is_empty() {
            return Err(EventError::Empty);
        }
        let text = std::str::from_utf8(body).map_err(|e| EventError::NotUtf8(e.valid_up_to()))?;
        let keys = keys::read(text);
        if is_nested_too_deep(text, keys.as_ref().ok().and_then(TopLevel::frame)) {
            return Err(EventError::TooDeep);
        }
        let TopLevel { has_request_context, websocket } = keys?;
        let websocket = websocket.map(|fields| fields.and_then(|fields| WebSocket::of(&fields)));
        Ok(Self { text, has_request_context, websocket })
    }

    /// The event as received.
    pub(crate) fn text(&self) -> &'e str {
        self.text
    }

    /// Whether the key `requestContext` is present, whatever its value.
    pub(crate) fn has_request_context(&self) -> bool {
        self.has_request_context
    }

    /// The `websocket` object; `None` where the key is absent.
    pub(crate) fn websocket(&self) -> Option<Result<&WebSocket<'e>, EventError>> {
        self.websocket.as_ref().map(|parsed| parsed.as_ref().map_err(Clone::clone))
    }

    /// The connection id for the log; `-` where the event has none.
    pub(crate) fn connection_for_log(&self) -> &str {
        match &self.websocket {
            Some(Ok(websocket)) => websocket.connection.as_str(),
            _ => "-",
        }
    }
}

impl<'e> WebSocket<'e> {
    fn of(fields: &Fields<'e>) -> Result<Self, EventError> {
        let connection =
            fields.connection.ok_or(EventError::Missing("secConnectionID")).and_then(JsonText::decode)?;
        Ok(Self {
            action: fields.action,
            connection,
            data_type: fields.data_type,
            data: fields.data,
            sub_protocols: fields.sub_protocols,
            has_extensions: fields.has_extensions,
        })
    }

    /// The frame of a transfer event. A frame without `dataType` is a text frame, since the vendor's sample ignores the
    /// field.
    pub(crate) fn data(&self) -> Result<Data<'e>, EventError> {
        let data = self.data.ok_or(EventError::Missing("data"))?;
        data.require_string()?;
        let Some(data_type) = self.data_type else { return Ok(Data::Text(data)) };
        match data_type.text()?.as_ref() {
            "text" => Ok(Data::Text(data)),
            "binary" => Ok(Data::Binary(data)),
            other => {
                Err(EventError::Unknown { name: "dataType", value: other.to_owned(), known: "text, binary" })
            }
        }
    }
}

impl<'e> JsonText<'e> {
    /// The value as received: JSON, with the quotes of a string.
    pub(crate) fn json(&self) -> &'e str {
        self.raw
    }

    /// The decoded string.
    pub(crate) fn text(&self) -> Result<Cow<'e, str>, EventError> {
        self.require_string()?;
        // Nearly all strings contain no escape and need no decoding.
        let inner = &self.raw[1..self.raw.len() - 1];
        if !inner.contains('\\') {
            return Ok(Cow::Borrowed(inner));
        }
        let decoded = serde_json::from_str::<String>(self.raw);
        decoded.map(Cow::Owned).map_err(|e| EventError::NotText(self.name, e.to_string()))
    }

    fn is_string(&self) -> bool {
        self.raw.starts_with('"')
    }

    fn require_string(&self) -> Result<(), EventError> {
        if self.is_string() {
            return Ok(());
        }
        Err(EventError::NotText(self.name, format!("it is {}", kind(self.raw))))
    }

    fn decode(self) -> Result<ConnectionId<'e>, EventError> {
        Ok(ConnectionId { json: Cow::Borrowed(self.raw), text: self.text()? })
    }
}

impl ConnectionId<'_> {
    /// The id as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The id as a JSON string.
    pub(crate) fn json(&self) -> &str {
        &self.json
    }
}

impl From<&str> for ConnectionId<'static> {
    fn from(text: &str) -> Self {
        Self { json: Cow::Owned(json_string(text)), text: Cow::Owned(text.to_owned()) }
    }
}

/// The kind of a JSON value.
fn kind(json: &str) -> &'static str {
    match json.trim_start().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// Why the text is not an object. The parser's own message would quote the value, and so what a client sent.
fn not_object(text: &str, e: &serde_json::Error) -> String {
    if e.is_data() { format!("it is {}", kind(text)) } else { e.to_string() }
}

/// A string as JSON.
pub(crate) fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
