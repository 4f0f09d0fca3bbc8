//! Finds the keys of an event that matter, without building the rest.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::EventError;
use super::json_text::{JsonText, not_object};

/// Reads the keys in one pass if `websocket` is an object, as it nearly always is. An error inside it must not hide the
/// other key, so on failure the event is read again with `websocket` left unparsed.
pub(super) fn read(text: &str) -> Result<TopLevel<'_, Result<Fields<'_>, EventError>>, EventError> {
    if let Ok(keys) = serde_json::from_str::<TopLevel<'_, Fields<'_>>>(text) {
        return Ok(keys.map(Ok));
    }
    let keys = serde_json::from_str::<TopLevel<'_, &RawValue>>(text);
    let keys = keys.map_err(|e| EventError::NotJsonObject(not_object(text, &e)))?;
    Ok(keys.map(|raw| {
        let fields = serde_json::from_str(raw.get());
        fields.map_err(|e| EventError::WebSocketNotObject(not_object(raw.get(), &e)))
    }))
}

/// The top-level keys. Of repeated keys the last one counts, as in most parsers.
pub(super) struct TopLevel<'e, W> {
    pub(super) has_request_context: bool,
    pub(super) attributes: Option<&'e str>,
    pub(super) websocket: Option<W>,
}

impl<W> Default for TopLevel<'_, W> {
    fn default() -> Self {
        Self { has_request_context: false, attributes: None, websocket: None }
    }
}

impl<'e, W> TopLevel<'e, W> {
    fn map<V>(self, f: impl FnOnce(W) -> V) -> TopLevel<'e, V> {
        let Self { has_request_context, attributes, websocket } = self;
        TopLevel { has_request_context, attributes, websocket: websocket.map(f) }
    }
}

impl<'e, E> TopLevel<'e, Result<Fields<'e>, E>> {
    /// The JSON of the frame, if it is a string.
    pub(super) fn frame(&self) -> Option<&'e str> {
        let data = self.websocket.as_ref()?.as_ref().ok()?.data?;
        data.is_string().then_some(data.raw)
    }
}

#[derive(serde::Deserialize)]
#[serde(field_identifier)]
enum TopLevelKey {
    #[serde(rename = "requestContext")]
    RequestContext,
    #[serde(rename = "websocket")]
    WebSocket,
    #[serde(rename = "attributes")]
    Attributes,
    #[serde(other)]
    Other,
}

/// The fields of `websocket`, undecoded.
#[derive(Default)]
pub(super) struct Fields<'e> {
    pub(super) action: Option<JsonText<'e>>,
    pub(super) connection: Option<JsonText<'e>>,
    pub(super) data_type: Option<JsonText<'e>>,
    pub(super) data: Option<JsonText<'e>>,
    pub(super) sub_protocols: Option<JsonText<'e>>,
    pub(super) has_extensions: bool,
}

#[derive(serde::Deserialize)]
#[serde(field_identifier)]
enum FieldKey {
    #[serde(rename = "action")]
    Action,
    #[serde(rename = "secConnectionID")]
    ConnectionId,
    #[serde(rename = "dataType")]
    DataType,
    #[serde(rename = "data")]
    Data,
    #[serde(rename = "secWebSocketProtocol")]
    SubProtocols,
    #[serde(rename = "secWebSocketExtensions")]
    Extensions,
    #[serde(other)]
    Other,
}

/// An object that is read key by key.
trait Keyed<'e>: Default {
    type Key: Deserialize<'e>;

    fn take<A: MapAccess<'e>>(&mut self, key: Self::Key, map: &mut A) -> Result<(), A::Error>;
}

impl<'e, W: Deserialize<'e>> Keyed<'e> for TopLevel<'e, W> {
    type Key = TopLevelKey;

    fn take<A: MapAccess<'e>>(&mut self, key: TopLevelKey, map: &mut A) -> Result<(), A::Error> {
        match key {
            TopLevelKey::WebSocket => self.websocket = Some(map.next_value()?),
            TopLevelKey::Attributes => self.attributes = Some(map.next_value::<&'e RawValue>()?.get()),
            TopLevelKey::RequestContext => {
                map.next_value::<IgnoredAny>()?;
                self.has_request_context = true;
            }
            TopLevelKey::Other => {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

impl<'e> Keyed<'e> for Fields<'e> {
    type Key = FieldKey;

    fn take<A: MapAccess<'e>>(&mut self, key: FieldKey, map: &mut A) -> Result<(), A::Error> {
        let (field, name) = match key {
            FieldKey::Action => (&mut self.action, "action"),
            FieldKey::ConnectionId => (&mut self.connection, "secConnectionID"),
            FieldKey::DataType => (&mut self.data_type, "dataType"),
            FieldKey::Data => (&mut self.data, "data"),
            FieldKey::SubProtocols => (&mut self.sub_protocols, "secWebSocketProtocol"),
            FieldKey::Extensions => {
                self.has_extensions = true;
                return map.next_value::<IgnoredAny>().map(drop);
            }
            FieldKey::Other => return map.next_value::<IgnoredAny>().map(drop),
        };
        let raw: &'e RawValue = map.next_value()?;
        *field = Some(JsonText { name, raw: raw.get() });
        Ok(())
    }
}

struct KeyedVisitor<T>(PhantomData<T>);

impl<'e, T: Keyed<'e>> Visitor<'e> for KeyedVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'e>>(self, mut map: A) -> Result<T, A::Error> {
        let mut object = T::default();
        while let Some(key) = map.next_key()? {
            object.take(key, &mut map)?;
        }
        Ok(object)
    }
}

fn keyed<'e, T: Keyed<'e>, D: Deserializer<'e>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_map(KeyedVisitor(PhantomData))
}

impl<'e, W: Deserialize<'e>> Deserialize<'e> for TopLevel<'e, W> {
    fn deserialize<D: Deserializer<'e>>(deserializer: D) -> Result<Self, D::Error> {
        keyed(deserializer)
    }
}

impl<'e> Deserialize<'e> for Fields<'e> {
    fn deserialize<D: Deserializer<'e>>(deserializer: D) -> Result<Self, D::Error> {
        keyed(deserializer)
    }
}
