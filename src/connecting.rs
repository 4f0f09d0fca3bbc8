//! A client that asks to connect.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::event::{Event, EventError, WebSocket, texts};

/// A client that asks to connect.
///
/// What the gateway did not send is absent: only the gateway of this project sends headers and the query.
///
/// ```
/// use scf_websocket::{Connecting, Decision};
///
/// /// Accepts browsers that come from the right page and speak the right sub-protocol.
/// fn decide(client: &Connecting<'_>) -> Decision {
///     if client.header("Origin") != Some("https://example.com") {
///         return Decision::refuse(403, "not from there");
///     }
///     match client.sub_protocols().find(|name| *name == "chat.v2") {
///         Some(name) => Decision::accept_with(name),
///         None => Decision::refuse(400, "chat.v2, please"),
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Connecting<'e> {
    event: &'e Event<'e>,
    websocket: &'e WebSocket<'e>,
    sub_protocols: OnceCell<Cow<'e, str>>,
    /// Parsed when first needed: most functions look at none of it.
    request: OnceCell<Request<'e>>,
}

/// The parts of the event that describe the client's HTTP request.
#[derive(Debug)]
struct Request<'e> {
    context_json: &'e str,
    context: Value,
    headers: BTreeMap<String, String>,
    query: BTreeMap<String, String>,
}

impl<'e> Connecting<'e> {
    pub(crate) fn of(event: &'e Event<'e>, websocket: &'e WebSocket<'e>) -> Self {
        Self { event, websocket, sub_protocols: OnceCell::new(), request: OnceCell::new() }
    }

    /// The id of the connection, by which functions push to it.
    #[must_use]
    pub fn id(&self) -> &str {
        self.websocket.connection.as_str()
    }

    /// The path that the client asks for, such as `/chat`.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.request().context.get("path")?.as_str()
    }

    /// The IP address of the client.
    ///
    /// ```
    /// # use scf_websocket::{Connecting, Decision};
    /// fn decide(client: &Connecting<'_>) -> Decision {
    ///     match client.source_ip() {
    ///         Some(ip) if ip.starts_with("10.") => Decision::accept(),
    ///         _ => Decision::refuse(403, "from inside only"),
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn source_ip(&self) -> Option<&str> {
        self.request().context.get("sourceIp")?.as_str()
    }

    /// A header of the client's request. Names match in any letter case; several values are joined by `, `.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request().headers.get(&name.to_ascii_lowercase()).map(String::as_str)
    }

    /// All headers of the client's request, their names in lower case.
    ///
    /// ```
    /// # use scf_websocket::Connecting;
    /// fn trace(client: &Connecting<'_>) {
    ///     for (name, value) in client.headers().filter(|(name, _)| *name != "cookie") {
    ///         log::debug!("{} {name}: {value}", client.id());
    ///     }
    /// }
    /// ```
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.request().headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The decoded value of a parameter of the query: `Some("secret")` for `token` in `?token=secret`.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        self.request().query.get(name).map(String::as_str)
    }

    /// All parameters of the query, decoded.
    ///
    /// ```
    /// # use scf_websocket::{Connecting, Decision};
    /// /// Every later event of the connection carries what stood in the query.
    /// fn decide(client: &Connecting<'_>) -> Decision {
    ///     client.query_parameters().fold(Decision::accept(), |decision, (name, value)| decision.attribute(name, value))
    /// }
    /// ```
    pub fn query_parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.request().query.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The sub-protocols that the client offers, in its order of preference.
    pub fn sub_protocols(&self) -> impl Iterator<Item = &str> {
        let list = self.sub_protocols.get_or_init(|| self.offered().unwrap_or_default());
        list.split(',').map(str::trim).filter(|name| !name.is_empty())
    }

    /// The event's `requestContext`, as JSON: what the gateway says of the request beyond the other methods.
    ///
    /// ```
    /// # use scf_websocket::{Connecting, Result};
    /// /// The release stage of the API behind which the client is.
    /// fn stage(client: &Connecting<'_>) -> Result<Option<String>> {
    ///     let context: serde_json::Value = serde_json::from_str(client.request_context())?;
    ///     Ok(context["stage"].as_str().map(str::to_owned))
    /// }
    /// ```
    #[must_use]
    pub fn request_context(&self) -> &str {
        self.request().context_json
    }

    /// The list of sub-protocols as the client sent it; empty if it sent none.
    pub(crate) fn offered(&self) -> Result<Cow<'e, str>, EventError> {
        self.websocket.sub_protocols.map_or(Ok(Cow::Borrowed("")), |list| list.text())
    }

    fn request(&self) -> &Request<'e> {
        self.request.get_or_init(|| Request::of(self.event.text()))
    }
}

impl<'e> Request<'e> {
    /// Of repeated keys the last one counts, as in the other readers of the event.
    fn of(event: &'e str) -> Self {
        let keys: BTreeMap<String, &'e RawValue> = serde_json::from_str(event).unwrap_or_default();
        let json = |name: &str| keys.get(name).map_or("null", |value| value.get());
        let context_json = json("requestContext");
        Self {
            context_json,
            context: serde_json::from_str(context_json).unwrap_or_default(),
            headers: texts(json("headers"), str::to_ascii_lowercase),
            query: texts(json("queryString"), str::to_owned),
        }
    }
}
