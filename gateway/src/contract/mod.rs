//! The JSON of both directions between the gateway and the functions of a WebSocket API, as the vendor's API Gateway
//! spoke it: the events of the three roles, the register function's answer, the reverse push and what it is answered.
//!
//! A client connects → `ConnectingEvent` → `ConnectAnswer`. A frame → `TransferEvent`. It leaves →
//! `ClosingEvent`. A function pushes → [`Push::parse`] → [`Status`].

mod frame;
mod object;
mod push;
pub(crate) mod trace_context;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub(crate) use self::{frame::CompressedSize, object::Object};
pub use self::{
    frame::Frame,
    push::{Close, MAX_BATCH, Push, Recipients},
};
use crate::connection::request_details::RequestDetails;

/// Frames, events and answers have at most this many bytes.
pub(crate) const MAX_EVENT_BYTES: usize = 6 * 1024 * 1024;

/// What the register function says of a client: strings by name. Every later event of its connection carries them.
pub(crate) type Attributes = std::collections::BTreeMap<String, String>;

/// The attributes of a client have together at most this many bytes, names and values.
pub(crate) const MAX_ATTRIBUTE_BYTES: usize = 4096;

/// A client asks to connect: the register function's event.
#[derive(Debug, Serialize)]
pub(crate) struct ConnectingEvent<'a> {
    /// Where the request came from and to.
    #[serde(rename = "requestContext")]
    pub request_context: RequestContext<'a>,
    /// Which connection it would become.
    pub websocket: Connecting<'a>,
    /// The request's headers and query, which the vendor's gateway did not pass on.
    #[serde(flatten)]
    pub details: &'a RequestDetails,
}

/// The circumstances of a request to connect.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestContext<'a> {
    /// The API's service; here always `local`.
    pub service_name: &'a str,
    /// The path of the request, without its query.
    pub path: &'a str,
    /// Always `GET`.
    pub http_method: &'a str,
    /// A UUID.
    pub request_id: &'a str,
    /// The authenticated caller; here always `local`.
    pub identity: Identity<'a>,
    /// The client's address, without its port.
    pub source_ip: &'a str,
    /// The release stage of the API; here always `local`.
    pub stage: &'a str,
    /// Always `true`.
    pub websocket_enable: bool,
    /// The header of this name, if the client sent a valid one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<&'a str>,
}

/// The authenticated caller.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Identity<'a> {
    /// The key pair's id.
    pub secret_id: &'a str,
}

/// The connection that a request asks for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Connecting<'a> {
    action: &'static str,
    #[serde(rename = "secConnectionID")]
    connection: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sec_web_socket_protocol: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sec_web_socket_extensions: Option<&'a str>,
}

impl<'a> Connecting<'a> {
    /// Sub-protocols and extensions are the client's lists as it sent them, absent if it sent none.
    #[must_use]
    pub fn new(connection: &'a str, protocols: Option<&'a str>, extensions: Option<&'a str>) -> Self {
        Self {
            action: "connecting",
            connection,
            sec_web_socket_protocol: protocols,
            sec_web_socket_extensions: extensions,
        }
    }
}

/// A client sent a frame: the transfer function's event.
#[derive(Debug, Serialize)]
pub(crate) struct TransferEvent<'a> {
    websocket: Transfer<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<&'a Attributes>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Transfer<'a> {
    action: &'static str,
    #[serde(rename = "secConnectionID")]
    connection: &'a str,
    data_type: &'static str,
    data: &'a str,
}

impl<'a> TransferEvent<'a> {
    /// A frame of this connection, whose client has these attributes.
    fn new(
        (connection, attributes): (&'a str, Option<&'a Attributes>),
        data_type: &'static str,
        data: &'a str,
    ) -> Self {
        Self { websocket: Transfer { action: "data recv", connection, data_type, data }, attributes }
    }
}

/// The transfer function's event for a text frame of this connection, whose client has these attributes.
pub(crate) fn text_event(of: (&str, Option<&Attributes>), text: &str) -> serde_json::Result<Bytes> {
    encode(&TransferEvent::new(of, "text", text))
}

/// The transfer function's event for a binary frame of this connection, whose client has these attributes.
pub(crate) fn binary_event(of: (&str, Option<&Attributes>), bytes: &[u8]) -> serde_json::Result<Bytes> {
    encode(&TransferEvent::new(of, "binary", &STANDARD.encode(bytes)))
}

/// A client left: the cleanup function's event.
#[derive(Debug, Serialize)]
pub(crate) struct ClosingEvent<'a> {
    websocket: Closing<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<&'a Attributes>,
}

#[derive(Debug, Serialize)]
struct Closing<'a> {
    action: &'static str,
    #[serde(rename = "secConnectionID")]
    connection: &'a str,
}

