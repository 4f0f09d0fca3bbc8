//! How many files this process may have open (`RLIMIT_NOFILE`), each connection being one.
//!
//! [`raise`] at the start → [`shortfall`] for each configuration. Functions' processes get the limit back that this
//! process was started with, because a program that uses `select` fails with more.

use std::sync::OnceLock;

use log::{debug, info, warn};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit};

use super::system::limit_open_files;

/// What is open beside the connections of clients, at least: listeners, of each function's process its output and
/// connections, and what is kept for pushes and operators.
const OTHER_FILES: u64 = 256;
/// Of it, what is there for operators, and for pushes where functions have an address of their own. Of many files, pushes
/// have an eighth.
const OPERATORS: u64 = 64;
const PUSHES: u64 = 64;
const PUSHES_FRACTION: u64 = 8;
/// Of it, what is there for everything else.
const REST: u64 = 128;

/// What this process was started with, if it was raised.
static STARTED_WITH: OnceLock<Rlimit> = OnceLock::new();

/// Raises the soft limit to the hard one, as a process may without any rights, and logs both.
pub fn raise() {
    let before = getrlimit(Resource::Nofile);
    if before.current == before.maximum {
        return;
    }
    let raised = Rlimit { current: before.maximum, maximum: before.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        return warn!("the limit of {} open files stays: {error}", text(before.current));
    }
    info!("the limit of open files is raised from {} to {}", text(before.current), text(before.maximum));
    STARTED_WITH.get_or_init(|| before);
}

/// How many connections of each kind there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileShares {
    /// Where clients connect.
    pub clients: usize,
    /// Where functions push, if that is elsewhere.
    pub pushes: usize,
    /// At the admin address.
    pub operators: usize,
}

impl FileShares {
    /// Of the limit in force.
    #[must_use]
    pub fn now() -> Self {
        getrlimit(Resource::Nofile).current.map_or(Self::UNLIMITED, Self::of)
    }

    const UNLIMITED: Self = Self { clients: usize::MAX, pushes: usize::MAX, operators: usize::MAX };

    fn of(files: u64) -> Self {
        let share = |files| usize::try_from(files).unwrap_or(usize::MAX);
        Self {
            clients: share(for_clients(files)),
            pushes: share(for_pushes(files)),
            operators: share(OPERATORS),
        }
    }
}

fn for_pushes(files: u64) -> u64 {
    PUSHES.max(files / PUSHES_FRACTION)
}

/// With very few files, clients have a quarter all the same.
fn for_clients(files: u64) -> u64 {
    let others = OTHER_FILES.max(for_pushes(files) + OPERATORS + REST);
    files.saturating_sub(others).max(files / 4).max(1)
}

/// How many files so many clients need.
fn needed(connections: u64) -> u64 {
    // The fewest of which those that are no pushes' are enough.
    let with_pushes = connections.saturating_add(OPERATORS + REST - 1).saturating_mul(PUSHES_FRACTION);
    (with_pushes / (PUSHES_FRACTION - 1) + 1).max(connections.saturating_add(OTHER_FILES))
}

/// A sentence that says what to set if so many connections do not fit into the limit.
#[must_use]
pub fn shortfall(connections: usize) -> Option<String> {
    sentence(connections as u64, getrlimit(Resource::Nofile).current?)
}

fn sentence(connections: u64, files: u64) -> Option<String> {
    let fitting = for_clients(files);
    (connections > fitting).then(|| {
        format!(
            "limits.connections = {connections} needs more than the {files} files that this process may have open, and \
             {fitting} connections are accepted: raise the hard limit (LimitNOFILE= of a systemd unit, --ulimit nofile= \
             of a container, ulimit -Hn of a shell) to at least {}",
            needed(connections)
        )
    })
}

/// Gives a function's process the limit back that this process was started with.
pub(crate) fn restore_for(pid: u32) {
    let (Some(&before), Some(pid)) = (STARTED_WITH.get(), i32::try_from(pid).ok().and_then(Pid::from_raw))
    else {
        return;
    };
    // It may have ended already.
    if let Err(error) = limit_open_files(pid, before) {
        debug!("the limit of open files of process {} stays: {error}", pid.as_raw_nonzero());
    }
}

fn text(limit: Option<u64>) -> String {
    limit.map_or_else(|| "any number of".to_owned(), |limit| limit.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_names_what_fits() {
        assert_eq!(sentence(144, 400), None);
        let sentence = sentence(145, 400).expect("one file is missing");
        assert!(sentence.contains("and 144 connections are accepted"), "{sentence}");
        assert!(sentence.ends_with("to at least 401"), "{sentence}");
    }

    #[test]
    fn what_is_needed_is_enough_and_the_shares_fit() {
        for connections in [1, 100, 255, 256, 1000, 10_000, 100_000, 1_000_000] {
            let files = needed(connections);
            assert!(for_clients(files) >= connections, "{connections} in {files}");
            // Rounding up costs one file at most.
            assert!(for_clients(files - 2) < connections || files <= 342, "{connections} in {}", files - 2);
        }
        for files in [400, 1024, 4096, 262_144] {
            let FileShares { clients, pushes, operators } = FileShares::of(files);
            assert!((clients + pushes + operators) as u64 + REST <= files, "{files}");
        }
    }
}
