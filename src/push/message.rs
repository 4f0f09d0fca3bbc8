//! The body of a push, encoded once for all connections that receive it.

use super::python_json;
use crate::event::{ConnectionId, Data, json_string};

/// A message to push, encoded except for the connection id.
#[derive(Debug)]
pub(crate) struct Message {
    before_id: &'static str,
    after_id: String,
}

impl Message {
    /// A text frame with this text.
    pub(crate) fn text(text: &str) -> Self {
        Self::data_send("text", &json_string(text))
    }

    /// A text frame that holds the text as a JSON string: `hello` arrives as `"hello"`.
    pub(crate) fn text_as_json(text: &str) -> Self {
        Self::data_send("text", &python_json::quoted_twice(text))
    }

    /// A binary frame with these bytes in Base64.
    pub(crate) fn binary(base64: &str) -> Self {
        Self::data_send("binary", &json_string(base64))
    }

    /// The same frame, byte for byte, even where its data does not decode.
    pub(crate) fn relayed(data: &Data<'_>) -> Self {
        match data {
            Data::Text(text) => Self::data_send("text", text.json()),
            Data::Binary(base64) => Self::data_send("binary", base64.json()),
        }
    }

    /// A request to close the connection.
    pub(crate) fn closing() -> Self {
        Self { before_id: r#"{"websocket":{"action":"closing","secConnectionID":"#, after_id: "}}".into() }
    }

    /// `data` is JSON.
    fn data_send(data_type: &str, data: &str) -> Self {
        Self {
            before_id: r#"{"websocket":{"action":"data send","secConnectionID":"#,
            after_id: format!(r#","dataType":"{data_type}","data":{data}}}}}"#),
        }
    }

    pub(crate) fn body_for(&self, connection: &ConnectionId<'_>) -> Vec<u8> {
        [self.before_id, connection.json(), &self.after_id].concat().into_bytes()
    }
}
