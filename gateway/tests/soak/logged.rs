//! What the logs of the gateway's processes tell of each connection.

use std::collections::{HashMap, HashSet};

use scf_websocket_gateway::cluster::NodeId;

use crate::runs::RunId;

/// What the soak calls its own pushes begins with this; the number follows.
pub const PUSH: &str = "push-";

/// What the logs tell.
#[derive(Debug, Default)]
pub struct Logs {
    /// Of the connections that were opened, by their paths.
    pub opened: HashMap<String, Logged>,
    /// Of those that were not, by their ids.
    pub unopened: HashMap<String, Unopened>,
    /// Which processes have taken over which nodes, what they were before included.
    taken_over: HashSet<(RunId, NodeId)>,
}

impl Logs {
    /// Whether any process has taken the node of this connection over.
    pub fn is_taken_over(&self, id: &str) -> bool {
        NodeId::of_connection(id).is_some_and(|lost| self.taken_over.iter().any(|(_, node)| *node == lost))
    }

    /// Whether a process calls the closing events of this connection as the survivor of its node.
    pub fn has_taken_over(&self, by: RunId, id: &str) -> bool {
        NodeId::of_connection(id).is_some_and(|node| self.taken_over.contains(&(by, node)))
    }
}

/// What they tell of a connection that was opened.
#[derive(Debug, Default)]
pub struct Logged {
    pub id: String,
    /// The process that has opened it.
    pub by: RunId,
    /// The transfer function's invocations in order, each with its outcome.
    pub transfers: Vec<String>,
    /// What the function counted in those that succeeded, in order: pushes that did not reach their client.
    pub failed_pushes: Vec<usize>,
    pub cleanups: Vec<Cleanup>,
    /// How it ended.
    pub closed: Option<String>,
    /// The push of the soak that has closed it.
    pub closed_by_push: Option<usize>,
}

/// A closing event that a function was called with. One that the function did not get, or did not answer in time, is not
/// among them: it is due until a later one is.
#[derive(Debug, Clone, Copy)]
pub struct Cleanup {
    /// The process that called.
    pub by: RunId,
    /// The function ended in the middle.
    pub crashed: bool,
}

/// What they tell of a connection that was not opened.
#[derive(Debug, Default)]
pub struct Unopened {
    /// The register function's outcome, and the process that called it, unless that was killed before.
    pub register: Option<(RunId, String)>,
    pub cleanups: Vec<Cleanup>,
}

/// Everything that the logs of these processes tell.
pub fn read(logs: &[&str]) -> Logs {
    let mut told = Logs::default();
    let mut paths: HashMap<&str, &str> = HashMap::new();
    for (run, log) in logs.iter().enumerate() {
        for (id, path) in opened(log) {
            paths.insert(id, path);
            told.opened.insert(path.to_owned(), Logged { id: id.to_owned(), by: run, ..Logged::default() });
        }
    }
    for (run, log) in logs.iter().enumerate() {
        Reader { run, paths: &paths, told: &mut told, tallies: HashMap::new() }.read(log);
    }
    told
}

/// The ids of the connections whose cleanup this log has.
pub fn cleaned_up(log: &str) -> HashSet<String> {
    let lines: Vec<_> = log.lines().filter(|line| line.contains("trace role=cleanup ")).collect();
    // Without the lines on what was opened, nothing was.
    let told = read(&[&lines.join("\n")]).unopened.into_iter();
    told.filter(|(_, told)| !told.cleanups.is_empty()).map(|(id, _)| id).collect()
}

/// The ids of the connections that a process has opened, and their paths.
pub fn opened(log: &str) -> impl Iterator<Item = (&str, &str)> {
    let opened = log.lines().filter_map(|line| said(line)?.split_once(" opened from "));
    opened.map(|(id, rest)| (id, value(rest, " on ")))
}

struct Reader<'l, 't> {
    run: RunId,
    paths: &'t HashMap<&'l str, &'l str>,
    told: &'t mut Logs,
    /// What an instance of a function counts in its present invocation.
    tallies: HashMap<&'l str, usize>,
}

