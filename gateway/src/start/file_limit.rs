//! How many files this process may have open (`RLIMIT_NOFILE`), each connection being one.
//!
//! [`raise`] at the start → [`shortfall`] for each configuration. Functions' processes get the limit back that this
//! process was started with, because a program that uses `select` fails with more.

use std::sync::OnceLock;

use log::{debug, info, warn};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit};

use super::system::limit_open_files;

/// What is open beside the connections of clients: listeners, and of each function's process its output and connections.
const OTHER_FILES: u64 = 256;

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

/// A sentence that says what to set if so many connections do not fit into the limit.
#[must_use]
pub fn shortfall(connections: usize) -> Option<String> {
    sentence(connections as u64, getrlimit(Resource::Nofile).current?)
}

fn sentence(connections: u64, files: u64) -> Option<String> {
    (connections.saturating_add(OTHER_FILES) > files).then(|| {
        let fitting = files.saturating_sub(OTHER_FILES).max(1);
        format!(
            "limits.connections = {connections} needs more than the {files} files that this process may have open: \
             raise the hard limit (LimitNOFILE= of a systemd unit, --ulimit nofile= of a container, ulimit -Hn of a \
             shell) to at least {}, or set limits.connections to at most {fitting}",
            connections.saturating_add(OTHER_FILES)
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
        assert_eq!(sentence(744, 1000), None);
        let sentence = sentence(745, 1000).expect("one file is missing");
        assert!(
            sentence.contains("to at least 1001, or set limits.connections to at most 744"),
            "{sentence}"
        );
    }
}
