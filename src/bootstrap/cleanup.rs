//! Cleanup: forgets the client that has left, and may close other connections.

use std::sync::Arc;

use super::values::list;
use crate::config::{Config, ConfigError};
use crate::context::Context;
use crate::error::Result;
use crate::event::ConnectionId;
use crate::frame::Closing;
use crate::functions::Functions;
use crate::push::PushError;

/// The variables of the role.
pub(super) struct CleanupSettings {
    /// The connections to close with each event (`WS_CLOSE`).
    close: Arc<[ConnectionId<'static>]>,
}

/// The cleanup role.
pub(super) struct Cleanup(CleanupSettings);

impl CleanupSettings {
    pub(super) fn read(config: &Config) -> Result<Self, ConfigError> {
        let ids = config.get_with("WS_CLOSE", |value| list(value, "connection ids separated by commas"))?;
        Ok(Self { close: ids.iter().flatten().map(|id| ConnectionId::from(id.as_str())).collect() })
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
        if self.0.close.is_empty() {
            return Ok(());
        }
        let report = context.push_ids(Arc::clone(&self.0.close)).close()?;
        let ids = self.0.close.iter().map(ConnectionId::as_str);
        let closed: Vec<String> = if report.untried() == 0 {
            ids.filter(|id| !report.failed_ids().iter().any(|failed| failed == id))
                .map(str::to_owned)
                .collect()
        } else {
            // Which of them were closed is not known. The next push to the room finds those gone.
            report.gone().to_vec()
        };
        if let Some(mut room) = context.default_room() {
            room.prune(&closed);
        }
        Ok(())
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
        let ids: Vec<&str> = self.0.close.iter().map(ConnectionId::as_str).collect();
        match ids.as_slice() {
            [] => "close=none".into(),
            ids => format!("close={:?}", ids.join(",")),
        }
    }
}
