//! What every store does.

use std::time::{Duration, Instant};

use super::error::StoreError;
use super::room_name::RoomName;

/// A store of rooms, texts and lists, safe against concurrent calls of other processes. A call that fails may have been
/// carried out; none is carried out twice.
///
/// A text or list is kept for the time to live that its last write names, or else for that of the store.
pub(crate) trait Store {
    /// Records the connection in the room as seen now.
    fn renew(&mut self, room: &RoomName, connection: &str, deadline: Instant) -> Result<(), StoreError>;

    /// Removes the connections from the room.
    fn remove(&mut self, room: &RoomName, connections: &[&str], deadline: Instant) -> Result<(), StoreError>;

    /// Records a connection as seen now, if one is given, drops the members that were silent for too long, and lists
    /// the others.
    fn list(
        &mut self,
        room: &RoomName,
        seen: Option<Seen<'_>>,
        deadline: Instant,
    ) -> Result<RoomMembers, StoreError>;

    /// The text under this key.
    fn text(&mut self, key: &str, deadline: Instant) -> Result<Option<String>, StoreError>;

    /// Sets or removes the text under this key, if what stands there is as expected; whether it was.
    fn write(
        &mut self,
        key: &str,
        expected: Expected<'_>,
        text: Option<&str>,
        time_to_live: Option<Duration>,
        deadline: Instant,
    ) -> Result<bool, StoreError>;

    /// Adds to the number under this key, 0 if there is none, and returns the sum.
    fn add(
        &mut self,
        key: &str,
        amount: i64,
        time_to_live: Option<Duration>,
        deadline: Instant,
    ) -> Result<i64, StoreError>;

    /// Appends to the list under this key and keeps its last `keep` items.
    fn append(
        &mut self,
        key: &str,
        item: &str,
        keep: usize,
        time_to_live: Option<Duration>,
        deadline: Instant,
    ) -> Result<(), StoreError>;

    /// The items of the list under this key, the oldest first.
    fn items(&mut self, key: &str, deadline: Instant) -> Result<Vec<String>, StoreError>;
}

/// What must stand under a key for a write to be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected<'t> {
    Anything,
    Nothing,
    Text(&'t str),
}

impl Expected<'_> {
    /// Whether this is what is expected.
    pub(super) fn is_met_by(self, current: Option<&str>) -> bool {
        match self {
            Self::Anything => true,
            Self::Nothing => current.is_none(),
            Self::Text(text) => current == Some(text),
        }
    }
}

/// A connection that is seen now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'c> {
    pub(crate) connection: &'c str,
    /// Whether it becomes a member if it is none.
    pub(crate) joins: bool,
}

/// The members of a room.
#[derive(Debug)]
pub(crate) struct RoomMembers {
    /// The connection ids, in no particular order.
    pub(crate) connections: Vec<String>,
    /// Why the given connection could not be recorded, if the store could be read but not written.
    pub(crate) not_renewed: Option<StoreError>,
}

/// The number that a text is, as every store reads it: decimal, without a plus or leading zeros.
pub(super) fn number(text: &str) -> Option<i64> {
    text.parse().ok().filter(|number: &i64| number.to_string() == text)
}
