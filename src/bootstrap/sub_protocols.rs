//! The choice of a sub-protocol (`WS_SUBPROTOCOLS`).

use std::fmt;

use super::values::list;
use crate::config::{Config, ConfigError};
use crate::connecting::Connecting;
use crate::error::Result;
use crate::functions::Decision;
use crate::log_text::excerpt;

/// The accepted sub-protocols, the preferred one first; `None`: the client's list is returned unchanged.
pub(super) struct SubProtocols(Option<Vec<String>>);

impl SubProtocols {
    pub(super) fn read(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self(config.get_with("WS_SUBPROTOCOLS", parse)?))
    }

    /// Accepts the client with the first accepted sub-protocol that it offers, and refuses it if there is none.
    pub(super) fn choose(&self, client: &Connecting<'_>) -> Result<Decision> {
        let Some(accepted) = &self.0 else { return Ok(Decision::accept()) };
        let offered = client.offered()?;
        let is_offered = |name: &&String| offered.split(',').any(|entry| entry.trim() == name.as_str());
        Ok(match accepted.iter().find(is_offered) {
            Some(name) => Decision::accept_with(name),
            None => Decision::refuse(
                103,
                format!(
                    "no sub-protocol in common: offered {:?}, accepted {:?}",
                    excerpt(&offered),
                    accepted.join(",")
                ),
            ),
        })
    }
}

impl fmt::Display for SubProtocols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("sub_protocols=as-offered"),
            Some(accepted) => write!(f, "sub_protocols={}", accepted.join(",")),
        }
    }
}

fn parse(value: &str) -> Result<Vec<String>, String> {
    const ALLOWED: &str = "sub-protocol names (letters, digits and !#$%&'*+-.^_`|~) separated by commas";
    let names = list(value, ALLOWED)?;
    if names.iter().all(|name| name.bytes().all(is_token_byte)) { Ok(names) } else { Err(ALLOWED.into()) }
}

/// A byte of a `token` (RFC 9110, section 5.6.2), which the header `Sec-WebSocket-Protocol` consists of.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
