//! The id of a connection.

use std::borrow::Cow;

use super::error::EventError;
use super::json_text::{JsonText, json_string};

/// `secConnectionID`: as text, and as the JSON string that pushes and answers carry.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionId<'e> {
    json: Cow<'e, str>,
    /// Unless it is what stands between the quotes.
    decoded: Option<Box<str>>,
}

impl<'e> ConnectionId<'e> {
    pub(super) fn decode(json: JsonText<'e>) -> Result<Self, EventError> {
        let decoded = match json.text()? {
            Cow::Borrowed(_) => None,
            Cow::Owned(text) => Some(text.into()),
        };
        Ok(Self { json: Cow::Borrowed(json.raw), decoded })
    }

    /// The id as text.
    pub(crate) fn as_str(&self) -> &str {
        self.decoded.as_deref().unwrap_or_else(|| &self.json[1..self.json.len() - 1])
    }

    /// The id as a JSON string.
    pub(crate) fn json(&self) -> &str {
        &self.json
    }
}

impl From<&str> for ConnectionId<'static> {
    fn from(text: &str) -> Self {
        let json = json_string(text);
        let decoded = (json.len() != text.len() + 2).then(|| text.into());
        Self { json: Cow::Owned(json), decoded }
    }
}
