//! The body of a push, encoded once for all connections that receive it.

use super::python_json;
use super::report::PushError;
use crate::event::{ConnectionId, Data, json_string};

const BEFORE_ACTION: &str = r#"{"websocket":{"action":""#;

/// A message to push, encoded except for the connection ids.
#[derive(Debug)]
pub(crate) struct Message {
    action: &'static str,
    after_id: String,
}

/// How a connection is closed: the fields of a closing push after the connection's id.
#[derive(Debug, Default)]
pub(crate) struct Close(String);

impl Close {
    /// The longest reason that fits into a close frame.
    const MAX_REASON_BYTES: usize = 123;

    /// With a code and a reason for the client.
    pub(crate) fn with(code: u16, reason: &str) -> Result<Self, PushError> {
        if !matches!(code, 1000 | 1008 | 1011 | 3000..=4999) {
            return Err(PushError::CloseCode { code });
        }
        if reason.len() > Self::MAX_REASON_BYTES {
            return Err(PushError::CloseReason { bytes: reason.len() });
        }
        Ok(Self(format!(r#","code":{code},"reason":{}"#, json_string(reason))))
    }

    /// The cleanup function is called, as if the client had left.
    pub(crate) fn and_clean_up(self) -> Self {
        Self(self.0 + r#","cleanup":true"#)
    }
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
    pub(crate) fn closing(close: Close) -> Self {
        Self { action: "closing", after_id: close.0 + "}}" }
    }

    /// `data` is JSON.
    fn data_send(data_type: &str, data: &str) -> Self {
        Self { action: "data send", after_id: format!(r#","dataType":"{data_type}","data":{data}}}}}"#) }
    }

    /// The body of a push to one connection.
    pub(crate) fn body_for(&self, connection: &ConnectionId<'_>) -> Vec<u8> {
        let pieces =
            [BEFORE_ACTION, self.action, r#"","secConnectionID":"#, connection.json(), &self.after_id];
        pieces.concat().into_bytes()
    }

    /// The body of a push to several connections.
    pub(crate) fn body_for_batch(&self, connections: &[ConnectionId<'_>]) -> Vec<u8> {
        const BEFORE_IDS: &str = r#"","secConnectionIDs":["#;
        // Each id with a comma or, the last one, the bracket behind it.
        let ids: usize = connections.iter().map(|connection| connection.json().len() + 1).sum();
        let around = BEFORE_ACTION.len() + self.action.len() + BEFORE_IDS.len() + self.after_id.len();
        let mut body = String::with_capacity(ids + around);
        body.extend([BEFORE_ACTION, self.action, BEFORE_IDS]);
        for (number, connection) in connections.iter().enumerate() {
            if number > 0 {
                body.push(',');
            }
            body.push_str(connection.json());
        }
        body.push(']');
        body.push_str(&self.after_id);
        body.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::{Close, Message};
    use crate::event::ConnectionId;

    #[test]
    fn the_body_names_one_connection_or_a_list() {
        let [a, b] = ["a==", "\"b\""].map(ConnectionId::from);
        let text = Message::text("x");
        assert_eq!(
            String::from_utf8_lossy(&text.body_for(&a)),
            r#"{"websocket":{"action":"data send","secConnectionID":"a==","dataType":"text","data":"x"}}"#
        );
        let batch = text.body_for_batch(&[a.clone(), b.clone()]);
        assert_eq!(
            String::from_utf8_lossy(&batch),
            r#"{"websocket":{"action":"data send","secConnectionIDs":["a==","\"b\""],"dataType":"text","data":"x"}}"#
        );
        assert_eq!(batch.len(), batch.capacity());
        let kicked = Close::with(4001, "\"kicked\"").expect("allowed").and_clean_up();
        assert_eq!(
            String::from_utf8_lossy(&Message::closing(kicked).body_for(&a)),
            r#"{"websocket":{"action":"closing","secConnectionID":"a==","code":4001,"reason":"\"kicked\"","cleanup":true}}"#
        );
        let closing = Message::closing(Close::default()).body_for_batch(&[a, b]);
        assert_eq!(
            String::from_utf8_lossy(&closing),
            r#"{"websocket":{"action":"closing","secConnectionIDs":["a==","\"b\""]}}"#
        );
    }
}
