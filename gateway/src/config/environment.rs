//! The variables of the gateway's own environment that belong to the configuration. Each is read from the variable
//! itself, or from the file that the variable of the same name with `_FILE` behind it names, as secrets are mounted.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fmt, fs,
};

/// What all of them begin with.
const PREFIX: &str = "GATEWAY_";

/// The variables. Files that they name are read each time, so that a reload finds a new secret.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// The environment of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let named = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        Self(named.filter(|(name, _)| name.starts_with(PREFIX)).collect())
    }

    /// With this variable too.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// The value of a variable, or what the file holds that the variable with `_FILE` behind its name names, without
    /// the line's end; parsed. The error is a sentence that shows no value.
    pub(super) fn read<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Result<T, String>> {
        let from_file = format!("{name}_FILE");
        let (named, value) = match (self.0.get(name), self.0.get(&from_file)) {
            (None, None) => return None,
            (Some(_), Some(_)) => {
                return Some(Err(format!("the variables {name} and {from_file} are both set")));
            }
            (Some(value), None) => (name, readable(value).map(str::to_owned)),
            (None, Some(path)) => (from_file.as_str(), content(path)),
        };
        let parsed = value.and_then(|value| parse(&value));
        Some(parsed.map_err(|sentence| format!("the variable {named}: {sentence}")))
    }
}

fn readable(value: &OsStr) -> Result<&str, String> {
    value.to_str().ok_or_else(|| "the value is not UTF-8".to_owned())
}

fn content(path: &OsStr) -> Result<String, String> {
    let shown = path.display();
    let bytes = fs::read(path).map_err(|error| format!("cannot read the file {shown}: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("the file {shown} is not UTF-8"))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}
