//! The environment variables of the process, read once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

use super::error::ConfigError;
use super::variables::Variable;

const RUNTIME_API: &str = "SCF_RUNTIME_API";
const RUNTIME_API_PORT: &str = "SCF_RUNTIME_API_PORT";

/// The variables by name.
pub(crate) struct Environment(BTreeMap<String, OsString>);

/// Host and port of the runtime API.
#[derive(Debug, Clone)]
pub(crate) struct RuntimeApiAddress {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl fmt::Display for RuntimeApiAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}/", self.host, self.port)
    }
}

impl fmt::Debug for Environment {
    /// Only the names: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Environment {
    /// Refuses an unknown name that begins with `WS_`: it is a misspelling that would leave a default in force.
    pub(crate) fn read(
        vars: impl IntoIterator<Item = (OsString, OsString)>,
        known: &[Variable],
    ) -> Result<Self, ConfigError> {
        let named = vars.into_iter().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let all: BTreeMap<String, OsString> = named.collect();
        let is_known = |name: &str| known.iter().any(|variable| variable.name == name);
        match all.keys().find(|name| name.starts_with("WS_") && !is_known(name)) {
            Some(name) => Err(unknown(name, known)),
            None => Ok(Self(all)),
        }
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, ConfigError> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        match value.to_str() {
            Some(text) => Ok(Some(text)),
            None => Err(ConfigError::not_allowed(name, &value.to_string_lossy(), "UTF-8 text")),
        }
    }

    /// The error of `parse` says what is allowed.
    pub(super) fn parsed<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.text(name)? else { return Ok(None) };
        let parsed = parse(value)
            .map_err(|allowed| ConfigError::not_allowed(name, &without_credentials(value), &allowed))?;
        Ok(Some(parsed))
    }

    /// Where the runtime API listens. Read separately, because `--check` works without SCF's variables.
    pub(crate) fn runtime_api(&self) -> Result<RuntimeApiAddress, ConfigError> {
        let Some(host) = self.text(RUNTIME_API)? else { return Err(ConfigError::NotStartedByScf) };
        let Some(port) = self.text(RUNTIME_API_PORT)? else {
            return Err(ConfigError::missing(RUNTIME_API_PORT, "the runtime API's port, which SCF sets"));
        };
        let port = port
            .parse()
            .map_err(|_| ConfigError::not_allowed(RUNTIME_API_PORT, port, "a port, 0 to 65535"))?;
        if host.is_empty() || !host.bytes().all(is_host_byte) {
            return Err(ConfigError::not_allowed(RUNTIME_API, host, "a host name or address"));
        }
        Ok(RuntimeApiAddress { host: host.to_owned(), port })
    }
}

/// Letters, digits, and the punctuation of host names and bracketed IPv6 addresses.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte)
}

fn unknown(name: &str, known: &[Variable]) -> ConfigError {
    let known: Vec<_> = known.iter().map(|v| v.name).filter(|name| name.starts_with("WS_")).collect();
    ConfigError::Unknown { name: name.to_owned(), known: known.join(", ") }
}

/// The value as an error may show it: what precedes an `@` in a URL is a password.
fn without_credentials(value: &str) -> String {
    match (value.find("://"), value.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://…{}", &value[..scheme], &value[at..]),
        _ => value.to_owned(),
    }
}
