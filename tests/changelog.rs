//! The newest entry of `CHANGELOG.md` is this version.

use std::fs;
use std::path::Path;

#[test]
fn the_newest_entry_is_this_version() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("CHANGELOG.md");
    let changelog = fs::read_to_string(path).expect("CHANGELOG.md");
    let mut entries = changelog.lines().filter_map(|line| line.strip_prefix("## ["));
    let newest = entries.find(|entry| !entry.starts_with("Unreleased")).expect("an entry");
    assert_eq!(newest.split(']').next(), Some(env!("CARGO_PKG_VERSION")), "## [{newest}");
}
