//! What a function asks of the reverse push address: a frame or a close, for one connection or for a batch of them.

use std::{borrow::Cow, fmt, slice, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};

use super::{frame::Frame, object::Object};

/// A batch names at most this many connections.
pub const MAX_BATCH: usize = 1000;

/// Text from this length on shares the body's memory instead of being copied out of it. A shorter one would keep
/// a larger body in memory while it waits for a slow client.
const SHARED_FROM_BYTES: usize = 16 * 1024;

/// What a function asks of the reverse push address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Push {
    /// Send this frame.
    Send {
        /// The connections that it goes to.
        to: Recipients,
        /// What to send.
        frame: Frame,
    },
    /// Close the connections.
    Close {
        /// Which ones.
        to: Recipients,
        /// How.
        close: Close,
    },
}

/// How a function closes a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// 1000, 1008, 1011 or 3000 to 4999.
    pub code: u16,
    /// At most 123 bytes.
    pub reason: Arc<str>,
    /// Whether the cleanup function is called, as if the client had left.
    pub cleanup: bool,
}

impl Default for Close {
    /// 1000 without a reason; the cleanup function is not called.
    fn default() -> Self {
        Self { code: 1000, reason: "".into(), cleanup: false }
    }
}

impl Close {
    /// What fits into a close frame beside the code, in bytes.
    const MAX_REASON_BYTES: usize = 123;

    /// The error says what is not allowed.
    pub(crate) fn new(
        code: Option<u16>,
        reason: Option<&str>,
        cleanup: Option<bool>,
    ) -> Result<Self, String> {
        let (code, reason) = (code.unwrap_or(1000), reason.unwrap_or_default());
        if !matches!(code, 1000 | 1008 | 1011 | 3000..=4999) {
            return Err(format!("the code {code} is not 1000, 1008, 1011 or 3000 to 4999"));
        }
        if reason.len() > Self::MAX_REASON_BYTES {
            let bytes = reason.len();
            return Err(format!(
                "the reason has {bytes} bytes; a close frame has at most {}",
                Self::MAX_REASON_BYTES
            ));
        }
        Ok(Self { code, reason: reason.into(), cleanup: cleanup.unwrap_or_default() })
    }
}

/// The connections that a push names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipients {
    /// One connection, by `secConnectionID`.
    One(String),
    /// 1 to [`MAX_BATCH`] connections, by `secConnectionIDs`. An id that stands in it twice is pushed to twice.
    Batch(Vec<String>),
}

impl Recipients {
    /// Their ids.
    #[must_use]
    pub fn ids(&self) -> &[String] {
        match self {
            Self::One(id) => slice::from_ref(id),
            Self::Batch(ids) => ids,
        }
    }
}

#[derive(Deserialize)]
struct PushBody<'b> {
    #[serde(borrow)]
    websocket: Option<Object<PushFields<'b>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PushFields<'b> {
    #[serde(borrow)]
    action: Option<Text<'b>>,
    #[serde(rename = "secConnectionID")]
    connection: Option<String>,
    #[serde(rename = "secConnectionIDs")]
    connections: Option<BatchIds>,
    #[serde(borrow)]
    data_type: Option<Text<'b>>,
    #[serde(borrow)]
    data: Option<Text<'b>>,
    code: Option<u16>,
    #[serde(borrow)]
    reason: Option<Text<'b>>,
    cleanup: Option<bool>,
}

/// A string, borrowed from the body where it contains no escapes.
#[derive(Deserialize)]
struct Text<'b>(#[serde(borrow)] Cow<'b, str>);

impl Text<'_> {
    fn as_str(&self) -> &str {
        &self.0
    }
}

/// The ids of a batch. Of a list that is too long only the length is kept.
struct BatchIds {
    ids: Vec<String>,
    total: usize,
}

impl<'de> Deserialize<'de> for BatchIds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(IdsVisitor)
    }
}

struct IdsVisitor;

