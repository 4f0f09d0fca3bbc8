//! What the logs of the gateway's processes tell of each connection.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use scf_websocket_gateway::cluster::NodeId;
use serde::Deserialize;

use crate::runs::RunId;

/// What the soak calls its own pushes begins with this; the number follows.
pub const PUSH: &str = "push-";

/// A line of the log in JSON; what it does not have is empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Line<'l> {
    pub time: &'l str,
    #[serde(borrow)]
    pub message: Cow<'l, str>,
    pub connection: &'l str,
    /// Of a connection that is opened or has ended.
    pub path: &'l str,
    /// Why it has ended.
    pub reason: &'l str,
    /// Of an invocation.
    pub role: &'l str,
    pub outcome: &'l str,
    function_ms: f64,
    /// Which the process takes over, or has.
    lost_node: &'l str,
}

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
    /// Why it has ended.
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
    let lines: Vec<_> = log.lines().filter(|line| line.contains(r#""role":"cleanup""#)).collect();
    // Without the lines on what was opened, nothing was.
    let told = read(&[&lines.join("\n")]).unopened.into_iter();
    told.filter(|(_, told)| !told.cleanups.is_empty()).map(|(id, _)| id).collect()
}

/// The ids of the connections that a process has opened, and their paths.
pub fn opened(log: &str) -> impl Iterator<Item = (&str, &str)> {
    lines(log).filter(Line::is_opened).map(|line| (line.connection, line.path))
}

/// The lines that were written completely.
pub fn lines(log: &str) -> impl Iterator<Item = Line<'_>> {
    log.lines().filter_map(|line| serde_json::from_str(line).ok())
}

impl Line<'_> {
    /// Whether it says that a connection was opened.
    pub fn is_opened(&self) -> bool {
        !self.path.is_empty() && self.reason.is_empty()
    }
}

struct Reader<'l, 't> {
    run: RunId,
    paths: &'t HashMap<&'l str, &'l str>,
    told: &'t mut Logs,
    /// What an instance of a function counts in its present invocation.
    tallies: HashMap<String, usize>,
}

impl Reader<'_, '_> {
    fn read(&mut self, log: &str) {
        for line in lines(log) {
            if !line.role.is_empty() {
                self.invoked(&line);
            } else if let Ok(node) = line.lost_node.parse() {
                self.told.taken_over.insert((self.run, node));
            } else if line.reason.is_empty() {
                if let Some((instance, said)) = line.message.split_once(" | ") {
                    self.function_said(instance, said);
                }
            } else if let Some(told) = self.of(line.connection) {
                told.closed_by_push = line.message.split(' ').find_map(push_number);
                told.closed = Some(line.reason.to_owned());
            }
        }
    }

    fn of(&mut self, id: &str) -> Option<&mut Logged> {
        self.told.opened.get_mut(*self.paths.get(id)?)
    }

    fn invoked(&mut self, line: &Line<'_>) {
        let cleanup = Cleanup { by: self.run, crashed: line.outcome == "crashed" };
        let did_not_start = cleanup.crashed && line.function_ms <= 0.0;
        let is_called_again = did_not_start || is_called_again(line.outcome);
        if let Some(told) = self.of(line.connection) {
            match line.role {
                "transfer" => told.transfers.push(line.outcome.to_owned()),
                "cleanup" if !is_called_again => told.cleanups.push(cleanup),
                _ => {}
            }
            return;
        }
        match line.role {
            "register" => {
                let outcome = if did_not_start { "did not start" } else { line.outcome };
                self.unopened(line.connection).register = Some((self.run, outcome.to_owned()));
            }
            "cleanup" if !is_called_again => self.unopened(line.connection).cleanups.push(cleanup),
            _ => {}
        }
    }

    fn unopened(&mut self, id: &str) -> &mut Unopened {
        self.told.unopened.entry(id.to_owned()).or_default()
    }

    fn function_said(&mut self, instance: &str, said: &str) {
        if said.contains("pushes asked=") {
            let failed: usize = value(said, " failed=").parse().unwrap_or(0);
            let untried: usize = value(said, " untried=").parse().unwrap_or(0);
            // The line at the level of a warning repeats the same count.
            self.tallies.insert(instance.to_owned(), failed + untried);
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
    closed == "node_lost"
}

/// Whether the gateway calls a cleanup function again that had this outcome.
fn is_called_again(outcome: &str) -> bool {
    matches!(outcome, "timed_out" | "overloaded" | "unavailable" | "circuit_open" | "abandoned")
}

/// A value in a line that a function writes.
fn value<'l>(line: &'l str, name: &str) -> &'l str {
    line.split_once(name).map_or("", |(_, rest)| rest.split(' ').next().unwrap_or(""))
}