impl<'a> ClosingEvent<'a> {
    /// The event for this connection, whose client has these attributes. The reason is there if it was not its own node
    /// that noticed: `node lost`.
    #[must_use]
    pub fn new(
        connection: &'a str,
        attributes: Option<&'a Attributes>,
        reason: Option<&'static str>,
    ) -> Self {
        Self { websocket: Closing { action: "closing", connection }, reason, attributes }
    }
}

/// An event as it goes to a function.
pub(crate) fn encode(event: &impl Serialize) -> serde_json::Result<Bytes> {
    serde_json::to_vec(event).map(Bytes::from)
}

/// The `errNo` of a register function whose store cannot record the client.
pub(crate) const STORE_UNAVAILABLE: u32 = 104;

/// The register function's answer, as far as it decides the handshake.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConnectAnswer {
    /// 0 accepts the connection, anything else refuses it.
    pub err_no: i64,
    /// Why.
    #[serde(default)]
    pub err_msg: String,
    /// What is passed on to the client.
    pub websocket: Option<Agreed>,
}

/// What the register function agrees with the client.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Agreed {
    /// The sub-protocol, or the list that the client offered.
    pub sec_web_socket_protocol: Option<String>,
    /// The extensions; the gateway speaks none.
    pub sec_web_socket_extensions: Option<String>,
    /// What the function says of the client.
    #[serde(default)]
    pub attributes: Attributes,
}

impl Agreed {
    /// Checks the size of the attributes. The error is a sentence for the function's author.
    pub(crate) fn check_attributes(&self) -> Result<(), String> {
        let bytes: usize = self.attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes <= MAX_ATTRIBUTE_BYTES {
            return Ok(());
        }
        Err(format!(
            "the attributes have {bytes} bytes, names and values together; at most {MAX_ATTRIBUTE_BYTES} are kept"
        ))
    }
}

/// What a reverse push, or a client that may not connect, is answered: 0 and `ok`, or a number and a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// 0 = done.
    pub err_no: u32,
    /// `ok`, or what went wrong.
    pub err_msg: String,
}

impl Status {
    /// Done.
    #[must_use]
    pub fn ok() -> Self {
        Self { err_no: 0, err_msg: "ok".to_owned() }
    }

    /// Not done, and why.
    #[must_use]
    pub fn refused(err_no: u32, err_msg: impl Into<String>) -> Self {
        Self { err_no, err_msg: err_msg.into() }
    }

    /// The JSON text.
    pub(crate) fn to_json(&self) -> String {
        // A number and a string always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_the_client_did_not_send_are_absent() {
        let none = serde_json::to_string(&Connecting::new("id==", None, None)).expect("JSON");
        assert_eq!(none, r#"{"action":"connecting","secConnectionID":"id=="}"#);
        let both = serde_json::to_string(&Connecting::new("id==", Some("a, b"), Some("x"))).expect("JSON");
        assert!(both.ends_with(r#""secWebSocketProtocol":"a, b","secWebSocketExtensions":"x"}"#), "{both}");
    }

    #[test]
    fn a_closing_event_has_a_reason_only_if_the_node_is_lost() {
        let event = |reason| encode(&ClosingEvent::new("id==", None, reason)).expect("JSON");
        assert_eq!(event(None), r#"{"websocket":{"action":"closing","secConnectionID":"id=="}}"#);
        let lost = r#"{"websocket":{"action":"closing","secConnectionID":"id=="},"reason":"node lost"}"#;
        assert_eq!(event(Some("node lost")), lost);
    }

    #[test]
    fn attributes_stand_beside_the_websocket() {
        let attributes = Attributes::from([("user".to_owned(), "ann".to_owned())]);
        let of = ("id==", Some(&attributes));
        let event = text_event(of, "x").expect("JSON");
        assert!(event.ends_with(br#""data":"x"},"attributes":{"user":"ann"}}"#), "{event:?}");
        let event = encode(&ClosingEvent::new(of.0, of.1, Some("node lost"))).expect("JSON");
        assert!(event.ends_with(br#"},"reason":"node lost","attributes":{"user":"ann"}}"#), "{event:?}");
    }

    #[test]
    fn attributes_that_are_too_long_are_refused_with_a_sentence() {
        let agreed =
            |bytes| Agreed { attributes: [("a".to_owned(), "x".repeat(bytes))].into(), ..Agreed::default() };
        assert_eq!(agreed(MAX_ATTRIBUTE_BYTES - 1).check_attributes(), Ok(()));
        let sentence = agreed(MAX_ATTRIBUTE_BYTES).check_attributes().expect_err("one byte too many");
        assert!(sentence.contains("4097 bytes"), "{sentence}");
    }

    #[test]
    fn a_binary_frame_travels_in_base64() {
        let event = binary_event(("id==", None), &[0, 255]).expect("JSON");
        let expected = r#"{"websocket":{"action":"data recv","secConnectionID":"id==","dataType":"binary","data":"AP8="}}"#;
        assert_eq!(event, expected);
    }
}
