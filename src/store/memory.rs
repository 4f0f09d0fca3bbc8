//! A store in memory, for tests of a user's functions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::error::StoreError;
use super::interface::{Listing, Store};
use super::room_name::RoomName;

/// Rooms, texts and lists of one process. Nothing expires.
#[derive(Default)]
pub(crate) struct MemoryStore {
    rooms: BTreeMap<String, BTreeSet<String>>,
    texts: BTreeMap<String, String>,
    lists: BTreeMap<String, Vec<String>>,
}

impl Store for MemoryStore {
    fn renew(&mut self, room: &RoomName, connection: &str, _: Instant) -> Result<(), StoreError> {
        self.rooms.entry(room.as_str().to_owned()).or_default().insert(connection.to_owned());
        Ok(())
    }

    fn remove(&mut self, room: &RoomName, connections: &[&str], _: Instant) -> Result<(), StoreError> {
        if let Some(members) = self.rooms.get_mut(room.as_str()) {
            members.retain(|member| !connections.contains(&member.as_str()));
        }
        Ok(())
    }

    fn list(
        &mut self,
        room: &RoomName,
        seen: Option<&str>,
        deadline: Instant,
    ) -> Result<Listing, StoreError> {
        if let Some(connection) = seen {
            self.renew(room, connection, deadline)?;
        }
        let members = self.rooms.get(room.as_str());
        Ok(Listing { connections: members.into_iter().flatten().cloned().collect(), not_renewed: None })
    }

    fn text(&mut self, key: &str, _: Instant) -> Result<Option<String>, StoreError> {
        Ok(self.texts.get(key).cloned())
    }

    fn set_text(&mut self, key: &str, text: Option<&str>, _: Instant) -> Result<(), StoreError> {
        match text {
            Some(text) => self.texts.insert(key.to_owned(), text.to_owned()),
            None => self.texts.remove(key),
        };
        Ok(())
    }

    fn append(&mut self, key: &str, item: &str, keep: usize, _: Instant) -> Result<(), StoreError> {
        let items = self.lists.entry(key.to_owned()).or_default();
        items.push(item.to_owned());
        items.drain(..items.len().saturating_sub(keep));
        Ok(())
    }

    fn items(&mut self, key: &str, _: Instant) -> Result<Vec<String>, StoreError> {
        Ok(self.lists.get(key).cloned().unwrap_or_default())
    }
}
