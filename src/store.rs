//! Stores: where rooms, and texts of a user's own, are kept so that all instances of the functions share them.
//!
//! [`open`] selects the [`Store`] by its URL: a directory (`dir`) or Redis (`redis`); `memory` is for tests. A store
//! connects at its first call. Members that have been silent for the time to live are dropped when a room is listed.

mod dir;
mod error;
mod interface;
mod memory;
mod redis;
mod room_name;
mod settings;
#[cfg(test)]
mod tests;

#[cfg(fuzzing)]
pub(crate) use self::dir::file_name::check as check_name;
pub use self::error::StoreError;
pub(crate) use self::interface::{Expected, Seen, Store};
pub(crate) use self::memory::MemoryStore;
#[cfg(fuzzing)]
pub(crate) use self::redis::read_replies;
pub(crate) use self::room_name::RoomName;
pub(crate) use self::settings::{StoreSettings, StoreUrl};

/// The store of these settings; it connects at its first call.
pub(crate) fn open(settings: &StoreSettings) -> Box<dyn Store> {
    match &settings.url {
        StoreUrl::Dir(path) => Box::new(dir::DirStore::new(path.clone(), settings.time_to_live)),
        StoreUrl::Redis(url) => {
            let roots = settings.trusted_roots.clone();
            Box::new(redis::RedisStore::new(url.clone(), roots, settings.time_to_live))
        }
    }
}
