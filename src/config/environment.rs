//! The environment variables of the process, read once.

use std::ffi::OsString;
use std::fmt;

use super::error::ConfigError;
use super::variables::Variable;

const RUNTIME_API: &str = "SCF_RUNTIME_API";
const RUNTIME_API_PORT: &str = "SCF_RUNTIME_API_PORT";

/// The variables, with their names. Few are looked up, so an index would cost more than it saves at a cold start.
pub(crate) struct Environment(Vec<(OsString, OsString)>);

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
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Environment {
    /// Refuses an unknown name that begins with `WS_`: it is a misspelling that would leave a default in force.
    pub(crate) fn read(
        vars: impl IntoIterator<Item = (OsString, OsString)>,
        known: &[Variable],
    ) -> Result<Self, ConfigError> {
        let all = Self(vars.into_iter().collect());
        let is_ours = |name: &OsString| name.as_encoded_bytes().starts_with(b"WS_");
        let is_known = |name: &OsString| known.iter().any(|variable| name == variable.name);
        match all.0.iter().map(|(name, _)| name).find(|name| is_ours(name) && !is_known(name)) {
            Some(name) => Err(unknown(&name.to_string_lossy(), known)),
            None => Ok(all),
        }
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, ConfigError> {
        let found = self.0.iter().find(|(known, _)| known == name);
        let Some((_, value)) = found else { return Ok(None) };
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
