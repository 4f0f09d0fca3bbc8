//! What texts, lists and rooms have in common: drafts that appear under their name with their content or not at all, and
//! times to live.

use std::fs::{self, File, FileTimes};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

/// No writer takes as long: what it leaves behind is then swept.
const ABANDONED_AFTER: Duration = Duration::from_hours(1);

/// A file with a time to live of its own has its expiry, moved back by this, as its modification time: a date before
/// [`OWN_EXPIRY_BEFORE`], at which nothing was written. So the content needs no header, and every file system can store it.
const OWN_EXPIRY_SHIFT: Duration = Duration::from_hours(40 * 365 * 24);

/// 2010.
const OWN_EXPIRY_BEFORE: Duration = Duration::from_hours(40 * 365 * 24);

/// How long files are kept that have no time to live of their own; `None`: for ever.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeToLive(pub(super) Option<Duration>);

impl TimeToLive {
    /// Whether a file with this modification time has expired.
    pub(super) fn is_over(self, modified: SystemTime) -> bool {
        let expiry = if modified < SystemTime::UNIX_EPOCH + OWN_EXPIRY_BEFORE {
            Some(modified + OWN_EXPIRY_SHIFT)
        } else {
            self.0.and_then(|ttl| modified.checked_add(ttl))
        };
        expiry.is_some_and(|expiry| expiry < SystemTime::now())
    }

    /// False for a file that another process removes in the meantime.
    pub(super) fn is_over_for(self, entry: &fs::DirEntry) -> bool {
        entry.metadata().and_then(|data| data.modified()).is_ok_and(|modified| self.is_over(modified))
    }
}

/// The modification time of a file with this time to live of its own; `None`: that of the store applies.
pub(super) fn modification_time(own: Option<Duration>) -> SystemTime {
    let now = SystemTime::now();
    own.and_then(|ttl| (now - OWN_EXPIRY_SHIFT).checked_add(ttl)).map_or(now, |time| {
        // Decades from now are as good as for ever.
        time.min(SystemTime::UNIX_EPOCH + OWN_EXPIRY_BEFORE - Duration::from_secs(1))
    })
}

/// The modification time of a file that has expired whatever the time to live.
pub(super) fn long_expired() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1)
}

/// A file that no reader sees. It is removed on drop; one that a killed process leaves behind is swept.
pub(super) struct Draft(PathBuf);

impl Draft {
    pub(super) fn create(path: PathBuf, content: &str, modified: SystemTime) -> io::Result<Self> {
        let mut file = File::create_new(&path)?;
        let draft = Self(path);
        file.write_all(content.as_bytes())?;
        file.set_times(FileTimes::new().set_modified(modified))?;
        Ok(draft)
    }

    /// In the folder, under a name of its own.
    pub(super) fn in_folder(folder: &Path, content: &str, modified: SystemTime) -> io::Result<Self> {
        Self::create(folder.join(format!(".{}", unique_name())), content, modified)
    }

    /// Lets the file appear at this path, in place of one that is there.
    pub(super) fn publish(self, path: &Path) -> io::Result<()> {
        fs::rename(&self.0, path)
    }

    /// Lets the file appear at this path; false if there is one already.
    pub(super) fn publish_new(self, path: &Path) -> io::Result<bool> {
        match fs::hard_link(&self.0, path) {
            // Over NFS, the answer to a request that was carried out may be lost, and its repetition fails.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(fs::metadata(&self.0)?.nlink() == 2),
            linked => linked.map(|()| true),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // A draft that cannot be removed is ignored by every reader.
        let _ = fs::remove_file(&self.0);
    }
}

/// Runs the action; if the folder does not exist, creates it and runs the action again.
pub(super) fn in_folder<T>(folder: &Path, mut act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    match act() {
        Err(e) if e.kind() == ErrorKind::NotFound => match fs::create_dir(folder) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(e),
            _ => act(),
        },
        result => result,
    }
}

/// A name that sorts by time. The process id and the counter keep it unique where a clock is coarse.
pub(super) fn unique_name() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{:020}-{}-{count:010}", now.as_nanos(), process::id())
}

/// Removes a file, unless it is gone already.
pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// The entries of a folder; none if it does not exist.
pub(super) fn entries(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.collect(),
    }
}

pub(super) fn is_draft(entry: &fs::DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

/// Whether nothing has happened to the file or folder for as long as no writer takes.
pub(super) fn is_abandoned(path: &Path) -> bool {
    let Ok(data) = fs::symlink_metadata(path) else { return false };
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(data.ctime().try_into().unwrap_or_default());
    SystemTime::now().duration_since(changed).is_ok_and(|age| age > ABANDONED_AFTER)
}
