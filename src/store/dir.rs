//! Rooms in a directory: one folder a room, one file a connection; its modification time is when it was last seen.
//!
//! Creating, touching and removing a file are atomic, so processes need no lock. The base directory must exist, so that
//! a missing mount does not become a folder on the local disk; the folder of a room is created when first needed.

pub(super) mod file_name;
mod files;
mod lists;
mod sweeper;
mod texts;

use std::collections::HashSet;
use std::fs::{self, FileTimes, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use log::warn;

use self::file_name::{Decoded, FileName};
use self::files::{Draft, TimeToLive, in_folder, is_abandoned, modification_time, remove_file};
use self::sweeper::{Kind, Sweeper};
use self::texts::Change;
use super::error::StoreError;
use super::interface::{Expected, RoomMembers, Seen, Store, number};
use super::room_name::RoomName;

/// The folder of the texts. No room can have its name.
const TEXTS: &str = "%values";

/// The folder of the lists.
const LISTS: &str = "%lists";

const EXPIRING: [Kind; 2] = [(TEXTS, texts::sweep), (LISTS, lists::sweep)];

pub(super) struct DirStore {
    base: PathBuf,
    time_to_live: TimeToLive,
    /// Files that are not connections and have been warned about.
    strays: HashSet<PathBuf>,
    sweeper: Sweeper,
}

impl DirStore {
    pub(super) fn new(base: PathBuf, time_to_live: Option<Duration>) -> Self {
        Self {
            base,
            time_to_live: TimeToLive(time_to_live),
            strays: HashSet::new(),
            sweeper: Sweeper::default(),
        }
    }

    fn room(&self, room: &RoomName) -> PathBuf {
        self.base.join(room.as_str())
    }

    /// The folder of a text or a list.
    fn folder_of(&self, kind: &str, key: &str) -> PathBuf {
        self.base.join(kind).join(FileName::of(key).as_str())
    }

    /// What is not there is an error only if the base directory is missing too.
    fn exists(&self) -> io::Result<()> {
        self.base.metadata().map(drop)
    }

    fn write_succeeded(&mut self) {
        self.sweeper.sweep_some(&self.base, &EXPIRING, self.time_to_live);
    }

    fn members(&mut self, folder: &Path) -> io::Result<Vec<String>> {
        let mut connections = Vec::new();
        for entry in files::entries(folder)? {
            let Some(connection) = self.connection_of(&entry) else { continue };
            if self.time_to_live.is_over_for(&entry) {
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
            if is_abandoned(&entry.path()) {
                let _ = fs::remove_file(entry.path());
            }
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

fn touch(folder: &Path, connection: &str) -> io::Result<()> {
    let name = FileName::of(connection);
    let path = folder.join(name.as_str());
    let now = SystemTime::now();
    let times = FileTimes::new().set_modified(now);
    match name {
        FileName::Whole(_) => OpenOptions::new().create(true).append(true).open(path)?.set_times(times),
        FileName::Digest(_) => match OpenOptions::new().append(true).open(&path) {
            Ok(file) => file.set_times(times),
            Err(e) if e.kind() == ErrorKind::NotFound => {
                Draft::in_folder(folder, connection, now)?.publish(&path)
            }
            Err(e) => Err(e),
        },
    }
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
        let removed = self.exists().and_then(|()| {
            connections
                .iter()
                .try_for_each(|connection| remove_file(&folder.join(FileName::of(connection).as_str())))
        });
        removed.map_err(failed("removing a connection", folder))
    }

    fn list(
        &mut self,
        room: &RoomName,
        seen: Option<Seen<'_>>,
        deadline: Instant,
    ) -> Result<RoomMembers, StoreError> {
        let folder = self.room(room);
        let is_member = |id: &str| folder.join(FileName::of(id).as_str()).exists();
        let seen = seen.filter(|seen| seen.joins || is_member(seen.connection));
        let not_renewed = seen.and_then(|seen| self.renew(room, seen.connection, deadline).err());
        let members = self.exists().and_then(|()| self.members(&folder));
        let connections = members.map_err(failed("listing the connections", folder))?;
        Ok(RoomMembers { connections, not_renewed })
    }

    fn text(&mut self, key: &str, deadline: Instant) -> Result<Option<String>, StoreError> {
        let folder = self.folder_of(TEXTS, key);
        let read = self.exists().and_then(|()| texts::read(&folder, self.time_to_live, deadline));
        read.map_err(failed("reading a text", folder))
    }

    fn write(
        &mut self,
        key: &str,
        expected: Expected<'_>,
        text: Option<&str>,
        time_to_live: Option<Duration>,
        deadline: Instant,
    ) -> Result<bool, StoreError> {
        let change = |current: Option<&str>| {
            let fits = expected.is_met_by(current);
            if fits { Change::To(text.map(str::to_owned), true) } else { Change::None(false) }
        };
        self.change(key, time_to_live, deadline, change)
    }

    fn add(
        &mut self,
        key: &str,
        amount: i64,
        time_to_live: Option<Duration>,
        deadline: Instant,
    ) -> Result<i64, StoreError> {
        let sum = self.change(key, time_to_live, deadline, |current| {
            let sum = current.map_or(Some(0), number).and_then(|number| number.checked_add(amount));
            sum.map_or(Change::None(None), |sum| Change::To(Some(sum.to_string()), Some(sum)))
        })?;
        sum.ok_or_else(|| StoreError::NotANumber { key: key.to_owned() })
    }

    fn append(
        &mut self,
        key: &str,
        item: &str,
        keep: usize,
        time_to_live: Option<Duration>,
        _: Instant,
    ) -> Result<(), StoreError> {
        let folder = self.folder_of(LISTS, key);
        lists::append(&folder, item, keep, modification_time(time_to_live))
            .map_err(failed("appending to a list", folder))?;
        self.write_succeeded();
        Ok(())
    }

    fn items(&mut self, key: &str, _: Instant) -> Result<Vec<String>, StoreError> {
        let folder = self.folder_of(LISTS, key);
        let read = self.exists().and_then(|()| lists::read(&folder, self.time_to_live));
        read.map_err(failed("reading a list", folder))
    }
}

impl DirStore {
    fn change<T>(
        &mut self,
        key: &str,
        time_to_live: Option<Duration>,
        deadline: Instant,
        change: impl Fn(Option<&str>) -> Change<T>,
    ) -> Result<T, StoreError> {
        let folder = self.folder_of(TEXTS, key);
        let modified = modification_time(time_to_live);
        let changed = self
            .exists()
            .and_then(|()| texts::change(&folder, self.time_to_live, modified, deadline, change));
        let result = changed.map_err(failed("writing a text", folder))?;
        self.write_succeeded();
        Ok(result)
    }
}
