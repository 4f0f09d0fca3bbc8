//! The store's disk is full or read-only: clients that cannot be recorded are refused with a clear error, and the
//! functions recover without a restart.

use std::path::Path;
use std::process::Command;

use scf_websocket_test_harness::{CLOSING, CONNECTING, Function, Need, error, needs, response};

/// A small file system in memory.
struct Disk(tempfile::TempDir);

impl Disk {
    /// Has capacity for its root folder and this many files or folders.
    fn with_capacity(files: usize) -> Self {
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
    let stderr = String::from_utf8_lossy(&mounted.stderr).into_owned();
    assert!(mounted.status.success(), "mount: {stderr}");
}

fn connecting(id: &str) -> String {
    CONNECTING.replace("xawexasdfewezdfsdfeasdfffa==", id)
}

fn accepted(answer: &str) -> bool {
    answer.starts_with(r#"{"errNo":0,"#)
}

#[test]
fn a_full_disk_refuses_clients_until_it_has_space() {
    if !needs(Need::Root) {
        return;
    }
    let disk = Disk::with_capacity(2);
    let store = disk.store();
    let register = Function::start(&[("WS_ROLE", "register"), ("WS_STORE", &store)]);
    let cleanup = Function::start(&[("WS_ROLE", "cleanup"), ("WS_STORE", &store)]);

    assert!(accepted(&response(&register.invoke(CONNECTING))), "the room's folder and one file");
    let refused = register.not_recorded("second");
    assert!(refused.contains("No space left on device"), "{refused}");

    response(&cleanup.invoke(CLOSING));
    assert!(accepted(&response(&register.invoke(connecting("second")))), "after a client has left");
}

#[test]
fn a_read_only_disk_refuses_clients_and_fails_cleanup_until_it_is_writable() {
    if !needs(Need::Root) {
        return;
    }
    let disk = Disk::with_capacity(10);
    let store = disk.store();
    let register = Function::start(&[("WS_ROLE", "register"), ("WS_STORE", &store)]);
    let cleanup = Function::start(&[("WS_ROLE", "cleanup"), ("WS_STORE", &store)]);
    assert!(accepted(&response(&register.invoke(CONNECTING))));

    disk.remount("ro");
    let refused = register.not_recorded("second");
    assert!(refused.contains("Read-only file system"), "{refused}");
    let failed = error(&cleanup.invoke(CLOSING));
    assert!(failed.contains("Read-only file system"), "{failed}");

    disk.remount("rw");
    assert!(accepted(&response(&register.invoke(connecting("second")))));
    response(&cleanup.invoke(CLOSING));
}
