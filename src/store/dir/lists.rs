//! Lists in a directory: a folder for each list, in it a file for each item, in the order of their names.

use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use super::files::{Draft, TimeToLive, entries, in_folder, is_abandoned, is_draft, remove_file, unique_name};

/// Appends an item and keeps the last ones. The folders of all lists and of this one are created when first needed.
pub(super) fn append(folder: &Path, item: &str, keep: usize, modified: SystemTime) -> io::Result<()> {
    let all = folder.parent().unwrap_or(folder);
    in_folder(all, || {
        in_folder(folder, || Draft::in_folder(folder, item, modified)?.publish(&folder.join(unique_name())))
    })?;
    let items = items(folder)?;
    let surplus = items.len().saturating_sub(keep);
    items.iter().take(surplus).try_for_each(|entry| remove_file(&entry.path()))
}

/// The items, the oldest first; none if the list does not exist.
pub(super) fn read(folder: &Path, ttl: TimeToLive) -> io::Result<Vec<String>> {
    let entries = items(folder)?;
    let live = entries.iter().filter(|entry| !ttl.is_over_for(entry));
    live.map(|entry| fs::read_to_string(entry.path())).collect()
}

/// Removes items that have expired, and what killed processes have left behind.
pub(super) fn sweep(folder: &Path, ttl: TimeToLive) -> io::Result<()> {
    let mut left = 0;
    for entry in entries(folder)? {
        let path = entry.path();
        if if is_draft(&entry) { is_abandoned(&path) } else { ttl.is_over_for(&entry) } {
            remove_file(&path)?;
        } else {
            left += 1;
        }
    }
    if left == 0 && is_abandoned(folder) {
        fs::remove_dir(folder)?;
    }
    Ok(())
}

fn items(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    let mut items = entries(folder)?;
    items.retain(|entry| !is_draft(entry));
    items.sort_by_key(fs::DirEntry::file_name);
    Ok(items)
}
