//! What every store does.

use std::time::Instant;

use super::error::StoreError;
use super::room_name::RoomName;

/// A store of rooms, texts and lists. Every call is idempotent, except that `append` adds an item each time, and safe
/// against concurrent calls of other processes.
pub(crate) trait Store {
    /// Records the connection in the room as seen now.
    fn renew(&mut self, room: &RoomName, connection: &str, deadline: Instant) -> Result<(), StoreError>;

    /// Removes the connections from the room.
    fn remove(&mut self, room: &RoomName, connections: &[&str], deadline: Instant) -> Result<(), StoreError>;

    /// Records a connection as seen now, if one is given, drops the members that were silent for too long, and lists
    /// the others.
    fn list(&mut self, room: &RoomName, seen: Option<&str>, deadline: Instant)
    -> Result<Listing, StoreError>;

    /// The text under this key.
    fn text(&mut self, key: &str, deadline: Instant) -> Result<Option<String>, StoreError>;

    /// Sets or removes the text under this key.
    fn set_text(&mut self, key: &str, text: Option<&str>, deadline: Instant) -> Result<(), StoreError>;

    /// Appends to the list under this key and keeps its last `keep` items.
    fn append(&mut self, key: &str, item: &str, keep: usize, deadline: Instant) -> Result<(), StoreError>;

    /// The items of the list under this key, the oldest first.
    fn items(&mut self, key: &str, deadline: Instant) -> Result<Vec<String>, StoreError>;
}

/// The members of a room.
#[derive(Debug)]
pub(crate) struct Listing {
    /// The connection ids, in no particular order.
    pub(crate) connections: Vec<String>,
    /// Why the given connection could not be recorded, if the store could be read but not written.
    pub(crate) not_renewed: Option<StoreError>,
}
