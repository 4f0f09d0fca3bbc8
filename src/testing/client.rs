//! A client that connects in a test.

use std::collections::BTreeMap;

use serde_json::json;

/// A client that asks to connect, and what it sends along.
///
/// ```
/// use scf_websocket::testing::Client;
///
/// let ann = Client::new("ann")
///     .path("/chat")
///     .query("token", "secret")
///     .header("Origin", "https://example.com")
///     .sub_protocols("chat.v2, chat.v1");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Client {
    id: String,
    path: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    sub_protocols: Option<String>,
}

impl Client {
    /// A client with this connection id that asks for the path `/`.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self { id: id.to_owned(), path: "/".to_owned(), ..Self::default() }
    }

    /// The path that it asks for.
    #[must_use]
    pub fn path(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    /// Adds a decoded parameter of the query.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_ascii_lowercase(), value.to_owned());
        self
    }

    /// The sub-protocols that it offers, separated by commas.
    #[must_use]
    pub fn sub_protocols(self, list: &str) -> Self {
        Self { sub_protocols: Some(list.to_owned()), ..self }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The connecting event, in the form of this project's gateway.
    pub(super) fn event(&self) -> String {
        let mut websocket = json!({"action": "connecting", "secConnectionID": self.id});
        if let Some(list) = &self.sub_protocols {
            websocket["secWebSocketProtocol"] = json!(list);
        }
        let event = json!({
            "requestContext": {
                "path": self.path, "httpMethod": "GET", "sourceIp": "127.0.0.1", "websocketEnable": true,
            },
            "headers": self.headers,
            "queryString": self.query,
            "websocket": websocket,
        });
        event.to_string()
    }
}

impl From<&str> for Client {
    fn from(id: &str) -> Self {
        Self::new(id)
    }
}
