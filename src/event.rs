//! The wire types of the contract: events in, answers and pushes out.
//!
//! An [`Event`] borrows from the bytes that came: nothing is rebuilt that can be handed back or sent on, so
//! unknown fields, big numbers and the order of things survive. Only what a role reads is ever decoded.
//! The fields are those of the vendor's documents for API Gateway's WebSocket APIs.

mod depth;
mod keys;

use std::borrow::Cow;
use std::fmt;

use self::depth::{MAX_DEPTH, is_nested_too_deep};
use self::keys::{Fields, TopLevel};
use crate::excerpt::excerpt;

/// Events and answers are at most this many bytes (SCF's limit of 6 MB).
pub const MAX_BYTES: usize = 6 * 1024 * 1024;

/// One event, as SCF handed it out.
#[derive(Debug)]
pub struct Event<'e> {
    text: &'e str,
    has_request_context: bool,
    websocket: Option<Result<WebSocket<'e>, EventError>>,
}

/// The `websocket` object of an event.
#[derive(Debug)]
pub struct WebSocket<'e> {
    /// What happened, where the event says so.
    pub action: Option<JsonText<'e>>,
    /// The connection that it happened to.
    pub connection: ConnectionId<'e>,
    data_type: Option<JsonText<'e>>,
    data: Option<JsonText<'e>>,
    /// `secWebSocketProtocol`, where the client offered any.
    pub sub_protocols: Option<JsonText<'e>>,
    /// Whether `secWebSocketExtensions` is there.
    pub has_extensions: bool,
}

/// A JSON value as it stands in the event; most are expected to be strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonText<'e> {
    name: &'static str,
    raw: &'e str,
}

/// `secConnectionID`: as text, and as the JSON string that pushes and answers carry.
#[derive(Debug, Clone)]
pub struct ConnectionId<'e> {
    json: Cow<'e, str>,
    text: Cow<'e, str>,
}

/// What a client sent.
#[derive(Debug)]
pub enum Data<'e> {
    /// A text frame.
    Text(JsonText<'e>),
    /// A binary frame, in Base64.
    Binary(JsonText<'e>),
}

/// Why an event cannot be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventError {
    /// The body is empty.
    Empty,
    /// The body is longer than [`MAX_BYTES`].
    TooLong,
    /// The body is not UTF-8 from this byte on.
    NotUtf8(usize),
    /// The body is nested deeper than 128 levels.
    TooDeep,
    /// The body is no JSON object; what the parser says of it.
    NotJsonObject(String),
    /// `websocket` is no JSON object; what the parser says of it.
    WebSocketNotObject(String),
    /// A field of `websocket` is absent.
    Missing(&'static str),
    /// A field of `websocket` is not a string, or not a string of text.
    NotText(&'static str, String),
    /// A field of `websocket` has a value that is not known.
    Unknown {
        /// The field.
        name: &'static str,
        /// Its value.
        value: String,
        /// The values that are known.
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
            Self::Unknown { name, value, known } => {
                write!(f, "the event's websocket.{name} is {:?}; known: {known}", excerpt(value))
            }
        }
    }
}

impl std::error::Error for EventError {}

impl<'e> Event<'e> {
    /// Reads the body of an event.
    ///
    /// Succeeds for every JSON object: what is wrong inside `websocket` is told by [`Event::websocket`], since
    /// the answers to absent keys come first.
    pub fn parse(body: &'e [u8]) -> Result<Self, EventError> {
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

    /// The event as it came.
    #[must_use]
    pub fn text(&self) -> &'e str {
        self.text
    }

    /// Whether the key `requestContext` is there, whatever its value.
    #[must_use]
    pub fn has_request_context(&self) -> bool {
        self.has_request_context
    }

    /// The `websocket` object; `None` where the key is absent.
    #[must_use]
    pub fn websocket(&self) -> Option<Result<&WebSocket<'e>, EventError>> {
        self.websocket.as_ref().map(|parsed| parsed.as_ref().map_err(Clone::clone))
    }

    /// The connection id for the log: `-` where the event names none.
    #[must_use]
    pub fn connection_for_log(&self) -> &str {
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

    /// The frame that a transfer event carries. A frame without `dataType` is a text frame: the vendor's
    /// sample never looks at it.
    pub fn data(&self) -> Result<Data<'e>, EventError> {
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
    /// The value as it came: JSON, with its quotes if it is a string.
    #[must_use]
    pub fn json(&self) -> &'e str {
        self.raw
    }

    /// The string's text.
    pub fn text(&self) -> Result<Cow<'e, str>, EventError> {
        self.require_string()?;
        // A string without an escape is its own text; nearly all are.
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
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The id as a JSON string.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }
}

impl From<&str> for ConnectionId<'static> {
    fn from(text: &str) -> Self {
        Self { json: Cow::Owned(json_string(text)), text: Cow::Owned(text.to_owned()) }
    }
}

/// What kind of JSON value this is.
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

/// Why the text is no object. The parser would quote a value of another kind, and with it what a client sent.
fn no_object(text: &str, e: &serde_json::Error) -> String {
    if e.is_data() { format!("it is {}", kind(text)) } else { e.to_string() }
}

/// A string as JSON.
pub(crate) fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The answer of a register function that accepts: the keys that the client sent come back, the list of
/// sub-protocols as the given JSON, extensions always empty, since the gateway frames the data.
#[must_use]
pub fn accepting_answer(websocket: &WebSocket<'_>, sub_protocol: Option<&str>) -> String {
    let mut answer = String::with_capacity(160 + websocket.connection.json().len());
    answer.push_str(r#"{"errNo":0,"errMsg":"ok","websocket":{"action":"connecting","secConnectionID":"#);
    answer.push_str(websocket.connection.json());
    if let Some(sub_protocol) = sub_protocol {
        answer.push_str(r#","secWebSocketProtocol":"#);
        answer.push_str(sub_protocol);
    }
    if websocket.has_extensions {
        answer.push_str(r#","secWebSocketExtensions":"""#);
    }
    answer.push_str("}}");
    answer
}

/// An answer that refuses, or says what was not found: `{"errNo":…,"errMsg":"…"}`.
#[must_use]
pub fn refusing_answer(err_no: u32, message: &str) -> String {
    format!(r#"{{"errNo":{err_no},"errMsg":{}}}"#, json_string(message))
}

/// An answer as an API with "integration response" expects it.
#[must_use]
pub fn integration_response(answer: &str) -> String {
    let body = json_string(answer);
    format!(
        r#"{{"isBase64Encoded":false,"statusCode":200,"headers":{{"Content-Type":"application/json"}},"body":{body}}}"#
    )
}
