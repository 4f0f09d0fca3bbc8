//! What the logs of the gateway's processes tell of each connection.

use std::collections::HashMap;

use crate::runs::RunId;

/// What the logs tell of one connection.
#[derive(Debug, Default)]
pub struct Logged {
    /// The transfer function's invocations in order, each with its outcome.
    pub transfers: Vec<String>,
    /// What the function counted in those that succeeded, in order: pushes that did not reach their client.
    pub failed_pushes: Vec<usize>,
    /// Closing events, by the process that called the function. One that the function did not answer is not among them: it
    /// is due until a later one is.
    pub cleanups: Vec<RunId>,
    pub closed: Option<String>,
}

/// By the path on which the connection was opened.
pub fn read(logs: &[&str]) -> HashMap<String, Logged> {
    let mut paths: HashMap<&str, &str> = HashMap::new();
    let mut logged: HashMap<String, Logged> = HashMap::new();
    for line in logs.iter().flat_map(|log| log.lines()) {
        if let Some((id, rest)) = said(line).and_then(|said| said.split_once(" opened from ")) {
            let path = value(rest, " on ");
            paths.insert(id, path);
            logged.entry(path.to_owned()).or_default();
        }
    }
    for (run, log) in logs.iter().enumerate() {
        read_one(run, log, &paths, &mut logged);
    }
    logged
}

fn of<'l>(
    id: &str,
    paths: &HashMap<&str, &str>,
    logged: &'l mut HashMap<String, Logged>,
) -> Option<&'l mut Logged> {
    logged.get_mut(*paths.get(id)?)
}

fn read_one(run: RunId, log: &str, paths: &HashMap<&str, &str>, logged: &mut HashMap<String, Logged>) {
    let mut tallies: HashMap<&str, usize> = HashMap::new();
    for line in log.lines().filter_map(said) {
        if let Some(trace) = line.strip_prefix("trace role=") {
            let Some(told) = of(value(trace, " connection="), paths, logged) else { continue };
            if trace.starts_with("transfer ") {
                told.transfers.push(value(trace, " outcome=").to_owned());
            } else if trace.starts_with("cleanup ") && !is_called_again(value(trace, " outcome=")) {
                told.cleanups.push(run);
            }
        } else if let Some((instance, said)) = line.split_once(" | ") {
            if said.contains("pushes asked=") {
                let failed: usize = value(said, " failed=").parse().unwrap_or(0);
                let untried: usize = value(said, " untried=").parse().unwrap_or(0);
                // The line at the level of a warning repeats the same count.
                tallies.insert(instance, failed + untried);
            } else if said.contains(" role=transfer ") && said.contains(" outcome=ok") {
                let failed = tallies.remove(instance).unwrap_or(0);
                if let Some(told) = of(value(said, " connection="), paths, logged) {
                    told.failed_pushes.push(failed);
                }
            }
        } else if let Some((id, how)) = line.split_once(' ')
            && let Some(told) = of(id, paths, logged)
            && (how.starts_with("closed") || how.starts_with("connection lost") || how.starts_with("idle"))
        {
            // Without the request id, so that equal ends are counted together.
            told.closed = Some(how.split(" (request ").next().unwrap_or(how).to_owned());
        }
    }
}

/// Whether the gateway calls a cleanup function again that had this outcome.
fn is_called_again(outcome: &str) -> bool {
    matches!(outcome, "timed_out" | "overloaded" | "unavailable" | "circuit_open")
}

/// A line without its time and level.
fn said(line: &str) -> Option<&str> {
    line.split_once("] ").map(|(_, said)| said)
}

fn value<'l>(line: &'l str, name: &str) -> &'l str {
    line.split_once(name).map_or("", |(_, rest)| rest.split(' ').next().unwrap_or(""))
}
