//! The attributes that register gave a connection, as its later events carry them.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use serde_json::Value;

/// The attributes of an event, parsed when they are first read.
#[derive(Debug)]
pub(crate) struct Attributes<'e> {
    json: &'e str,
    parsed: OnceCell<BTreeMap<String, String>>,
}

impl<'e> Attributes<'e> {
    pub(super) fn of(json: Option<&'e str>) -> Self {
        Self { json: json.unwrap_or("null"), parsed: OnceCell::new() }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all().get(name).map(String::as_str)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.all().iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn all(&self) -> &BTreeMap<String, String> {
        self.parsed.get_or_init(|| texts(self.json, str::to_owned))
    }
}

/// The entries of an object whose values are strings; none of anything else.
pub(crate) fn texts(json: &str, name: impl Fn(&str) -> String) -> BTreeMap<String, String> {
    let object: BTreeMap<String, Value> = serde_json::from_str(json).unwrap_or_default();
    let strings = object.iter().filter_map(|(key, value)| Some((name(key), value.as_str()?.to_owned())));
    strings.collect()
}
