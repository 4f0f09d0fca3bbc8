//! Nothing is left behind even when the gateway is killed hard: a small child process holds the reading end of a pipe
//! and a list of process groups. When the pipe ends, because the gateway has ended in whatever way, it kills the
//! groups that are still listed and ends itself.
//!
//! The gateway starts a `Guard` and tells it of each process's beginning and end. The child is the gateway's
//! own program, called with the one argument [`ARGUMENT`], whose `main` then calls [`run`].

use std::{
    collections::HashSet,
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Mutex,
};

use log::warn;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::locked;

/// Calls the gateway's program as a guard.
pub const ARGUMENT: &str = "guard";

/// A running guard. Dropped, it kills what is still listed.
#[derive(Debug)]
pub(crate) struct Guard {
    child: Mutex<Child>,
}

impl Guard {
    /// Starts the program as a guard.
    pub(crate) fn start(program: &Path) -> io::Result<Self> {
        let child = Command::new(program)
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .env_clear()
            // Ctrl-C in a terminal goes to the foreground group; the guard must outlive the gateway.
            .process_group(0)
            .spawn()?;
        Ok(Self { child: Mutex::new(child) })
    }

    /// From now on the process group of this process is killed when the gateway ends.
    pub(crate) fn watch(&self, pid: u32) {
        self.tell('+', pid);
    }

    /// The process group has ended.
    pub(crate) fn forget(&self, pid: u32) {
        self.tell('-', pid);
    }

    fn tell(&self, sign: char, pid: u32) {
        let mut child = locked(&self.child);
        let Some(pipe) = child.stdin.as_mut() else { return };
        // One write a line, so that the guard never sees half of one.
        if let Err(error) = pipe.write_all(format!("{sign}{pid}\n").as_bytes()) {
            warn!(
                "the guard process is gone ({error}): if the gateway is killed hard now, functions are left behind"
            );
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut child = locked(&self.child);
        drop(child.stdin.take());
        // It ends on the end of its pipe; waiting leaves no zombie.
        let _ = child.wait();
    }
}

/// The guard process: reads `+pid` and `-pid` lines until the end, then kills what is left.
pub fn run(lines: impl Read) {
    for group in left_behind(lines) {
        // Already gone is as good.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

fn left_behind(lines: impl Read) -> HashSet<Pid> {
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
    fn what_was_not_taken_back_is_left_behind() {
        let groups = left_behind(&b"+12\n+13\n-12\nnonsense\n+0\n+x\n\n+14\n"[..]);
        let mut numbers: Vec<i32> = groups.into_iter().map(Pid::as_raw_pid).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [13, 14]);
    }
}
