//! A store in memory, for tests of a user's functions.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use super::error::StoreError;
use super::interface::{Expected, RoomMembers, Seen, Store, number};
use super::room_name::RoomName;
use crate::clock::Clock;

/// Rooms, texts and lists of one process. Hash maps, so that no test comes to rely on an order.
pub(crate) struct MemoryStore {
    clock: Clock,
    time_to_live: Option<Duration>,
    rooms: HashMap<String, HashMap<String, Expiry>>,
    texts: HashMap<String, (String, Expiry)>,
    lists: HashMap<String, (Vec<String>, Expiry)>,
}

/// `None`: never.
type Expiry = Option<SystemTime>;

impl MemoryStore {
    pub(crate) fn new(clock: Clock, time_to_live: Option<Duration>) -> Self {
        let (rooms, texts, lists) = Default::default();
        Self { clock, time_to_live, rooms, texts, lists }
    }

    fn expiry(&self, own: Option<Duration>) -> Expiry {
        own.or(self.time_to_live).map(|ttl| self.clock.now() + ttl)
    }

    fn drop_expired(&mut self) {
        let now = self.clock.now();
        let lives = |expiry: &Expiry| expiry.is_none_or(|expiry| now <= expiry);
        self.rooms.values_mut().for_each(|members| members.retain(|_, expiry| lives(expiry)));
        self.texts.retain(|_, (_, expiry)| lives(expiry));
        self.lists.retain(|_, (_, expiry)| lives(expiry));
    }
}

impl Store for MemoryStore {
    fn renew(&mut self, room: &RoomName, connection: &str, _: Instant) -> Result<(), StoreError> {
        let expiry = self.expiry(None);
        self.rooms.entry(room.as_str().to_owned()).or_default().insert(connection.to_owned(), expiry);
        Ok(())
    }

    fn remove(&mut self, room: &RoomName, connections: &[&str], _: Instant) -> Result<(), StoreError> {
        if let Some(members) = self.rooms.get_mut(room.as_str()) {
            members.retain(|member, _| !connections.contains(&member.as_str()));
        }
        Ok(())
    }

    fn list(
        &mut self,
        room: &RoomName,
        seen: Option<Seen<'_>>,
        deadline: Instant,
    ) -> Result<RoomMembers, StoreError> {
        self.drop_expired();
        let is_member =
            |id: &str| self.rooms.get(room.as_str()).is_some_and(|members| members.contains_key(id));
        if let Some(seen) = seen.filter(|seen| seen.joins || is_member(seen.connection)) {
            self.renew(room, seen.connection, deadline)?;
        }
        let members = self.rooms.get(room.as_str()).into_iter().flat_map(HashMap::keys);
        Ok(RoomMembers { connections: members.cloned().collect(), not_renewed: None })
    }

    fn text(&mut self, key: &str, _: Instant) -> Result<Option<String>, StoreError> {
        self.drop_expired();
        Ok(self.texts.get(key).map(|(text, _)| text.clone()))
    }

    fn write(
        &mut self,
        key: &str,
        expected: Expected<'_>,
        text: Option<&str>,
        time_to_live: Option<Duration>,
        deadline: Instant,
    ) -> Result<bool, StoreError> {
        if !expected.is_met_by(self.text(key, deadline)?.as_deref()) {
            return Ok(false);
        }
        let expiry = self.expiry(time_to_live);
        match text {
            Some(text) => self.texts.insert(key.to_owned(), (text.to_owned(), expiry)),
            None => self.texts.remove(key),
        };
        Ok(true)
    }

    fn add(
        &mut self,
        key: &str,
        amount: i64,
        time_to_live: Option<Duration>,
        deadline: Instant,
    ) -> Result<i64, StoreError> {
        let current = self.text(key, deadline)?.map_or(Some(0), |text| number(&text));
        let sum = current.and_then(|number| number.checked_add(amount));
        let sum = sum.ok_or_else(|| StoreError::NotANumber { key: key.to_owned() })?;
        self.write(key, Expected::Anything, Some(&sum.to_string()), time_to_live, deadline)?;
        Ok(sum)
    }

    fn append(
        &mut self,
        key: &str,
        item: &str,
        keep: usize,
        time_to_live: Option<Duration>,
        _: Instant,
    ) -> Result<(), StoreError> {
        self.drop_expired();
        let new_expiry = self.expiry(time_to_live);
        let (items, expiry) = self.lists.entry(key.to_owned()).or_default();
        *expiry = new_expiry;
        items.push(item.to_owned());
        items.drain(..items.len().saturating_sub(keep));
        Ok(())
    }

    fn items(&mut self, key: &str, _: Instant) -> Result<Vec<String>, StoreError> {
        self.drop_expired();
        Ok(self.lists.get(key).map(|(items, _)| items.clone()).unwrap_or_default())
    }
}
