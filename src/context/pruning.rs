//! Room pruning after a push: members that the gateway does not know any more are removed.
//!
//! Members that have been silent for longer than `WS_STORE_TTL` are dropped by the stores, when they list a room.

use std::time::Instant;

use log::warn;

use super::resources::Resources;
use crate::error::Chain;
use crate::store::RoomName;

/// Removes these connections from the room. The next push reports them again, so a store outage only warrants a
/// warning.
pub(super) fn prune(resources: &mut Resources, room: &RoomName, gone: &[String], deadline: Instant) {
    if gone.is_empty() {
        return;
    }
    let ids: Vec<&str> = gone.iter().map(String::as_str).collect();
    if let Err(e) = resources.store().and_then(|store| store.remove(room, &ids, deadline)) {
        warn!("{} gone connections were not removed: {}", gone.len(), Chain(&e));
    }
}
