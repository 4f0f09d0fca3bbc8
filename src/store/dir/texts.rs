//! Texts in a directory: a folder for each key, in it a file for each version of its text. The newest version counts.
//!
//! A write creates the version after the one that it is based on, and fails where another process has created it. There
//! is no lock: a process that is killed or suspended holds up nobody, and creating a hard link is atomic over NFS too.
//!
//! Older versions are removed, though not under a writer's feet, which would find the number of a removed version free:
//! 1. A writer first publishes its draft, whose name has the number of the version that it is to become, and then looks
//!    whether the version that it is based on is still the newest.
//! 2. Who removes versions has listed the folder after it created a newer one. It first removes the drafts that it found
//!    for one of these versions, so that they cannot be linked any more and their writers begin again.
//!
//! A draft that the second does not find was published after a newer version, which the first then sees.

use std::fs;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use super::files::{
    Draft, TimeToLive, entries, in_folder, is_abandoned, long_expired, remove_file, unique_name,
};

/// What a write does.
pub(super) enum Change<T> {
    /// Sets or removes the text, and returns this.
    To(Option<String>, T),
    /// Leaves all as it is, and returns this.
    None(T),
}

/// The text of the key; `None` if there is none.
pub(super) fn read(folder: &Path, ttl: TimeToLive, deadline: Instant) -> io::Result<Option<String>> {
    Ok(current(folder, ttl, deadline)?.text)
}

/// Changes the text as the function says, which is asked again whenever another process was faster.
///
/// The folders of all keys and of this one are created when first needed.
pub(super) fn change<T>(
    folder: &Path,
    ttl: TimeToLive,
    modified: SystemTime,
    deadline: Instant,
    change: impl Fn(Option<&str>) -> Change<T>,
) -> io::Result<T> {
    loop {
        let current = current(folder, ttl, deadline)?;
        match change(current.text.as_deref()) {
            Change::None(result) => return Ok(result),
            Change::To(None, result) if current.text.is_none() => return Ok(result),
            Change::To(text, result) => {
                let modified = if text.is_some() { modified } else { long_expired() };
                if create(folder, current.number, &text.unwrap_or_default(), modified)? {
                    return Ok(result);
                }
            }
        }
    }
}

/// Removes a text that has expired, and what killed processes have left behind. A folder goes when nothing has happened
/// in it for an hour.
pub(super) fn sweep(folder: &Path, ttl: TimeToLive) -> io::Result<()> {
    let listing = Listing::of(folder)?;
    for draft in listing.drafts.iter().filter(|draft| is_abandoned(&draft.path)) {
        remove_file(&draft.path)?;
    }
    if let Some(newest) = listing.newest()
        && ttl.is_over(fs::metadata(&newest.path)?.modified()?)
    {
        listing.remove_drafts_up_to(newest.number)?;
        listing.remove_versions_up_to(newest.number)?;
    }
    if listing.versions.is_empty() && listing.drafts.is_empty() && is_abandoned(folder) {
        fs::remove_dir(folder)?;
    }
    Ok(())
}

/// The newest version. Its number is 0 if there is none.
struct Current {
    number: u64,
    text: Option<String>,
}

fn current(folder: &Path, ttl: TimeToLive, deadline: Instant) -> io::Result<Current> {
    while Instant::now() < deadline {
        let listing = Listing::of(folder)?;
        let Some(Numbered { number, path }) = listing.newest() else {
            return Ok(Current { number: 0, text: None });
        };
        let mut file = match fs::File::open(path) {
            // There is a newer one.
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            file => file?,
        };
        if ttl.is_over(file.metadata()?.modified()?) {
            return Ok(Current { number: *number, text: None });
        }
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        return Ok(Current { number: *number, text: Some(text) });
    }
    Err(ErrorKind::TimedOut.into())
}

/// Creates the version after this one; false if another process may have done so.
fn create(folder: &Path, based_on: u64, text: &str, modified: SystemTime) -> io::Result<bool> {
    let number = based_on + 1;
    let draft_path = folder.join(format!(".{number:020}-{}", unique_name()));
    let all = folder.parent().unwrap_or(folder);
    let draft = in_folder(all, || in_folder(folder, || Draft::create(draft_path.clone(), text, modified)))?;
    let listing = Listing::of(folder)?;
    if listing.newest().map_or(0, |newest| newest.number) != based_on {
        return Ok(false);
    }
    if based_on == 0 {
        // The text was swept under these writers, and the numbers begin again.
        listing.remove_drafts_from(number + 1)?;
    }
    match draft.publish_new(&folder.join(format!("{number:020}"))) {
        // The draft was removed.
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false),
        published => {
            if !published? {
                return Ok(false);
            }
        }
    }
    let listing = Listing::of(folder)?;
    listing.remove_drafts_up_to(number)?;
    listing.remove_versions_up_to(based_on)?;
    Ok(true)
}

struct Numbered {
    number: u64,
    path: PathBuf,
}

/// What is in a key's folder. There are few files, so that one call of the operating system reads all their names.
#[derive(Default)]
struct Listing {
    versions: Vec<Numbered>,
    /// With the number of the version that each is to become.
    drafts: Vec<Numbered>,
}

impl Listing {
    fn of(folder: &Path) -> io::Result<Self> {
        let mut listing = Self::default();
        for entry in entries(folder)? {
            let name = entry.file_name();
            let name = name.to_str().unwrap_or_default();
            let (list, number) = match name.strip_prefix('.') {
                Some(draft) => (&mut listing.drafts, draft.split('-').next().unwrap_or_default()),
                None => (&mut listing.versions, name),
            };
            if let Ok(number) = number.parse() {
                list.push(Numbered { number, path: entry.path() });
            }
        }
        listing.versions.sort_by_key(|version| version.number);
        Ok(listing)
    }

    fn newest(&self) -> Option<&Numbered> {
        self.versions.last()
    }

    fn remove_versions_up_to(&self, number: u64) -> io::Result<()> {
        self.versions.iter().filter(|one| one.number <= number).try_for_each(|one| remove_file(&one.path))
    }

    fn remove_drafts_up_to(&self, number: u64) -> io::Result<()> {
        self.drafts.iter().filter(|one| one.number <= number).try_for_each(|one| remove_file(&one.path))
    }

    fn remove_drafts_from(&self, number: u64) -> io::Result<()> {
        self.drafts.iter().filter(|one| one.number >= number).try_for_each(|one| remove_file(&one.path))
    }
}
