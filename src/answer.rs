//! The JSON that goes back to the gateway.

use std::borrow::Cow;

use crate::event::{Event, WebSocket, json_string};

/// The answer to an event.
#[derive(Debug)]
pub(crate) struct Answer<'e> {
    json: Cow<'e, str>,
    err_no: u32,
}

impl<'e> Answer<'e> {
    /// The event itself, byte for byte.
    pub(crate) fn event(event: &Event<'e>) -> Self {
        Self { json: Cow::Borrowed(event.text()), err_no: 0 }
    }

    /// Accepts a connection. `sub_protocol` is JSON, since a list that the client sent goes back byte for byte;
    /// `attributes` is a JSON object.
    ///
    /// Extensions are always empty, because the gateway frames the data.
    pub(crate) fn accept(
        websocket: &WebSocket<'_>,
        sub_protocol: Option<&str>,
        attributes: Option<&str>,
    ) -> Self {
        let mut json = String::with_capacity(160 + websocket.connection.json().len());
        json.push_str(r#"{"errNo":0,"errMsg":"ok","websocket":{"action":"connecting","secConnectionID":"#);
        json.push_str(websocket.connection.json());
        if let Some(sub_protocol) = sub_protocol {
            json.push_str(r#","secWebSocketProtocol":"#);
            json.push_str(sub_protocol);
        }
        if websocket.has_extensions {
            json.push_str(r#","secWebSocketExtensions":"""#);
        }
        if let Some(attributes) = attributes {
            json.push_str(r#","attributes":"#);
            json.push_str(attributes);
        }
        json.push_str("}}");
        Self { json: Cow::Owned(json), err_no: 0 }
    }

    /// Refuses a connection, or names the key that the event lacks: `{"errNo":…,"errMsg":"…"}`.
    pub(crate) fn refuse(err_no: u32, message: &str) -> Self {
        let json = format!(r#"{{"errNo":{err_no},"errMsg":{}}}"#, json_string(message));
        Self { json: Cow::Owned(json), err_no }
    }

    /// The same answer as an API with "integration response" expects it.
    pub(crate) fn as_integration_response(&self) -> Self {
        let body = json_string(&self.json);
        let json = format!(
            r#"{{"isBase64Encoded":false,"statusCode":200,"headers":{{"Content-Type":"application/json"}},"body":{body}}}"#
        );
        Self { json: Cow::Owned(json), err_no: self.err_no }
    }

    /// The `errNo` of the answer; 0 means success.
    pub(crate) fn err_no(&self) -> u32 {
        self.err_no
    }

    pub(crate) fn json(&self) -> &str {
        &self.json
    }

    /// The JSON, unless the answer is the event itself.
    pub(crate) fn into_json(self) -> Option<String> {
        match self.json {
            Cow::Borrowed(_) => None,
            Cow::Owned(json) => Some(json),
        }
    }
}
