//! Finds the keys of an event that matter, without building the rest.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::EventError;
use super::json_text::{JsonText, not_object};
use super::limits::is_nested_too_deep;
use super::scanner::Scanner;

/// The top-level keys. Of repeated keys the last one counts, as in most parsers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TopLevel<'e> {
    pub(super) has_request_context: bool,
    pub(super) attributes: Option<&'e str>,
    pub(super) websocket: Option<Result<Fields<'e>, EventError>>,
}

/// The fields of `websocket`, undecoded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fields<'e> {
    pub(super) action: Option<JsonText<'e>>,
    pub(super) connection: Option<JsonText<'e>>,
    pub(super) data_type: Option<JsonText<'e>>,
    pub(super) data: Option<JsonText<'e>>,
    pub(super) sub_protocols: Option<JsonText<'e>>,
    pub(super) has_extensions: bool,
}

/// Reads the keys.
pub(super) fn read(text: &str) -> Result<TopLevel<'_>, EventError> {
    scanned(text).map_or_else(|| parsed(text), Ok)
}

/// The keys of a well-formed event; `None` for one that [`parsed`] has to judge.
fn scanned(text: &str) -> Option<TopLevel<'_>> {
    let mut keys = TopLevel::default();
    let mut scanner = Scanner::new(text);
    scanner.object(|scanner, key| {
        if key == "websocket" {
            let mut fields = Fields::default();
            scanner.object(|scanner, key| {
                fields.set(key, scanner.value()?);
                Some(())
            })?;
            keys.websocket = Some(Ok(fields));
        } else {
            keys.set(key, scanner.value()?);
        }
        Some(())
    })?;
    scanner.is_at_end().then_some(keys)
}

/// The keys of any event. An error inside `websocket` does not hide the other keys.
fn parsed(text: &str) -> Result<TopLevel<'_>, EventError> {
    if is_nested_too_deep(text) {
        return Err(EventError::TooDeep);
    }
    let mut keys = TopLevel::default();
    let read = entries(text, |key, json| match key {
        "websocket" => keys.websocket = Some(fields(json)),
        _ => keys.set(key, json),
    });
    read.map_err(|e| EventError::NotJsonObject(not_object(text, &e)))?;
    Ok(keys)
}

fn fields(json: &str) -> Result<Fields<'_>, EventError> {
    let mut fields = Fields::default();
    entries(json, |key, json| fields.set(key, json))
        .map_err(|e| EventError::WebSocketNotObject(not_object(json, &e)))?;
    Ok(fields)
}

/// Calls `entry` with each key and value of an object. Keeps none of them, since there may be very many.
fn entries<'e>(json: &'e str, entry: impl FnMut(&str, &'e str)) -> serde_json::Result<()> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    deserializer.deserialize_map(Entries(entry))?;
    deserializer.end()
}

struct Entries<F>(F);

impl<'e, F: FnMut(&str, &'e str)> Visitor<'e> for Entries<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'e>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, json)) = map.next_entry::<String, &RawValue>()? {
            (self.0)(&key, json.get());
        }
        Ok(())
    }
}

impl<'e> TopLevel<'e> {
    fn set(&mut self, key: &str, json: &'e str) {
        match key {
            "requestContext" => self.has_request_context = true,
            "attributes" => self.attributes = Some(json),
            _ => {}
        }
    }
}

impl<'e> Fields<'e> {
    fn set(&mut self, key: &str, json: &'e str) {
        let (field, name) = match key {
            "action" => (&mut self.action, "action"),
            "secConnectionID" => (&mut self.connection, "secConnectionID"),
            "dataType" => (&mut self.data_type, "dataType"),
            "data" => (&mut self.data, "data"),
            "secWebSocketProtocol" => (&mut self.sub_protocols, "secWebSocketProtocol"),
            "secWebSocketExtensions" => return self.has_extensions = true,
            _ => return,
        };
        *field = Some(JsonText { name, raw: json });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
    use proptest::sample::{Index, select};
    use proptest::test_runner::TestCaseError;

    use super::{parsed, scanned};

    const PIECES: &str = r#"
        { } [ ] {} [] : , / " \ \" \u00e \ud800 "a" "{}" é true nul 0 01 -0 1e5 .5
        "websocket":{ "action" "data": "requestContext": "attributes"
    "#;

    /// What the scanner accepts means what `serde_json` says it means.
    fn check(text: &str) -> Result<(), TestCaseError> {
        scanned(text).map_or(Ok(()), |keys| {
            proptest::prop_assert_eq!(Ok(keys), parsed(text), "{}", text);
            Ok(())
        })
    }

    /// Text of the pieces that events consist of, nearly all of it malformed.
    fn pieces(most: usize) -> impl Strategy<Value = String> {
        let blanks = [" ", "\n", "\t", "\r", "\u{1}", "\u{1f}", "\u{7f}", "\u{a0}"];
        let piece = prop_oneof![
            select(PIECES.split_whitespace().collect::<Vec<_>>()).prop_map(str::to_owned),
            select(blanks.to_vec()).prop_map(str::to_owned),
            any::<char>().prop_map(String::from),
        ];
        proptest::collection::vec(piece, 0..most).prop_map(|pieces| pieces.concat())
    }

    /// A JSON value that is well-formed.
    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            let key = prop_oneof!["[a-z]{0,9}", Just("websocket".to_owned()), Just("data".to_owned())];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                proptest::collection::vec((key, inner), 0..5)
                    .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_scanned_is_what_is_parsed(
            before in pieces(6), inside in pieces(6), value in value(), pretty in any::<bool>(),
            at in any::<Index>(), other in select(r#""\{}[]:,0.eu "#.chars().collect::<Vec<_>>())
        ) {
            let json = if pretty { format!("{value:#}") } else { value.to_string() };
            for text in [
                before.clone(),
                format!("{{{before}}}"),
                format!(r#"{{"a":{before},"websocket":{{"data":{inside}}}}}"#),
                format!(r#"{{"a":"{before}","websocket":{{"data":"{inside}"}}}}"#),
                format!(r#"{{"a":{json},"websocket":{{"action":{json}{inside}}}}}"#),
                json.clone(),
            ] {
                check(&text)?;
            }
            let event = format!(r#"{{"a":{json},"websocket":{{"data":{json}}},"attributes":{json}}}"#);
            let is_scanned = scanned(&event).is_some();
            proptest::prop_assert!(is_scanned, "{}", event);
            check(&event)?;
            let mut changed: Vec<char> = event.chars().collect();
            *at.get_mut(&mut changed) = other;
            check(&String::from_iter(changed))?;
        }
    }

    #[test]
    fn the_depth_is_limited_in_both() {
        for (levels, is_scanned) in [(127, true), (128, false)] {
            let event = format!(r#"{{"a":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
            assert_eq!(scanned(&event).is_some(), is_scanned);
            assert_eq!(parsed(&event).is_ok(), is_scanned);
        }
    }
}
