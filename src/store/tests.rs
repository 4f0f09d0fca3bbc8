//! What every store does: that in memory, a directory, and Redis.

use std::collections::BTreeSet;
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use scf_websocket_test_harness::{Need, Redis, needs};

use super::dir::DirStore;
use super::redis::{RedisStore, RedisUrl};
use super::{Expected, MemoryStore, RoomName, Seen, Store, StoreError};
use crate::clock::Clock;
use crate::net::TrustedRoots;

const TTL: Duration = Duration::from_mins(1);

/// No call comes near it.
fn deadline() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

fn room(name: &str) -> RoomName {
    RoomName::parse(name).expect("an allowed name")
}

fn members(store: &mut dyn Store, room: &RoomName, seen: Option<&str>) -> Vec<String> {
    let seen = seen.map(|connection| Seen { connection, joins: true });
    let mut members = store.list(room, seen, deadline()).expect("a listing").connections;
    members.sort();
    members
}

fn each_store(test: impl Fn(&mut dyn Store)) {
    test(&mut MemoryStore::new(Clock::System, Some(TTL)));
    each_shared_store(|open| test(&mut *open()));
}

/// The stores that several processes share, and how each of them opens one.
fn each_shared_store(test: impl Fn(&(dyn Fn() -> Box<dyn Store> + Sync))) {
    let folder = tempfile::tempdir().expect("a folder");
    test(&|| Box::new(DirStore::new(folder.path().to_owned(), Some(TTL))));
    if needs(Need::Redis) {
        let redis = Redis::start(&[]);
        test(&|| Box::new(redis_store(&redis)));
    }
}

fn redis_store(redis: &Redis) -> RedisStore {
    let url = RedisUrl::parse(&redis.url()).expect("a URL of Redis").expect("a valid one");
    RedisStore::new(url, TrustedRoots::new(None), Some(TTL))
}

fn set(store: &mut dyn Store, key: &str, text: Option<&str>) {
    assert!(store.write(key, Expected::Anything, text, None, deadline()).expect("written"), "{key:?}");
}

fn text(store: &mut dyn Store, key: &str) -> Option<String> {
    store.text(key, deadline()).expect("a text or none")
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
            assert_eq!(text(store, key), None, "{key:?}");
            set(store, key, Some("one"));
            set(store, key, Some("two\n\r"));
            assert_eq!(text(store, key).as_deref(), Some("two\n\r"));
            set(store, key, None);
            set(store, key, None);
            assert_eq!(text(store, key), None);
        }
    });
}

#[test]
fn a_list_keeps_its_last_items_in_order() {
    each_store(|store| {
        assert!(store.items("list", deadline()).expect("no items").is_empty());
        for number in 0..10 {
            store.append("list", &number.to_string(), 3, None, deadline()).expect("appended");
        }
        store.append("other", "x", 3, None, deadline()).expect("appended");
        assert_eq!(store.items("list", deadline()).expect("items"), ["7", "8", "9"]);
        store.append("list", "10", 0, None, deadline()).expect("appended and dropped");
        assert!(store.items("list", deadline()).expect("no items").is_empty());
    });
}

#[test]
fn what_is_older_than_its_time_to_live_has_expired() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = DirStore::new(folder.path().to_owned(), Some(TTL));
    store.renew(&room("lobby"), "a", deadline()).expect("recorded");
    set(&mut store, "key", Some("text"));
    store.append("list", "item", 3, None, deadline()).expect("appended");
    backdate(folder.path(), 2 * TTL);
    assert!(members(&mut store, &room("lobby"), None).is_empty());
    assert_eq!(text(&mut store, "key"), None);
    assert!(store.items("list", deadline()).expect("no items").is_empty());
    set(&mut store, "key", Some("again"));
    assert_eq!(text(&mut store, "key").as_deref(), Some("again"));
}

/// Makes every file so much older.
fn backdate(folder: &Path, by: Duration) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            backdate(&path, by);
        } else {
            let file = File::options().append(true).open(path).expect("a file");
            let modified = file.metadata().and_then(|data| data.modified()).expect("a time");
            // What was removed has no older time.
            let modified = modified.checked_sub(by).unwrap_or(SystemTime::UNIX_EPOCH);
            file.set_times(FileTimes::new().set_modified(modified)).expect("set");
        }
    }
}