impl<'de> Visitor<'de> for IdsVisitor {
    type Value = BatchIds;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of connection ids")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<BatchIds, A::Error> {
        let mut ids = Vec::new();
        while let Some(id) = list.next_element()? {
            ids.push(id);
            if ids.len() == MAX_BATCH {
                break;
            }
        }
        let mut total = ids.len();
        while list.next_element::<IgnoredAny>()?.is_some() {
            total += 1;
        }
        Ok(BatchIds { ids, total })
    }
}

impl Push {
    /// Reads the body of a reverse push. The error is a sentence for the function's author.
    pub fn parse(body: &Bytes) -> Result<Self, String> {
        let Object(parsed): Object<PushBody<'_>> = serde_json::from_slice(body)
            .map_err(|error| format!("the body is no reverse push in JSON: {error}"))?;
        let Object(fields) = parsed.websocket.ok_or("the body has no \"websocket\"")?;
        let to = recipients(fields.connection, fields.connections)?;
        match fields.action.as_ref().map(Text::as_str) {
            Some("data send") => {
                let frame = frame(body, fields.data_type.as_ref().map(Text::as_str), fields.data)?;
                Ok(Self::Send { to, frame })
            }
            Some("closing") => {
                let close =
                    Close::new(fields.code, fields.reason.as_ref().map(Text::as_str), fields.cleanup)?;
                Ok(Self::Close { to, close })
            }
            Some(other) => Err(format!("the action {other:?} is neither \"data send\" nor \"closing\"")),
            None => Err("\"websocket\" has no \"action\"".to_owned()),
        }
    }

    /// The connections that it names.
    #[must_use]
    pub fn to(&self) -> &Recipients {
        match self {
            Self::Send { to, .. } | Self::Close { to, .. } => to,
        }
    }
}

fn recipients(one: Option<String>, batch: Option<BatchIds>) -> Result<Recipients, String> {
    match (one, batch) {
        (Some(id), None) => Ok(Recipients::One(id)),
        (None, Some(BatchIds { total: 0, .. })) => {
            Err("\"secConnectionIDs\" is empty; it names at least one connection".to_owned())
        }
        (None, Some(BatchIds { ids, total })) if total <= MAX_BATCH => Ok(Recipients::Batch(ids)),
        (None, Some(BatchIds { total, .. })) => Err(format!(
            "\"secConnectionIDs\" names {total} connections; a batch has at most {MAX_BATCH}, so push several"
        )),
        (Some(_), Some(_)) => {
            Err("\"websocket\" has both \"secConnectionID\" and \"secConnectionIDs\"; give one of them"
                .to_owned())
        }
        (None, None) => {
            Err("\"websocket\" has neither \"secConnectionID\" nor \"secConnectionIDs\"".to_owned())
        }
    }
}

fn frame(body: &Bytes, data_type: Option<&str>, data: Option<Text<'_>>) -> Result<Frame, String> {
    let Text(data) = data.ok_or("\"data send\" needs \"data\"")?;
    match data_type {
        Some("text") => Ok(text_frame(body, data)),
        Some("binary") => match STANDARD.decode(&*data) {
            Ok(bytes) => Ok(Frame::binary(bytes)),
            Err(error) => Err(format!("the binary \"data\" is no Base64: {error}")),
        },
        Some(other) => Err(format!("the dataType {other:?} is neither \"text\" nor \"binary\"")),
        None => Err("\"data send\" needs \"dataType\", \"text\" or \"binary\"".to_owned()),
    }
}

