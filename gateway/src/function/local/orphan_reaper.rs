//! Kills the functions' processes even when the gateway itself is killed with SIGKILL.
//!
//! A small child process holds the reading end of a pipe and a list of process groups. When the pipe ends, because the
//! gateway has ended in whatever way, it kills the groups that are still listed and exits. Linux's own way, a signal on
//! the parent's death, needs `unsafe`, depends on the thread that started the process, and spares grandchildren.
//!
//! `OrphanReaper::start` → `watch` and `forget` for each process. The child is the gateway's own program, called with
//! the one argument [`ARGUMENT`]; its `main` then calls [`run`].

use std::{
    collections::HashSet,
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use log::warn;
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group};

/// The argument that runs the gateway's program as an orphan reaper.
pub const ARGUMENT: &str = "reap-orphans";

/// A running orphan reaper. When it is dropped, it kills what is still listed.
#[derive(Debug)]
pub(crate) struct OrphanReaper {
    child: Mutex<Child>,
}

impl OrphanReaper {
    /// Starts the program as an orphan reaper.
    pub fn start(program: &Path) -> io::Result<Self> {
        let child = Command::new(program)
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .env_clear()
            // Ctrl-C in a terminal goes to the foreground group; the reaper must outlive the gateway.
            .process_group(0)
            .spawn()?;
        Ok(Self { child: Mutex::new(child) })
    }

    /// From now on the process group of this process is killed when the gateway ends.
    pub(super) fn watch(&self, pid: u32) {
        self.send('+', pid);
    }

    /// The process group has ended.
    pub(super) fn forget(&self, pid: u32) {
        self.send('-', pid);
    }

    fn send(&self, sign: char, pid: u32) {
        let mut child = self.child.lock();
        let Some(pipe) = child.stdin.as_mut() else { return };
        // One write a line, so that the reaper never sees half of one.
        if let Err(error) = pipe.write_all(format!("{sign}{pid}\n").as_bytes()) {
            warn!(
                "the orphan reaper is gone ({error}): if the gateway is killed now, its functions keep running"
            );
        }
    }
}

impl Drop for OrphanReaper {
    fn drop(&mut self) {
        let mut child = self.child.lock();
        drop(child.stdin.take());
        // It ends on the end of its pipe; waiting leaves no zombie.
        let _ = child.wait();
    }
}

/// The child process: reads `+pid` and `-pid` lines until the end of input, then kills the groups that are left.
pub fn run(lines: impl Read) {
    for group in orphans(lines) {
        // It may have exited by itself meanwhile.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

fn orphans(lines: impl Read) -> HashSet<Pid> {
    let mut groups = HashSet::new();
    for line in BufReader::new(lines).lines().map_while(Result::ok) {
        let (sign, number) = line.split_at(line.len().min(1));
        let Some(group) = number.parse().ok().and_then(Pid::from_raw) else { continue };
        match sign {
            "+" => _ = groups.insert(group),
            "-" => _ = groups.remove(&group),
            _ => {}
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_taken_back_is_an_orphan() {
        let groups = orphans(&b"+12\n+13\n-12\nnonsense\n+0\n+x\n\n+14\n"[..]);
        let mut numbers: Vec<i32> = groups.into_iter().map(Pid::as_raw_pid).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [13, 14]);
    }
}
