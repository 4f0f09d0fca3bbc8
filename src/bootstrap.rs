//! The functions of the file `bootstrap`: three roles that environment variables configure.
//!
//! They implement [`Functions`] as a user's own functions do, each in a file of its own: `register` chooses a
//! sub-protocol and records the client, `transfer` pushes frames on, `cleanup` forgets the client and may close
//! others.

mod cleanup;
mod register;
mod sub_protocols;
mod transfer;
mod values;

use std::process::ExitCode;

use self::cleanup::{Cleanup, CleanupSettings};
use self::register::Register;
use self::transfer::{Transfer, TransferSettings};
use crate::config::variables::{
    INTEGRATION_RESPONSE, LOG, PUSH_CONCURRENCY, PUSH_URL, ROLE_REQUIRED, ROOM, STORE, STORE_TTL,
    TRUSTED_ROOTS,
};
use crate::config::{Config, ConfigError, Variable};
use crate::connecting::Connecting;
use crate::context::Context;
use crate::error::Result;
use crate::frame::{Closing, Frame};
use crate::functions::{Decision, Functions};
use crate::role::Role;
use crate::startup::Program;

/// The variables of `bootstrap`, in the order of the table of docs/variables.md.
pub const VARIABLES: &[Variable] = &[
    ROLE_REQUIRED,
    PUSH_URL,
    Variable {
        name: "WS_PUSH_TO",
        values: "who receives a frame: `sender`, `none`, `others` (everyone in the room but the sender), `all`, or connection ids separated by commas",
        default: "`sender`",
    },
    Variable {
        name: "WS_PUSH_ENCODING",
        values: "text frames: `json` sends the frame as a JSON string, quotes and all; `raw` sends it as received (binary frames are never changed)",
        default: "`json`",
    },
    PUSH_CONCURRENCY,
    Variable {
        name: "WS_CLOSE",
        values: "connection ids separated by commas that the cleanup role closes with each event",
        default: "none",
    },
    Variable {
        name: "WS_SUBPROTOCOLS",
        values: "accepted sub-protocols separated by commas, the preferred one first; a client that offers none of them is refused with `errNo` 103",
        default: "the client's list is returned unchanged",
    },
    Variable { default: "none; required by `others` and `all`", ..STORE },
    ROOM,
    STORE_TTL,
    INTEGRATION_RESPONSE,
    TRUSTED_ROOTS,
    LOG,
];

/// Runs `bootstrap`: the whole of its `main` function.
pub fn main() -> ExitCode {
    Program::bootstrap(VARIABLES).main(functions)
}

/// The functions of the role that `WS_ROLE` names. Each variable is checked in every role.
pub(crate) fn functions(config: &Config) -> Result<Box<dyn Functions>, ConfigError> {
    let register = Register::read(config)?;
    let transfer = TransferSettings::read(config)?;
    let cleanup = CleanupSettings::read(config)?;
    Ok(match config.role() {
        Role::Register => Box::new(register),
        Role::Transfer => Box::new(Transfer::new(transfer, config)?),
        Role::Cleanup => Box::new(Cleanup::new(cleanup, config)?),
        Role::Auto => Box::new(Auto {
            register,
            transfer: Transfer::new(transfer, config)?,
            cleanup: Cleanup::new(cleanup, config)?,
        }),
    })
}

/// The three roles in one function.
struct Auto {
    register: Register,
    transfer: Transfer,
    cleanup: Cleanup,
}

impl Functions for Auto {
    fn register(&mut self, client: &Connecting<'_>, context: &mut Context<'_>) -> Result<Decision> {
        self.register.register(client, context)
    }

    fn transfer(&mut self, frame: &Frame<'_>, context: &mut Context<'_>) -> Result<()> {
        self.transfer.transfer(frame, context)
    }

    fn cleanup(&mut self, connection: &Closing<'_>, context: &mut Context<'_>) -> Result<()> {
        self.cleanup.cleanup(connection, context)
    }

    fn settings(&self) -> String {
        [self.register.settings(), self.transfer.settings(), self.cleanup.settings()].join(" ")
    }
}
