//! Strings of an event, decoded when they are read.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::error::EventError;

/// A JSON value as it stands in the event; it is expected to be a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JsonText<'e> {
    pub(super) name: &'static str,
    pub(super) raw: &'e str,
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

    pub(super) fn is_string(&self) -> bool {
        self.raw.starts_with('"')
    }

    pub(super) fn require_string(&self) -> Result<(), EventError> {
        if self.is_string() {
            return Ok(());
        }
        Err(EventError::NotText(self.name, format!("it is {}", kind(self.raw))))
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
pub(super) fn not_object(text: &str, e: &serde_json::Error) -> String {
    if e.is_data() { format!("it is {}", kind(text)) } else { e.to_string() }
}

/// An object of strings as JSON.
pub(crate) fn json_object(texts: &BTreeMap<String, String>) -> String {
    let object: serde_json::Map<_, _> =
        texts.iter().map(|(name, text)| (name.clone(), serde_json::Value::from(text.as_str()))).collect();
    serde_json::Value::from(object).to_string()
}

/// A string as JSON.
pub(crate) fn json_string(text: &str) -> String {
    // A room has thousands of ids, none of which needs an escape.
    if text.bytes().all(|byte| byte >= b' ' && !matches!(byte, b'"' | b'\\')) {
        return ["\"", text, "\""].concat();
    }
    serde_json::Value::from(text).to_string()
}