#[test]
fn a_missing_base_directory_is_an_error_and_is_not_created() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = folder.path().join("missing");
    let mut store = DirStore::new(base.clone(), Some(TTL));
    let joins = Some(Seen { connection: "a", joins: true });
    let results: [Result<(), StoreError>; 10] = [
        store.renew(&room("lobby"), "a", deadline()),
        store.remove(&room("lobby"), &["a"], deadline()),
        store.list(&room("lobby"), None, deadline()).map(drop),
        store.list(&room("lobby"), joins, deadline()).map(drop),
        store.text("key", deadline()).map(drop),
        store.write("key", Expected::Anything, Some("text"), None, deadline()).map(drop),
        store.write("key", Expected::Anything, None, None, deadline()).map(drop),
        store.add("key", 1, None, deadline()).map(drop),
        store.append("list", "item", 3, None, deadline()),
        store.items("list", deadline()).map(drop),
    ];
    for (number, result) in results.into_iter().enumerate() {
        assert!(matches!(result, Err(StoreError::Directory { .. })), "{number}: {result:?}");
    }
    assert!(!base.exists());
}

#[test]
fn a_text_is_written_only_if_it_is_the_expected_one() {
    each_store(|store| {
        let mut write =
            |expected, text| store.write("key", expected, text, None, deadline()).expect("an answer");
        assert!(!write(Expected::Text("one"), Some("two")), "there is none");
        assert!(!write(Expected::Text(""), None), "there is none");
        assert!(write(Expected::Nothing, None), "there is none");
        assert!(write(Expected::Nothing, Some("one")));
        assert!(!write(Expected::Nothing, Some("two")), "there is one");
        assert!(!write(Expected::Nothing, None), "there is one");
        assert!(!write(Expected::Text("two"), Some("three")), "it is another");
        assert!(write(Expected::Text("one"), Some("")));
        assert!(write(Expected::Text(""), Some("two\n")));
        assert!(!write(Expected::Text("two"), None), "it is another");
        assert!(write(Expected::Text("two\n"), None));
        assert!(write(Expected::Nothing, Some("again")));
        assert_eq!(text(store, "key").as_deref(), Some("again"));
    });
}

#[test]
fn numbers_are_added_up_and_nothing_else_is() {
    each_store(|store| {
        for (amount, sum) in [(2, 2), (-5, -3), (i64::MAX, i64::MAX - 3), (3, i64::MAX)] {
            assert_eq!(store.add("sum", amount, None, deadline()).expect("a sum"), sum);
        }
        let refused = |store: &mut dyn Store, key| {
            let error = store.add(key, 1, None, deadline()).expect_err("no number");
            assert!(
                matches!(&error, StoreError::NotANumber { key: named } if named == key),
                "{key}: {error}"
            );
        };
        refused(store, "sum");
        assert_eq!(text(store, "sum"), Some(i64::MAX.to_string()), "unchanged");
        for wrong in ["", "x", "1.5", "+1", "01", " 1", "9223372036854775808"] {
            set(store, "wrong", Some(wrong));
            refused(store, "wrong");
            assert_eq!(text(store, "wrong").as_deref(), Some(wrong), "unchanged");
        }
    });
}

#[test]
fn of_several_processes_one_sets_a_text_and_all_add_to_a_number() {
    const PROCESSES: i64 = 8;
    const ROUNDS: i64 = 50;
    each_shared_store(|open| {
        let start = Barrier::new(8);
        let wins: Vec<i64> = thread::scope(|scope| {
            let processes: Vec<_> = (0..PROCESSES)
                .map(|number| {
                    let start = &start;
                    scope.spawn(move || race(&mut *open(), number, ROUNDS, start))
                })
                .collect();
            processes.into_iter().map(|process| process.join().expect("no panic")).collect()
        });
        assert_eq!(wins.iter().sum::<i64>(), ROUNDS, "one winner a round");
        let mut store = open();
        for key in ["sum", "swapped"] {
            assert_eq!(text(&mut *store, key), Some((PROCESSES * ROUNDS).to_string()), "{key}");
        }
        assert_eq!(text(&mut *store, "come-and-go"), None);
    });
}

/// How many rounds this process wins.
fn race(store: &mut dyn Store, number: i64, rounds: i64, start: &Barrier) -> i64 {
    let mut won = 0;
    for round in 0..rounds {
        start.wait();
        let mine = number.to_string();
        let key = format!("winner of {round}");
        won += i64::from(store.write(&key, Expected::Nothing, Some(&mine), None, deadline()).expect("raced"));
        store.add("sum", 1, None, deadline()).expect("added");
        while {
            let before = text(store, "swapped");
            let after = before.as_deref().map_or(0, |text| text.parse().expect("a number")) + 1;
            let expected = before.as_deref().map_or(Expected::Nothing, Expected::Text);
            let after = after.to_string();
            !store.write("swapped", expected, Some(&after), None, deadline()).expect("swapped")
        } {}
        // What one removes the next creates.
        set(store, "come-and-go", Some(&mine));
        set(store, "come-and-go", None);
    }
    won
}