fn text_frame(body: &Bytes, data: Cow<'_, str>) -> Frame {
    let shared = match data {
        Cow::Borrowed(text) if text.len() >= SHARED_FROM_BYTES.max(body.len() / 2) => {
            Frame::shared_text(body.slice_ref(text.as_bytes()))
        }
        _ => None,
    };
    shared.unwrap_or_else(|| Frame::text(data))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Push, String> {
        Push::parse(&Bytes::copy_from_slice(body.as_bytes()))
    }

    #[test]
    fn pushes_are_read_or_refused_with_a_sentence() {
        let send = |rest: &str| parse(&format!(r#"{{"websocket":{{"secConnectionID":"c"{rest}}}}}"#));
        let to = || Recipients::One("c".into());
        let text = send(r#","action":"data send","dataType":"text","data":"x""#);
        assert_eq!(text, Ok(Push::Send { to: to(), frame: Frame::text("x") }));
        let escaped = send(r#","action":"data send","dataType":"text","data":"\"\u00e9""#);
        assert_eq!(escaped, Ok(Push::Send { to: to(), frame: Frame::text("\"é") }));
        let binary = send(r#","action":"data send","dataType":"binary","data":"AP8=""#);
        let bytes = Bytes::from_static(&[0, 255]);
        assert_eq!(binary, Ok(Push::Send { to: to(), frame: Frame::binary(bytes) }));
        assert_eq!(send(r#","action":"closing""#), Ok(Push::Close { to: to(), close: Close::default() }));
        let close = Close { code: 4001, reason: "kicked".into(), cleanup: true };
        let kick = r#","action":"closing","code":4001,"reason":"kicked","cleanup":true"#;
        assert_eq!(send(kick), Ok(Push::Close { to: to(), close }));
        for (rest, named) in [
            ("", "action"),
            (r#","action":"dance""#, "dance"),
            (r#","action":"data send","data":"x""#, "dataType"),
            (r#","action":"data send","dataType":"text""#, "data"),
            (r#","action":"data send","dataType":"json","data":"x""#, "json"),
            (r#","action":"data send","dataType":"binary","data":"?""#, "Base64"),
            (r#","action":"closing","secConnectionIDs":["d"]"#, "both"),
            (r#","action":"closing","code":1006"#, "1006"),
            (r#","action":"closing","code":"1000""#, "u16"),
            (&format!(r#","action":"closing","reason":"{}""#, "x".repeat(124)), "124 bytes"),
        ] {
            let refused = send(rest).expect_err(rest);
            assert!(refused.contains(named), "{rest}: {refused}");
        }
        for array in [r#"[{"action":"closing","secConnectionID":"c"}]"#, r#"{"websocket":["closing","c"]}"#] {
            assert!(parse(array).is_err_and(|sentence| sentence.contains("an object")), "{array}");
        }
        assert!(parse("{}").is_err_and(|sentence| sentence.contains("websocket")));
        assert!(parse("nonsense").is_err_and(|sentence| sentence.contains("JSON")));
    }

    #[test]
    fn a_batch_names_1_to_1000_connections() {
        let close =
            |ids: &str| parse(&format!(r#"{{"websocket":{{"action":"closing","secConnectionIDs":{ids}}}}}"#));
        let many = |count: usize| format!("[{}]", vec![r#""c""#; count].join(","));
        let batch = |ids: &[&str]| Recipients::Batch(ids.iter().map(|id| (*id).to_owned()).collect());
        assert_eq!(
            close(r#"["a","b","a"]"#),
            Ok(Push::Close { to: batch(&["a", "b", "a"]), close: Close::default() })
        );
        assert_eq!(close(r#"["a"]"#), Ok(Push::Close { to: batch(&["a"]), close: Close::default() }));
        assert_eq!(close(&many(MAX_BATCH)).expect("as many as allowed").to().ids().len(), MAX_BATCH);
        for (ids, named) in [
            ("[]", "empty"),
            ("null", "neither"),
            (r#""a""#, "a list of connection ids"),
            ("[1]", "a string"),
            (&many(MAX_BATCH + 1), "1001 connections"),
            (&many(5 * MAX_BATCH), "5000 connections"),
        ] {
            let refused = close(ids).expect_err(named);
            assert!(refused.contains(named), "{refused}");
        }
    }

    #[test]
    fn a_long_text_is_not_copied() {
        for (length, shared) in [(100, false), (SHARED_FROM_BYTES, true)] {
            let data = "x".repeat(length);
            let body = Bytes::from(format!(
                r#"{{"websocket":{{"action":"data send","secConnectionID":"c","dataType":"text","data":"{data}"}}}}"#
            ));
            let Ok(Push::Send { frame, .. }) = Push::parse(&body) else { panic!("a push") };
            assert_eq!(frame.as_text(), Some(data.as_str()));
            assert_eq!(body.as_ptr_range().contains(&frame.payload().as_ptr()), shared, "{length}");
        }
    }
}
