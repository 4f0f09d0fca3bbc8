//! What some tests need of the machine. Without it they are skipped, except in CI.

use std::{
    env, fs,
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
    thread,
};

/// What a test needs of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// To be root, for mounting file systems.
    Root,
    /// The program redis-server.
    Redis,
    /// The program curl.
    Curl,
    /// The program python3.
    Python,
    /// The program node.
    Node,
    /// The program go.
    Go,
    /// Python's package websockets, for Debian's own python3.
    PythonWebsockets,
}

impl Need {
    fn is_met(self) -> bool {
        match self {
            Self::Root => rustix::process::geteuid().is_root(),
            Self::Redis => is_in_path("redis-server"),
            Self::Curl => is_in_path("curl"),
            Self::Node => is_in_path("node"),
            Self::Go => is_in_path("go"),
            // Where functions find it, see `Api`.
            Self::Python => is_in_path("python3") || is_executable(Path::new("/usr/bin/python3")),
            Self::PythonWebsockets => {
                succeeds(Command::new("/usr/bin/python3").args(["-c", "import websockets"]))
            }
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Root => "it mounts a file system and must run as root",
            Self::Redis => "it needs redis-server: apt-get install redis-server",
            Self::Curl => "it needs curl: apt-get install curl",
            Self::Node => "it needs node: apt-get install nodejs",
            Self::Go => "it needs go: apt-get install golang-go",
            Self::Python => "it needs python3: apt-get install python3",
            Self::PythonWebsockets => {
                "it needs websockets for /usr/bin/python3: apt-get install python3-websockets"
            }
        }
    }
}

/// Whether the machine meets this need of the calling test, which is to return if not. The reason is printed; with the
/// variable `CI` set, the test fails instead, so that no check is lost there.
pub fn needs(need: Need) -> bool {
    if need.is_met() {
        return true;
    }
    let reason = need.reason();
    assert!(env::var_os("CI").is_none_or(|ci| ci.is_empty()), "CI is set, so no test is skipped: {reason}");
    let thread = thread::current();
    // Not by `eprintln!`, whose text libtest shows for failed tests only.
    let line = format!("skipped {}: {reason}\n", thread.name().unwrap_or("a test"));
    let _ = io::stderr().write_all(line.as_bytes());
    false
}

fn is_in_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| is_executable(&folder.join(program)))
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

fn succeeds(command: &mut Command) -> bool {
    let output = command.stdin(Stdio::null()).output();
    output.is_ok_and(|output| output.status.success())
}
