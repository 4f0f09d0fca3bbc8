//! A room: a set of connections that all instances of the functions share.

use std::time::Instant;

use super::pruning::prune;
use super::push::Push;
use super::resources::Resources;
use crate::store::{RoomName, Seen, StoreError};

/// A room of connections, kept in the store that `WS_STORE` names.
///
/// A connection is a member from when a function lets it [join](Room::join): `register` may, as the connection can already
/// be pushed to. A push removes the members that the gateway does not know any more, so that one whose end no function was
/// called for is only listed until then.
///
/// A member that is silent for `WS_STORE_TTL` seconds is dropped. While a function handles a frame of a member, listing the
/// room or pushing to it renews that member by itself, in the same round trip to the store; one that sends frames of which
/// the room never hears joins again, which is idempotent.
///
/// ```
/// use scf_websocket::{Closing, Connecting, Context, Decision, Frame, Functions, Result};
///
/// /// Sends each frame to everybody else.
/// struct Lobby;
///
/// impl Functions for Lobby {
///     fn register(&mut self, client: &Connecting<'_>, context: &mut Context<'_>) -> Result<Decision> {
///         context.room("lobby").join(client.id())?;
///         Ok(Decision::accept())
///     }
///
///     fn transfer(&mut self, frame: &Frame<'_>, context: &mut Context<'_>) -> Result<()> {
///         let mut lobby = context.room("lobby");
///         lobby.push_others(frame.connection()).text(frame.text().unwrap_or_default())?;
///         Ok(())
///     }
///
///     fn cleanup(&mut self, connection: &Closing<'_>, context: &mut Context<'_>) -> Result<()> {
///         context.room("lobby").leave(connection.id())?;
///         Ok(())
///     }
/// }
/// ```
///
/// # Errors
/// Each method fails with a [`StoreError`] if `WS_STORE` is not set, the name of the room is not allowed, or the store
/// does not answer before the [deadline](super::Context::deadline).
pub struct Room<'r> {
    resources: &'r mut Resources,
    name: Name,
    deadline: Instant,
    seen: Option<Seen<'r>>,
}

enum Name {
    /// That of `WS_ROOM`.
    Default,
    Given(String),
}

impl<'r> Room<'r> {
    pub(super) fn named(
        resources: &'r mut Resources,
        name: &str,
        sender: Option<&'r str>,
        deadline: Instant,
    ) -> Self {
        let seen = sender.map(|connection| Seen { connection, joins: false });
        Self { resources, name: Name::Given(name.to_owned()), deadline, seen }
    }

    /// The room that `WS_ROOM` names, if there is a store.
    pub(super) fn default_of(resources: &'r mut Resources, deadline: Instant) -> Option<Self> {
        resources.store_settings()?;
        Some(Self { resources, name: Name::Default, deadline, seen: None })
    }

    /// Adds the connection, or records that it is still in use. Idempotent.
    ///
    /// # Errors
    /// See [`Room`]; the same holds for the other methods.
    pub fn join(&mut self, connection: &str) -> Result<(), StoreError> {
        let name = self.name()?;
        self.resources.store()?.renew(&name, connection, self.deadline)
    }

    /// Removes the connection. Idempotent.
    ///
    /// # Errors
    /// See [`Room`].
    pub fn leave(&mut self, connection: &str) -> Result<(), StoreError> {
        let name = self.name()?;
        self.resources.store()?.remove(&name, &[connection], self.deadline)
    }

    /// Removes several connections. Idempotent.
    ///
    /// # Errors
    /// See [`Room`].
    ///
    /// ```
    /// # use scf_websocket::{Context, Result};
    /// /// Empties the room, whose clients stay connected.
    /// fn end_of_game(context: &mut Context<'_>) -> Result<()> {
    ///     let mut room = context.room("game");
    ///     room.push().text("the game is over")?;
    ///     let members = room.members()?;
    ///     Ok(room.leave_all(&members)?)
    /// }
    /// ```
    pub fn leave_all<I: AsRef<str>>(&mut self, connections: &[I]) -> Result<(), StoreError> {
        if connections.is_empty() {
            return Ok(());
        }
        let ids: Vec<&str> = connections.iter().map(AsRef::as_ref).collect();
        let name = self.name()?;
        self.resources.store()?.remove(&name, &ids, self.deadline)
    }

    /// The ids of the members, in no particular order.
    ///
    /// # Errors
    /// See [`Room`].
    ///
    /// ```
    /// # use scf_websocket::{Context, Frame, Result};
    /// /// Answers with the number of clients in the room.
    /// fn count(frame: &Frame<'_>, context: &mut Context<'_>) -> Result<()> {
    ///     let members = context.room("lobby").members()?;
    ///     context.push(frame.connection()).text(&format!("{} are here", members.len()))?;
    ///     Ok(())
    /// }
    /// ```
    pub fn members(&mut self) -> Result<Vec<String>, StoreError> {
        let name = self.name()?;
        let listing = self.resources.store()?.list(&name, self.seen, self.deadline)?;
        Ok(listing.connections)
    }

    /// Lets the next listing or push record this connection as a member, in the same round trip to the store.
    ///
    /// If only that fails, the push is made all the same and a warning is logged.
    pub(crate) fn with(self, connection: &'r str) -> Self {
        Self { seen: Some(Seen { connection, joins: true }), ..self }
    }

    /// A push to all members.
    pub fn push(&mut self) -> Push<'_> {
        self.push_except(None)
    }

    /// A push to all members but this one.
    pub fn push_others<'p>(&'p mut self, sender: &'p str) -> Push<'p> {
        self.push_except(Some(sender))
    }

    /// Removes the connections that a push has found gone; a failure is logged.
    pub(crate) fn prune(&mut self, gone: &[String]) {
        if let Ok(name) = self.name() {
            prune(self.resources, &name, gone, self.deadline);
        }
    }

    fn push_except<'p>(&'p mut self, except: Option<&'p str>) -> Push<'p> {
        let name = self.name();
        Push::to_room(self.resources, name, self.seen, except, self.deadline)
    }

    fn name(&self) -> Result<RoomName, StoreError> {
        match &self.name {
            Name::Given(name) => {
                RoomName::parse(name).map_err(|allowed| StoreError::RoomName { name: name.clone(), allowed })
            }
            Name::Default => {
                let settings = self.resources.store_settings().ok_or(StoreError::NotConfigured)?;
                Ok(settings.default_room.clone())
            }
        }
    }
}
