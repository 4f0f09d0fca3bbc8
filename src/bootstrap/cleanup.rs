//! Cleanup: forgets the client that has left, and may close other connections.

use super::values::list;
use crate::config::{Config, ConfigError};
use crate::context::Context;
use crate::error::Result;
use crate::frame::Closing;
use crate::functions::Functions;
use crate::push::PushError;

/// The variables of the role.
pub(super) struct CleanupSettings {
    /// The connections to close with each event (`WS_CLOSE`).
    close: Vec<String>,
}

/// The cleanup role.
pub(super) struct Cleanup(CleanupSettings);

impl CleanupSettings {
    pub(super) fn read(config: &Config) -> Result<Self, ConfigError> {
        let ids = config.get_with("WS_CLOSE", |value| list(value, "connection ids separated by commas"))?;
        Ok(Self { close: ids.unwrap_or_default() })
    }
}

impl Cleanup {
    pub(super) fn new(settings: CleanupSettings, config: &Config) -> Result<Self, ConfigError> {
        if !settings.close.is_empty() {
            config.require_push("WS_CLOSE")?;
        }
        Ok(Self(settings))
    }

    /// Closes the configured connections and forgets them, because closing a connection causes no event. One that could
    /// not be closed is still connected and stays in the room.
    ///
    /// Fails if not a single push reached the gateway.
    fn close_others(&self, context: &mut Context<'_>) -> Result<(), PushError> {
        let mut closed = Vec::new();
        let mut reached = false;
        let mut failure = None;
        for connection in &self.0.close {
            match context.push(connection).close() {
                Ok(report) => {
                    reached = true;
                    if report.failed() == 0 {
                        closed.push(connection.clone());
                    }
                }
                Err(e) => failure = Some(e),
            }
        }
        if let Some(mut room) = context.default_room() {
            room.prune(&closed);
        }
        failure.filter(|_| !reached).map_or(Ok(()), Err)
    }
}

impl Functions for Cleanup {
    fn cleanup(&mut self, connection: &Closing<'_>, context: &mut Context<'_>) -> Result<()> {
        let left = context.default_room().map_or(Ok(()), |mut room| room.leave(connection.id()));
        // Closing the others does not depend on whether the client could be removed.
        let closed = self.close_others(context);
        left?;
        closed?;
        Ok(())
    }

    fn settings(&self) -> String {
        match self.0.close.as_slice() {
            [] => "close=none".into(),
            ids => format!("close={:?}", ids.join(",")),
        }
    }
}
