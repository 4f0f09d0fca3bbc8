//! Register: chooses a sub-protocol and records the client in the room.

use super::values::list;
use crate::config::{Config, ConfigError};
use crate::connecting::Connecting;
use crate::context::Context;
use crate::error::Result;
use crate::functions::{Decision, Functions};
use crate::log_text::excerpt;

/// The register role.
pub(super) struct Register {
    /// The accepted sub-protocols (`WS_SUBPROTOCOLS`), the preferred one first; `None`: the client's list is returned.
    sub_protocols: Option<Vec<String>>,
}

impl Register {
    pub(super) fn read(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { sub_protocols: config.get_with("WS_SUBPROTOCOLS", sub_protocols)? })
    }

    fn decide(&self, client: &Connecting<'_>) -> Result<Decision> {
        let Some(accepted) = &self.sub_protocols else { return Ok(Decision::accept()) };
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

impl Functions for Register {
    fn register(&mut self, client: &Connecting<'_>, context: &mut Context<'_>) -> Result<Decision> {
        Ok(self.decide(client)?.recorded(client, context))
    }

    fn settings(&self) -> String {
        match &self.sub_protocols {
            None => "sub_protocols=as-offered".into(),
            Some(accepted) => format!("sub_protocols={}", accepted.join(",")),
        }
    }
}

fn sub_protocols(value: &str) -> Result<Vec<String>, String> {
    const ALLOWED: &str = "sub-protocol names (letters, digits and !#$%&'*+-.^_`|~) separated by commas";
    let names = list(value, ALLOWED)?;
    if names.iter().all(|name| name.bytes().all(is_token_byte)) { Ok(names) } else { Err(ALLOWED.into()) }
}

/// A byte of a `token` (RFC 9110, section 5.6.2), which the header `Sec-WebSocket-Protocol` consists of.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
