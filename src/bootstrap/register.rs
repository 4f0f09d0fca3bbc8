//! Register: chooses a sub-protocol and records the client in the room.

use super::sub_protocols::SubProtocols;
use crate::config::{Config, ConfigError};
use crate::connecting::Connecting;
use crate::context::Context;
use crate::error::Result;
use crate::functions::{Decision, Functions};

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
        Ok(self.sub_protocols.choose(client)?.recorded(client, context))
    }

    fn settings(&self) -> String {
        self.sub_protocols.to_string()
    }
}
