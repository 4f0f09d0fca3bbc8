//! Events, as the contract for API Gateway's WebSocket APIs defines them.
//!
//! An [`Event`] borrows from the received bytes. What is returned or relayed is never rebuilt, so unknown fields, large
//! numbers and the order of keys are preserved, and a value is only decoded when a function reads it.

mod attributes;
mod connection_id;
mod error;
mod json_text;
mod keys;
mod limits;
mod scanner;

pub(crate) use self::attributes::{Attributes, texts};
pub(crate) use self::connection_id::ConnectionId;
pub(crate) use self::error::EventError;
pub(crate) use self::json_text::{JsonText, json_object, json_string};
use self::keys::{Fields, TopLevel};
pub(crate) use self::limits::MAX_BYTES;

/// One event, as received from SCF.
#[derive(Debug)]
pub(crate) struct Event<'e> {
    text: &'e str,
    has_request_context: bool,
    attributes: Attributes<'e>,
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

/// The data of a frame.
#[derive(Debug)]
pub(crate) enum Data<'e> {
    /// A text frame.
    Text(JsonText<'e>),
    /// A binary frame, in Base64.
    Binary(JsonText<'e>),
}

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
        let TopLevel { has_request_context, attributes, websocket } = keys::read(text)?;
        let websocket = websocket.map(|fields| WebSocket::of(&fields?));
        Ok(Self { text, has_request_context, attributes: Attributes::of(attributes), websocket })
    }

    /// The event as received.
    pub(crate) fn text(&self) -> &'e str {
        self.text
    }

    /// Whether the key `requestContext` is present, whatever its value.
    pub(crate) fn has_request_context(&self) -> bool {
        self.has_request_context
    }

    /// The attributes that register gave the connection.
    pub(crate) fn attributes(&self) -> &Attributes<'e> {
        &self.attributes
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
            fields.connection.ok_or(EventError::Missing("secConnectionID")).and_then(ConnectionId::decode)?;
        Ok(Self {
            action: fields.action,
            connection,
            data_type: fields.data_type,
            data: fields.data,
            sub_protocols: fields.sub_protocols,
            has_extensions: fields.has_extensions,
        })
    }

    /// Whether the event is that of a frame, well-formed or not.
    pub(crate) fn is_frame(&self) -> bool {
        self.data.is_some()
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
