//! What every store does, without a server: the tests of `tests/rooms.rs` and `tests/chat.rs` cover Redis.

use std::fs::{self, File, FileTimes};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use super::dir::DirStore;
use super::{MemoryStore, RoomName, Store, StoreError};

const TTL: Duration = Duration::from_mins(1);

/// No call of these stores depends on it.
fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn room(name: &str) -> RoomName {
    RoomName::parse(name).expect("an allowed name")
}

fn members(store: &mut dyn Store, room: &RoomName, seen: Option<&str>) -> Vec<String> {
    let mut members = store.list(room, seen, deadline()).expect("a listing").connections;
    members.sort();
    members
}

fn each_store(test: impl Fn(&mut dyn Store)) {
    test(&mut MemoryStore::default());
    let folder = tempfile::tempdir().expect("a folder");
    test(&mut DirStore::new(folder.path().to_owned(), Some(TTL)));
}

#[test]
fn members_come_and_go() {
    each_store(|store| {
        let (lobby, garden) = (room("lobby"), room("garden"));
        assert!(members(store, &lobby, None).is_empty());
        store.renew(&lobby, "a", deadline()).expect("recorded");
        store.renew(&lobby, "a", deadline()).expect("recorded again");
        store.renew(&garden, "b", deadline()).expect("recorded");
        assert_eq!(members(store, &lobby, None), ["a"]);
        assert_eq!(members(store, &lobby, Some("c/d")), ["a", "c/d"]);
        store.remove(&lobby, &["a", "unknown"], deadline()).expect("removed");
        assert_eq!(members(store, &lobby, None), ["c/d"]);
        assert_eq!(members(store, &garden, None), ["b"]);
        store.remove(&room("empty"), &["a"], deadline()).expect("a room without members");
    });
}

#[test]
fn a_text_is_kept_until_it_is_removed() {
    each_store(|store| {
        let long = "k".repeat(300);
        for key in ["", "a/b ..", "\u{0}", "name", long.as_str()] {
            assert_eq!(store.text(key, deadline()).expect("no text"), None, "{key:?}");
            store.set_text(key, Some("one"), deadline()).expect("set");
            store.set_text(key, Some("two\n\r"), deadline()).expect("set again");
            assert_eq!(store.text(key, deadline()).expect("a text").as_deref(), Some("two\n\r"));
            store.set_text(key, None, deadline()).expect("removed");
            store.set_text(key, None, deadline()).expect("removed again");
            assert_eq!(store.text(key, deadline()).expect("no text"), None);
        }
    });
}

#[test]
fn a_list_keeps_its_last_items_in_order() {
    each_store(|store| {
        assert!(store.items("list", deadline()).expect("no items").is_empty());
        for number in 0..10 {
            store.append("list", &number.to_string(), 3, deadline()).expect("appended");
        }
        store.append("other", "x", 3, deadline()).expect("appended");
        assert_eq!(store.items("list", deadline()).expect("items"), ["7", "8", "9"]);
        store.append("list", "10", 0, deadline()).expect("appended and dropped");
        assert!(store.items("list", deadline()).expect("no items").is_empty());
    });
}

#[test]
fn what_is_older_than_its_time_to_live_has_expired() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = DirStore::new(folder.path().to_owned(), Some(TTL));
    store.renew(&room("lobby"), "a", deadline()).expect("recorded");
    store.set_text("key", Some("text"), deadline()).expect("set");
    store.append("list", "item", 3, deadline()).expect("appended");
    backdate(folder.path());
    assert!(members(&mut store, &room("lobby"), None).is_empty());
    assert_eq!(store.text("key", deadline()).expect("no text"), None);
    assert!(store.items("list", deadline()).expect("no items").is_empty());
    store.set_text("key", Some("again"), deadline()).expect("set");
    assert_eq!(store.text("key", deadline()).expect("a text").as_deref(), Some("again"));
}

/// Makes every file older than the time to live.
fn backdate(folder: &Path) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            backdate(&path);
        } else {
            let times = FileTimes::new().set_modified(SystemTime::now() - 2 * TTL);
            File::options().append(true).open(path).expect("a file").set_times(times).expect("set");
        }
    }
}

#[test]
fn a_missing_base_directory_is_an_error_and_is_not_created() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = folder.path().join("missing");
    let mut store = DirStore::new(base.clone(), Some(TTL));
    let results: [Result<(), StoreError>; 6] = [
        store.renew(&room("lobby"), "a", deadline()),
        store.list(&room("lobby"), None, deadline()).map(drop),
        store.list(&room("lobby"), Some("a"), deadline()).map(drop),
        store.text("key", deadline()).map(drop),
        store.set_text("key", Some("text"), deadline()),
        store.append("list", "item", 3, deadline()),
    ];
    for (number, result) in results.into_iter().enumerate() {
        assert!(matches!(result, Err(StoreError::Directory { .. })), "{number}: {result:?}");
    }
    assert!(!base.exists());
}
