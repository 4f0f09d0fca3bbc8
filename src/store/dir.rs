//! Rooms in a directory: one folder a room, one file a connection; its modification time is when it was last seen.
//!
//! Creating, touching and removing a file are atomic, so processes need no lock. The base directory must exist, so that
//! a missing mount does not become a folder on the local disk; the folder of a room is created when first needed.

pub(super) mod file_name;

use std::collections::HashSet;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use log::warn;

use self::file_name::{Decoded, FileName};
use super::error::StoreError;
use super::interface::{Listing, Store};
use super::room_name::RoomName;

/// The folder of the texts. No room can have its name.
const TEXTS: &str = "%texts";

/// The folder of the lists: one folder a list, one file an item, in the order of their names.
const LISTS: &str = "%lists";

pub(super) struct DirStore {
    base: PathBuf,
    time_to_live: Option<Duration>,
    /// Files that are not connections and have been warned about.
    strays: HashSet<PathBuf>,
}

impl DirStore {
    pub(super) fn new(base: PathBuf, time_to_live: Option<Duration>) -> Self {
        Self { base, time_to_live, strays: HashSet::new() }
    }

    fn room(&self, room: &RoomName) -> PathBuf {
        self.base.join(room.as_str())
    }

    /// The time before which a file has expired; `None`: nothing expires.
    fn oldest(&self) -> Option<SystemTime> {
        self.time_to_live.and_then(|ttl| SystemTime::now().checked_sub(ttl))
    }

    fn members(&mut self, folder: &Path) -> io::Result<Vec<String>> {
        let oldest = self.oldest();
        let mut connections = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let Some(connection) = self.connection_of(&entry) else { continue };
            if oldest.is_some_and(|oldest| is_older(&entry, oldest)) {
                // Another process may have removed it already; a file that stays is found again next time.
                let _ = fs::remove_file(entry.path());
                continue;
            }
            connections.push(connection);
        }
        Ok(connections)
    }

    fn connection_of(&mut self, entry: &fs::DirEntry) -> Option<String> {
        let file_name = entry.file_name();
        let text = file_name.to_str().unwrap_or_default();
        if text.starts_with('.') {
            return None;
        }
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        let connection = match FileName::decode(text).filter(|_| is_file) {
            Some(Decoded::Id(connection)) => Some(connection),
            Some(Decoded::InFile) => {
                fs::read_to_string(entry.path()).ok().filter(|id| FileName::of(id).as_str() == text)
            }
            None => None,
        };
        // A file that has vanished in the meantime belonged to a connection that has left.
        if connection.is_none() && entry.path().exists() && self.strays.insert(entry.path()) {
            warn!("{} is not a connection of this room and is ignored", entry.path().display());
        }
        connection
    }
}

/// Runs the action; if the folder does not exist, creates it and runs the action again.
fn in_folder<T>(folder: &Path, act: impl Fn() -> io::Result<T>) -> io::Result<T> {
    match act() {
        Err(e) if e.kind() == ErrorKind::NotFound => match fs::create_dir(folder) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(e),
            _ => act(),
        },
        result => result,
    }
}

fn touch(folder: &Path, connection: &str) -> io::Result<()> {
    let name = FileName::of(connection);
    let path = folder.join(name.as_str());
    let now = FileTimes::new().set_modified(SystemTime::now());
    match name {
        FileName::Whole(_) => OpenOptions::new().create(true).append(true).open(path)?.set_times(now),
        FileName::Digest(_) => match OpenOptions::new().append(true).open(&path) {
            Ok(file) => file.set_times(now),
            Err(e) if e.kind() == ErrorKind::NotFound => write_whole(folder, &path, connection),
            Err(e) => Err(e),
        },
    }
}

/// Renames a draft into place, so that the file appears with its content or not at all.
fn write_whole(folder: &Path, path: &Path, content: &str) -> io::Result<()> {
    let draft = folder.join(format!(".{}", unique_name()));
    let written = File::create_new(&draft)
        .and_then(|mut file| file.write_all(content.as_bytes()))
        .and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        // A draft that cannot be removed is ignored by every reader.
        let _ = fs::remove_file(&draft);
    }
    written
}

/// A name that sorts by time. The process id and the counter keep it unique where a clock is coarse.
fn unique_name() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{:020}-{}-{count:010}", now.as_nanos(), process::id())
}