impl<'l> Reader<'l, '_> {
    fn read(&mut self, log: &'l str) {
        for line in log.lines().filter_map(said) {
            if let Some(trace) = line.strip_prefix("trace role=") {
                self.trace(trace);
            } else if let Some((instance, said)) = line.split_once(" | ") {
                self.function_said(instance, said);
            } else if let Some(node) = taken_over(line) {
                self.told.taken_over.insert((self.run, node));
            } else if let Some((id, how)) = line.split_once(' ')
                && let Some(told) = self.of(id)
                && (how.starts_with("closed")
                    || how.starts_with("connection lost")
                    || how.starts_with("idle"))
            {
                // Without the request id and the reason, so that equal ends are counted together.
                let how = how.split(" (request ").next().unwrap_or(how);
                let reason = how.strip_prefix("closed by a function (4001) ");
                told.closed_by_push = reason.and_then(push_number);
                told.closed = Some(reason.map_or(how, |_| "closed by a function").to_owned());
            }
        }
    }

    fn of(&mut self, id: &str) -> Option<&mut Logged> {
        self.told.opened.get_mut(*self.paths.get(id)?)
    }

    fn trace(&mut self, trace: &str) {
        let (id, outcome) = (value(trace, " connection="), value(trace, " outcome="));
        let role = trace.split(' ').next().unwrap_or(trace);
        let cleanup = Cleanup { by: self.run, crashed: outcome == "crashed" };
        let did_not_start = cleanup.crashed && value(trace, " function_ms=") == "0.000";
        let is_called_again = did_not_start || is_called_again(outcome);
        if let Some(told) = self.of(id) {
            match role {
                "transfer" => told.transfers.push(outcome.to_owned()),
                "cleanup" if !is_called_again => told.cleanups.push(cleanup),
                _ => {}
            }
            return;
        }
        match role {
            "register" => {
                let outcome = if did_not_start { "did not start" } else { outcome };
                self.unopened(id).register = Some((self.run, outcome.to_owned()));
            }
            "cleanup" if !is_called_again => self.unopened(id).cleanups.push(cleanup),
            _ => {}
        }
    }

    fn unopened(&mut self, id: &str) -> &mut Unopened {
        self.told.unopened.entry(id.to_owned()).or_default()
    }

    fn function_said(&mut self, instance: &'l str, said: &str) {
        if said.contains("pushes asked=") {
            let failed: usize = value(said, " failed=").parse().unwrap_or(0);
            let untried: usize = value(said, " untried=").parse().unwrap_or(0);
            // The line at the level of a warning repeats the same count.
            self.tallies.insert(instance, failed + untried);
        } else if said.contains(" role=transfer ") && said.contains(" outcome=ok") {
            let failed = self.tallies.remove(instance).unwrap_or(0);
            if let Some(told) = self.of(value(said, " connection=")) {
                told.failed_pushes.push(failed);
            }
        }
    }
}

/// The number of the push that has sent this frame, or is the reason of this close.
pub fn push_number(name: &str) -> Option<usize> {
    name.strip_prefix(PUSH)?.parse().ok()
}

/// Whether a connection was closed because the others had declared its node lost.
pub fn is_of_lost_node(closed: &str) -> bool {
    closed.ends_with("(1012): the gateway was cut off")
}

/// Which node a process says that it takes over, or has.
fn taken_over(line: &str) -> Option<NodeId> {
    let is_taken_over =
        [" taken over", "take-over of ", " is lost: this node calls "].iter().any(|said| line.contains(said));
    is_taken_over.then(|| value(line, "node ").parse().ok()).flatten()
}

/// Whether the gateway calls a cleanup function again that had this outcome.
fn is_called_again(outcome: &str) -> bool {
    matches!(outcome, "timed_out" | "overloaded" | "unavailable" | "circuit_open" | "abandoned")
}

/// A line without its time and level.
fn said(line: &str) -> Option<&str> {
    line.split_once("] ").map(|(_, said)| said)
}

fn value<'l>(line: &'l str, name: &str) -> &'l str {
    line.split_once(name).map_or("", |(_, rest)| rest.split(' ').next().unwrap_or(""))
}
