//! The store's disk is full or read-only: a clear error, no client is accepted that could not be reached, and recovery
//! without a restart.

use std::path::Path;
use std::process::Command;

use crate::common::{CLOSING, CONNECTING, Function, error, response};

/// A small disk in memory.
struct Disk(tempfile::TempDir);

impl Disk {
    /// Space for the disk's own folder and this many files.
    fn with_room_for(files: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        mount(&["-t", "tmpfs", "-o", &format!("nr_inodes={}", files + 1), "tmpfs"], folder.path());
        Self(folder)
    }

    fn store(&self) -> String {
        format!("dir:{}", self.0.path().display())
    }

    fn remount(&self, how: &str) {
        mount(&["-o", &format!("remount,{how}")], self.0.path());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

fn mount(arguments: &[&str], at: &Path) {
    let mounted = Command::new("mount").args(arguments).arg(at).output().expect("mount");
    let said = String::from_utf8_lossy(&mounted.stderr).into_owned();
    assert!(mounted.status.success(), "this test mounts a disk of its own and must be run by root: {said}");
}

fn connecting(id: &str) -> String {
    CONNECTING.replace("xawexasdfewezdfsdfeasdfffa==", id)
}

fn accepted(answer: &str) -> bool {
    answer.starts_with(r#"{"errNo":0,"#)
}

#[test]
fn a_full_disk_lets_nobody_in_and_is_recovered_from() {
    let disk = Disk::with_room_for(2);
    let store = disk.store();
    let register = Function::start(&[("WS_ROLE", "register"), ("WS_STORE", &store)]);
    let cleanup = Function::start(&[("WS_ROLE", "cleanup"), ("WS_STORE", &store)]);

    assert!(accepted(&response(&register.invoke(CONNECTING))), "the room's folder and one file");
    let refused = response(&register.invoke(connecting("second")));
    assert!(
        refused.starts_with(r#"{"errNo":104,"#) && refused.contains("No space left on device"),
        "{refused}"
    );

    response(&cleanup.invoke(CLOSING));
    assert!(accepted(&response(&register.invoke(connecting("second")))), "after one has left");
}

#[test]
fn a_read_only_disk_lets_nobody_in_fails_the_cleanup_and_is_recovered_from() {
    let disk = Disk::with_room_for(10);
    let store = disk.store();
    let register = Function::start(&[("WS_ROLE", "register"), ("WS_STORE", &store)]);
    let cleanup = Function::start(&[("WS_ROLE", "cleanup"), ("WS_STORE", &store)]);
    assert!(accepted(&response(&register.invoke(CONNECTING))));

    disk.remount("ro");
    let refused = response(&register.invoke(connecting("second")));
    assert!(
        refused.starts_with(r#"{"errNo":104,"#) && refused.contains("Read-only file system"),
        "{refused}"
    );
    let failed = error(&cleanup.invoke(CLOSING));
    assert!(failed.contains("Read-only file system"), "{failed}");

    disk.remount("rw");
    assert!(accepted(&response(&register.invoke(connecting("second")))));
    response(&cleanup.invoke(CLOSING));
}
