//! A room: a set of connections that all instances of the functions share.

use std::time::Instant;

use super::pruning::prune;
use super::push::Push;
use super::resources::Resources;
use crate::store::{RoomName, StoreError};

/// A room of connections, kept in the store that `WS_STORE` names.
///
/// A member that has not joined again for `WS_STORE_TTL` seconds is dropped, so a function calls [`Room::join`] or
/// [`Room::seen`] with each frame of a member. A push removes the members that the gateway does not know any more.
///
/// # Errors
/// Each method fails with a [`StoreError`] if `WS_STORE` is not set, the name of the room is not allowed, or the store
/// does not answer before the [deadline](super::Context::deadline).
pub struct Room<'r> {
    resources: &'r mut Resources,
    name: Name,
    deadline: Instant,
    seen: Option<&'r str>,
}

enum Name {
    /// That of `WS_ROOM`.
    Default,
    Given(String),
}

impl<'r> Room<'r> {
    pub(super) fn named(resources: &'r mut Resources, name: &str, deadline: Instant) -> Self {
        Self { resources, name: Name::Given(name.to_owned()), deadline, seen: None }
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
    pub fn members(&mut self) -> Result<Vec<String>, StoreError> {
        let name = self.name()?;
        let listing = self.resources.store()?.list(&name, self.seen, self.deadline)?;
        Ok(listing.connections)
    }

    /// Lets the next listing or push record this member as seen, in the same round trip to the store.
    ///
    /// If only that fails, the push is made all the same and a warning is logged.
    #[must_use]
    pub fn seen(self, connection: &'r str) -> Self {
        Self { seen: Some(connection), ..self }
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