/// False for a file that another process removes in the meantime.
fn is_older(entry: &fs::DirEntry, oldest: SystemTime) -> bool {
    entry.metadata().and_then(|data| data.modified()).is_ok_and(|seen| seen < oldest)
}

/// Removes a file, unless it is gone already.
fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// The files of a list in their order, without drafts; none if the list does not exist.
fn items_in(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut items = entries.collect::<io::Result<Vec<_>>>()?;
    items.retain(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
    items.sort_by_key(fs::DirEntry::file_name);
    Ok(items)
}

fn append(folder: &Path, item: &str, keep: usize) -> io::Result<()> {
    in_folder(folder, || write_whole(folder, &folder.join(unique_name()), item))?;
    let items = items_in(folder)?;
    let surplus = items.len().saturating_sub(keep);
    items.iter().take(surplus).try_for_each(|entry| remove_file(&entry.path()))
}

fn failed(action: &'static str, folder: PathBuf) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Directory { action, folder, source }
}

impl Store for DirStore {
    fn renew(&mut self, room: &RoomName, connection: &str, _: Instant) -> Result<(), StoreError> {
        let folder = self.room(room);
        in_folder(&folder, || touch(&folder, connection)).map_err(failed("recording a connection", folder))
    }

    fn remove(&mut self, room: &RoomName, connections: &[&str], _: Instant) -> Result<(), StoreError> {
        let folder = self.room(room);
        let removed = connections
            .iter()
            .try_for_each(|connection| remove_file(&folder.join(FileName::of(connection).as_str())));
        removed.map_err(failed("removing a connection", folder))
    }

    fn list(
        &mut self,
        room: &RoomName,
        seen: Option<&str>,
        deadline: Instant,
    ) -> Result<Listing, StoreError> {
        let not_renewed = seen.and_then(|connection| self.renew(room, connection, deadline).err());
        let folder = self.room(room);
        let connections = match self.members(&folder) {
            // No client has joined the room yet; a missing base directory is an error.
            Err(e) if e.kind() == ErrorKind::NotFound && not_renewed.is_none() && self.base.is_dir() => {
                Vec::new()
            }
            members => members.map_err(failed("listing the connections", folder))?,
        };
        Ok(Listing { connections, not_renewed })
    }

    fn text(&mut self, key: &str, _: Instant) -> Result<Option<String>, StoreError> {
        let folder = self.base.join(TEXTS);
        let path = folder.join(FileName::of(key).as_str());
        let read = fs::metadata(&path).and_then(|data| data.modified()).and_then(|set_at| {
            let expired = self.oldest().is_some_and(|oldest| set_at < oldest);
            if expired { Ok(None) } else { fs::read_to_string(&path).map(Some) }
        });
        match read {
            Err(e) if e.kind() == ErrorKind::NotFound && self.base.is_dir() => Ok(None),
            read => read.map_err(failed("reading a text", folder)),
        }
    }

    fn set_text(&mut self, key: &str, text: Option<&str>, _: Instant) -> Result<(), StoreError> {
        let folder = self.base.join(TEXTS);
        let path = folder.join(FileName::of(key).as_str());
        let done = match text {
            Some(text) => in_folder(&folder, || write_whole(&folder, &path, text)),
            None => remove_file(&path),
        };
        done.map_err(failed("writing a text", folder))
    }

    fn append(&mut self, key: &str, item: &str, keep: usize, _: Instant) -> Result<(), StoreError> {
        let lists = self.base.join(LISTS);
        let folder = lists.join(FileName::of(key).as_str());
        in_folder(&lists, || append(&folder, item, keep)).map_err(failed("appending to a list", folder))
    }

    fn items(&mut self, key: &str, _: Instant) -> Result<Vec<String>, StoreError> {
        let folder = self.base.join(LISTS).join(FileName::of(key).as_str());
        let oldest = self.oldest();
        let read = items_in(&folder).and_then(|entries| {
            let live = entries.iter().filter(|entry| !oldest.is_some_and(|oldest| is_older(entry, oldest)));
            live.map(|entry| fs::read_to_string(entry.path())).collect()
        });
        read.map_err(failed("reading a list", folder))
    }
}
