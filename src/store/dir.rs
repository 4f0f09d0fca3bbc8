//! Rooms in a directory: a folder a room, a file a connection, the file's time its last sign of life.
//!
//! Creating, touching and removing a file are atomic, so processes need no lock. The base directory must
//! exist (a mount that is missing must not turn into a folder on the local disk); the room's folder is made
//! when it is first needed.

pub(super) mod name;

use std::collections::HashSet;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::process;
use std::time::{Duration, Instant, SystemTime};

use log::warn;

use self::name::{FileName, Told, told_by};
use super::{ConnectionStore, Listing, StoreError};

pub(super) struct DirStore {
    folder: PathBuf,
    time_to_live: Option<Duration>,
    /// Stray files that were warned of.
    strays: HashSet<PathBuf>,
}

impl DirStore {
    pub(super) fn new(folder: PathBuf, time_to_live: Option<Duration>) -> Self {
        Self { folder, time_to_live, strays: HashSet::new() }
    }

    fn error(&self, what: &str, e: &io::Error) -> StoreError {
        StoreError(format!("{what} in the store's folder {} failed: {e}", self.folder.display()))
    }

    /// Does it; if the room's folder is not there yet, makes the folder and does it again.
    fn in_folder<T>(&self, act: impl Fn() -> io::Result<T>) -> io::Result<T> {
        match act() {
            Err(e) if e.kind() == ErrorKind::NotFound => match fs::create_dir(&self.folder) {
                Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(e),
                _ => act(),
            },
            result => result,
        }
    }

    fn touch(&self, connection: &str) -> io::Result<()> {
        let name = FileName::of(connection);
        let path = self.folder.join(name.as_str());
        let now = FileTimes::new().set_modified(SystemTime::now());
        match name {
            FileName::Whole(_) => OpenOptions::new().create(true).append(true).open(path)?.set_times(now),
            FileName::Digest(_) => match OpenOptions::new().append(true).open(&path) {
                Ok(file) => file.set_times(now),
                Err(e) if e.kind() == ErrorKind::NotFound => self.write_whole(&path, connection),
                Err(e) => Err(e),
            },
        }
    }

    /// A file whose content matters appears with it, or not at all.
    fn write_whole(&self, path: &PathBuf, content: &str) -> io::Result<()> {
        let draft = self.folder.join(draft_name());
        let written = File::create_new(&draft)
            .and_then(|mut file| file.write_all(content.as_bytes()))
            .and_then(|()| fs::rename(&draft, path));
        if written.is_err() {
            // The draft is of no use to anybody; a failure to remove it changes nothing.
            let _ = fs::remove_file(&draft);
        }
        written
    }

    fn list(&mut self) -> io::Result<Vec<String>> {
        let oldest = self.time_to_live.and_then(|ttl| SystemTime::now().checked_sub(ttl));
        let mut connections = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let Some(connection) = self.connection_of(&entry) else { continue };
            if oldest.is_some_and(|oldest| is_older(&entry, oldest)) {
                // Another process may have been quicker, and a file that cannot be removed is as old next time.
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
        let connection = match told_by(text).filter(|_| is_file) {
            Some(Told::Id(connection)) => Some(connection),
            Some(Told::InFile) => {
                fs::read_to_string(entry.path()).ok().filter(|id| FileName::of(id).as_str() == text)
            }
            None => None,
        };
        // A file that is gone meanwhile belonged to a connection that is gone.
        if connection.is_none() && entry.path().exists() && self.strays.insert(entry.path()) {
            warn!("{} is no connection of this room and is ignored", entry.path().display());
        }
        connection
    }
}

/// Names that begin with a dot are nobody's connection. Processes on several machines may share the folder
/// and their ids, hence the time.
fn draft_name() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!(".{}-{}", process::id(), now.as_nanos())
}

/// A file that vanishes meanwhile was removed by another process and is not listed as old.
fn is_older(entry: &fs::DirEntry, oldest: SystemTime) -> bool {
    entry.metadata().and_then(|data| data.modified()).is_ok_and(|seen| seen < oldest)
}

impl ConnectionStore for DirStore {
    fn renew(&mut self, connection: &str, _: Instant) -> Result<(), StoreError> {
        self.in_folder(|| self.touch(connection)).map_err(|e| self.error("recording a connection", &e))
    }

    fn remove(&mut self, connections: &[&str], _: Instant) -> Result<(), StoreError> {
        for connection in connections {
            match fs::remove_file(self.folder.join(FileName::of(connection).as_str())) {
                Err(e) if e.kind() != ErrorKind::NotFound => {
                    return Err(self.error("removing a connection", &e));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn renew_and_list(&mut self, connection: &str, deadline: Instant) -> Result<Listing, StoreError> {
        let not_renewed = self.renew(connection, deadline).err();
        let connections = self.list().map_err(|e| self.error("listing the connections", &e))?;
        Ok(Listing { connections, not_renewed })
    }
}