#[test]
fn a_text_has_a_time_to_live_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock::manual();
    let hour = Some(Duration::from_hours(1));
    let write = |store: &mut dyn Store| {
        set(store, "usual", Some("x"));
        store.write("long", Expected::Nothing, Some("x"), hour, deadline()).expect("set");
        store.add("number", 1, hour, deadline()).expect("added");
        store.append("list", "x", 3, hour, deadline()).expect("appended");
    };
    let left = |store: &mut dyn Store| {
        let texts = ["usual", "long", "number"].map(|key| text(store, key).is_some());
        (texts, store.items("list", deadline()).expect("items").len())
    };
    let mut memory = MemoryStore::new(clock.clone(), Some(TTL));
    write(&mut memory);
    clock.advance(2 * TTL);
    assert_eq!(left(&mut memory), ([false, true, true], 1));
    clock.advance(Duration::from_hours(1));
    assert_eq!(left(&mut memory), ([false; 3], 0));

    for ttl in [Some(TTL), None] {
        let base = folder.path().join(format!("{ttl:?}"));
        fs::create_dir(&base).expect("a folder");
        let mut dir = DirStore::new(base.clone(), ttl);
        write(&mut dir);
        backdate(&base, 2 * TTL);
        assert_eq!(left(&mut dir), ([ttl.is_none(), true, true], 1));
        backdate(&base, Duration::from_hours(1));
        assert_eq!(left(&mut dir), ([ttl.is_none(), false, false], 0));
    }

    if needs(Need::Redis) {
        let redis = Redis::start(&[]);
        write(&mut redis_store(&redis));
        for (key, seconds) in
            [("texts:usual", 60), ("texts:long", 3600), ("texts:number", 3600), ("lists:list", 3600)]
        {
            let left = redis.command(&format!("PTTL ws:{key}"));
            let left: i64 = left.trim().trim_start_matches(':').parse().expect("milliseconds");
            assert!((seconds * 1000 - 50_000..=seconds * 1000).contains(&left), "{key}: {left}");
        }
    }
}

#[test]
fn a_member_is_renewed_only_if_it_is_one() {
    each_store(|store| {
        let lobby = room("lobby");
        let seen = |connection| Some(Seen { connection, joins: false });
        store.renew(&lobby, "a", deadline()).expect("recorded");
        for id in ["a", "b"] {
            let listed = store.list(&lobby, seen(id), deadline()).expect("a listing");
            assert!(listed.not_renewed.is_none());
            assert_eq!(listed.connections, ["a"], "{id}");
        }
    });
}

/// The files and folders below, of texts and lists.
fn left_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(left_in(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn what_has_expired_is_swept_by_writes() {
    const KEYS: usize = 100;
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = DirStore::new(folder.path().to_owned(), Some(TTL));
    for number in 0..KEYS {
        set(&mut store, &format!("text {number}"), Some("x"));
        store.append(&format!("list {number}"), "x", 3, None, deadline()).expect("appended");
    }
    assert_eq!(left_in(folder.path()).len(), 2 * KEYS);
    backdate(folder.path(), 2 * TTL);
    // Each write looks at two; the round that has begun is finished, and the next looks at all.
    for _ in 0..64 + 2 * KEYS {
        set(&mut store, "live", Some("x"));
    }
    assert_eq!(left_in(folder.path()).len(), 1, "what is live");

    // Processes that make one write each.
    for number in 0..KEYS {
        set(&mut store, &format!("text {number}"), Some("x"));
    }
    backdate(folder.path(), 2 * TTL);
    let mut writes = 0;
    while left_in(folder.path()).len() > 1 {
        writes += 1;
        assert!(writes < 100 * KEYS, "{} are left", left_in(folder.path()).len());
        set(&mut DirStore::new(folder.path().to_owned(), Some(TTL)), "live", Some("x"));
    }
}

#[test]
fn writers_that_are_killed_or_suspended_hold_up_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = DirStore::new(folder.path().to_owned(), Some(TTL));
    set(&mut store, "key", Some("one"));
    let key = folder.path().join("%values").join("key");
    // Drafts of writers that are between any two of their steps.
    for draft in [".00000000000000000002-1", ".00000000000000000003-1", ".00000000000000000009-1"] {
        fs::write(key.join(draft), "stale").expect("a draft");
    }
    let inode = |draft: &str| fs::metadata(key.join(draft)).map(|data| data.ino());
    let ahead = inode(".00000000000000000009-1").expect("the draft");
    for (before, after) in [("one", "two"), ("two", "three"), ("three", "four")] {
        let done = store.write("key", Expected::Text(before), Some(after), None, deadline());
        assert!(done.expect("not held up"));
    }
    assert_eq!(text(&mut store, "key").as_deref(), Some("four"));
    let left: BTreeSet<_> =
        left_in(&key).iter().map(|path| path.file_name().map(ToOwned::to_owned)).collect();
    assert_eq!(left.len(), 2, "drafts for versions that exist are gone: {left:?}");
    assert_eq!(inode(".00000000000000000009-1").ok(), Some(ahead));
}
