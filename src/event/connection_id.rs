//! The id of a connection.

use std::borrow::Cow;

use super::error::EventError;
use super::json_text::{JsonText, json_string};

/// `secConnectionID`: as text, and as the JSON string that pushes and answers carry.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionId<'e> {
    json: Cow<'e, str>,
    text: Cow<'e, str>,
}

impl<'e> ConnectionId<'e> {
    pub(super) fn decode(json: JsonText<'e>) -> Result<Self, EventError> {
        Ok(Self { json: Cow::Borrowed(json.raw), text: json.text()? })
    }

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
