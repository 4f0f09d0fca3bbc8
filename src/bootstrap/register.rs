//! Register: chooses a sub-protocol and records the client in the room.

use log::warn;

use super::sub_protocols::SubProtocols;
use crate::config::{Config, ConfigError};
use crate::connecting::Connecting;
use crate::context::Context;
use crate::error::{Chain, Result};
use crate::functions::{Decision, Functions};
use crate::log_text::excerpt;

/// The register role.
pub(super) struct Register {
    sub_protocols: SubProtocols,
}

impl Register {
    pub(super) fn read(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { sub_protocols: SubProtocols::read(config)? })
    }
}

impl Functions for Register {
    fn register(&mut self, client: &Connecting<'_>, context: &mut Context<'_>) -> Result<Decision> {
        let decision = self.sub_protocols.choose(client)?;
        Ok(if decision.is_accepted() { recorded(decision, client, context) } else { decision })
    }

    fn settings(&self) -> String {
        self.sub_protocols.to_string()
    }
}

/// Records an accepted client in the room, if there is one. A client that cannot be recorded could not be reached, so it
/// is refused, with a sentence that says nothing of the store.
fn recorded(decision: Decision, client: &Connecting<'_>, context: &mut Context<'_>) -> Decision {
    let joined = context.default_room().map_or(Ok(()), |mut room| room.join(client.id()));
    let Err(e) = joined else { return decision };
    warn!("connection {:?} was not recorded and is refused: {}", excerpt(client.id()), Chain(&e));
    Decision::refuse(104, "the client cannot be recorded now: try again later")
}
