//! What the cleanup of a connection needs, also at another node.

use std::{fmt, net::IpAddr, sync::Arc};

use crate::contract::Attributes;

/// What the cleanup of a connection needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionRecord {
    source_ip: IpAddr,
    api: Arc<str>,
    attributes: Option<Arc<Attributes>>,
    /// For the calls of this process alone.
    trace: Option<Arc<str>>,
}

impl ConnectionRecord {
    pub(crate) fn new(
        source_ip: IpAddr,
        api: Arc<str>,
        attributes: Option<Arc<Attributes>>,
        trace: Option<Arc<str>>,
    ) -> Self {
        Self { source_ip, api, attributes, trace }
    }

    /// The path of the API that has registered the connection.
    #[must_use]
    pub fn api(&self) -> &str {
        &self.api
    }

    /// What the register function has said of the client.
    #[must_use]
    pub fn attributes(&self) -> Option<&Arc<Attributes>> {
        self.attributes.as_ref()
    }

    /// The header `traceparent` of the client's handshake.
    pub(crate) fn trace(&self) -> Option<&str> {
        self.trace.as_deref()
    }

    /// Reads what [`fmt::Display`] writes: the address, a space, the API's path, and the attributes in JSON behind a line
    /// break, which no path contains.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (text, attributes) = match text.split_once('\n') {
            Some((text, json)) => (text, Some(Arc::new(serde_json::from_str(json).ok()?))),
            None => (text, None),
        };
        let (source_ip, api) = text.split_once(' ')?;
        Some(Self { source_ip: source_ip.parse().ok()?, api: api.into(), attributes, trace: None })
    }
}

impl fmt::Display for ConnectionRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.source_ip, self.api)?;
        match &self.attributes {
            // Strings always have a JSON form.
            Some(attributes) => {
                write!(formatter, "\n{}", serde_json::to_string(&**attributes).unwrap_or_default())
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        for text in
            ["10.0.2.14 /a b", "2001:db8::1 /", "10.0.0.1 /chat\n{\"level\":\"3\",\"user\":\"ann\\n\"}"]
        {
            let record = ConnectionRecord::parse(text).expect("a record");
            assert_eq!(record.to_string(), text);
        }
        assert_eq!(ConnectionRecord::parse("10.0.0.1 /chat").expect("a record").api(), "/chat");
        for wrong in ["/chat", "10.0.0.1 /\nnonsense"] {
            assert_eq!(ConnectionRecord::parse(wrong), None);
        }
    }
}
