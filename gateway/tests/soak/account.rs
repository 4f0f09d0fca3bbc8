//! The account: what became of every frame and of every delivery that was due, from the clients' journal and the log of
//! the gateway and its functions.
//!
//! A frame that a client sent is one event of the transfer function, unless the line was lost on the way or an earlier
//! frame of that connection failed, behind which nothing is carried out. An event that succeeded must have reached
//! everybody who was connected the whole time, except where the function itself counts pushes that failed.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    time::{Duration, Instant},
};

use crate::journal::{FrameId, Journal, Life, LifeId};

/// A client that left this soon after a frame's last delivery may have been on its way out already.
const SLACK: Duration = Duration::from_secs(1);

/// As many of the unexplained are shown.
const SHOWN: usize = 20;

#[derive(Debug, Default)]
pub struct Account {
    frames: BTreeMap<String, usize>,
    deliveries: BTreeMap<String, usize>,
    connections: BTreeMap<String, usize>,
    unexplained: Vec<String>,
}

/// What the log tells of one connection.
#[derive(Debug, Default)]
struct Logged {
    /// The transfer function's invocations in order, each with its outcome.
    transfers: Vec<String>,
    /// What the function counted in those that succeeded, in order: pushes that did not reach the gateway.
    failed_pushes: Vec<usize>,
    cleanups: usize,
    closed: Option<String>,
}

/// What the clients have seen, arranged for looking up.
struct Seen<'p> {
    lives: &'p BTreeMap<LifeId, Life>,
    received: BTreeMap<LifeId, HashSet<FrameId>>,
    /// When the last receiver of a frame received it.
    last: HashMap<FrameId, Instant>,
}

impl<'p> Seen<'p> {
    fn new(lives: &'p BTreeMap<LifeId, Life>) -> Self {
        let mut last: HashMap<FrameId, Instant> = HashMap::new();
        for (frame, at) in lives.values().flat_map(|life| &life.received) {
            let latest = last.entry(*frame).or_insert(*at);
            *latest = (*latest).max(*at);
        }
        let frames = |life: &Life| life.received.iter().map(|(frame, _)| *frame).collect();
        let received = lives.iter().map(|(id, life)| (*id, frames(life))).collect();
        Self { lives, received, last }
    }
}

pub fn draw_up(journal: &Journal, log: &str) -> Account {
    let pages = journal.pages();
    let seen = Seen::new(&pages.lives);
    let logged = read_log(log);
    let mut account = Account::default();
    for (id, life) in &pages.lives {
        let nothing = Logged::default();
        let told = logged.get(&id.to_string()).unwrap_or(&nothing);
        account.connection(*id, life, told);
        account.frames_of(*id, life, told, &seen);
    }
    for (why, times) in &pages.refused {
        *account.connections.entry(format!("refused: {why}")).or_default() += times;
    }
    account
}

impl Account {
    pub fn is_explained(&self) -> bool {
        self.unexplained.is_empty()
    }

    fn connection(&mut self, id: LifeId, life: &Life, told: &Logged) {
        *self.connections.entry("accepted".into()).or_default() += 1;
        let closed = told.closed.as_deref().unwrap_or("never closed");
        *self.connections.entry(format!("ended: {closed}")).or_default() += 1;
        if told.cleanups != 1 {
            self.unexplained.push(format!("{id}: {} closing events, {closed}", told.cleanups));
        }
        for text in &life.foreign {
            self.unexplained.push(format!("{id}: received {text:?}, which no client sent"));
        }
        let mut seen = HashSet::new();
        for (frame, _) in &life.received {
            if !seen.insert(frame) {
                self.unexplained.push(format!("{id}: received {frame} twice"));
            }
        }
    }

    fn frames_of(&mut self, id: LifeId, life: &Life, told: &Logged, seen: &Seen<'_>) {
        let mut succeeded = 0;
        for (number, sent) in life.sent.iter().enumerate() {
            let frame = FrameId { life: id, number };
            match told.transfers.get(number).map(String::as_str) {
                Some("ok") => {
                    let failed_pushes = told.failed_pushes.get(succeeded).copied().unwrap_or(0);
                    succeeded += 1;
                    self.count_frame("carried out");
                    self.deliveries_of(frame, *sent, failed_pushes, seen);
                }
                Some(outcome) => {
                    self.count_frame(&format!("refused: the transfer function's outcome is {outcome}"));
                }
                None if life.cut => self.count_frame("lost with the line that its client cut"),
                None if told.transfers.last().is_some_and(|last| last != "ok") => {
                    self.count_frame("refused: behind a frame that failed");
                }
                None => self.unexplained.push(format!(
                    "frame {frame} was never carried out; its connection {}",
                    told.closed.as_deref().unwrap_or("is in no line of the log")
                )),
            }
        }
    }

    fn deliveries_of(&mut self, frame: FrameId, sent: Instant, failed_pushes: usize, seen: &Seen<'_>) {
        let last = seen.last.get(&frame).copied();
        let mut missing = Vec::new();
        for (id, life) in seen.lives {
            if seen.received[id].contains(&frame) {
                self.count_delivery("delivered");
                continue;
            }
            let was_there_before = life.opened <= sent;
            // No client received it, although those that stayed to the end should have.
            let stayed = life.ended.is_none_or(|ended| last.is_some_and(|last| ended > last + SLACK));
            if was_there_before && stayed {
                missing.push(*id);
            } else if life.opened <= last.unwrap_or(sent) && life.ended.is_none_or(|ended| ended > sent) {
                self.count_delivery("to a client that came or left meanwhile");
            }
        }
        if missing.len() <= failed_pushes {
            for _ in missing {
                self.count_delivery("refused: the function counts a push that failed");
            }
        } else {
            let to = missing.iter().take(5).map(ToString::to_string).collect::<Vec<_>>().join(" ");
            let all = missing.len();
            self.unexplained.push(format!(
                "frame {frame} did not reach {all} clients ({to} …); the function counts {failed_pushes} failed pushes"
            ));
        }
    }

    fn count_frame(&mut self, what: &str) {
        *self.frames.entry(what.to_owned()).or_default() += 1;
    }

    fn count_delivery(&mut self, what: &str) {
        *self.deliveries.entry(what.to_owned()).or_default() += 1;
    }
}

impl fmt::Display for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables =
            [("connections", &self.connections), ("frames", &self.frames), ("deliveries", &self.deliveries)];
        for (name, table) in tables {
            writeln!(formatter, "| {name} | {} |\n| --- | ---: |", table.values().sum::<usize>())?;
            for (what, count) in table {
                writeln!(formatter, "| {what} | {count} |")?;
            }
            writeln!(formatter)?;
        }
        writeln!(formatter, "unexplained: {}", self.unexplained.len())?;
        for what in self.unexplained.iter().take(SHOWN) {
            writeln!(formatter, "- {what}")?;
        }
        Ok(())
    }
}

/// By the path on which the connection was opened.
fn read_log(log: &str) -> HashMap<String, Logged> {
    let mut paths: HashMap<&str, &str> = HashMap::new();
    let mut tallies: HashMap<&str, usize> = HashMap::new();
    let mut logged: HashMap<String, Logged> = HashMap::new();
    // A register function's events come before its connection is opened, and no others do.
    for line in log.lines() {
        let Some((_, line)) = line.split_once("] ") else { continue };
        if let Some((id, rest)) = line.split_once(" opened from ") {
            let path = value(rest, " on ");
            paths.insert(id, path);
            logged.entry(path.to_owned()).or_default();
        } else if let Some(trace) = line.strip_prefix("trace role=") {
            let connection = value(trace, " connection=");
            let Some(told) = paths.get(connection).and_then(|path| logged.get_mut(*path)) else { continue };
            if trace.starts_with("transfer ") {
                told.transfers.push(value(trace, " outcome=").to_owned());
            } else if trace.starts_with("cleanup ") {
                told.cleanups += 1;
            }
        } else if let Some((instance, said)) = line.split_once(" | ") {
            if said.contains("pushes asked=") {
                let failed: usize = value(said, " failed=").parse().unwrap_or(0);
                let untried: usize = value(said, " untried=").parse().unwrap_or(0);
                // The line at the level of a warning repeats the same count.
                tallies.insert(instance, failed + untried);
            } else if said.contains(" role=transfer ") && said.contains(" outcome=ok") {
                let failed = tallies.remove(instance).unwrap_or(0);
                let told = paths.get(value(said, " connection=")).and_then(|path| logged.get_mut(*path));
                if let Some(told) = told {
                    told.failed_pushes.push(failed);
                }
            }
        } else if let Some((id, how)) = line.split_once(' ')
            && let Some(told) = paths.get(id).and_then(|path| logged.get_mut(*path))
            && (how.starts_with("closed") || how.starts_with("connection lost") || how.starts_with("idle"))
        {
            // Without the request id, so that equal ends are counted together.
            told.closed = Some(how.split(" (request ").next().unwrap_or(how).to_owned());
        }
    }
    logged
}

fn value<'l>(line: &'l str, name: &str) -> &'l str {
    line.split_once(name).map_or("", |(_, rest)| rest.split(' ').next().unwrap_or(""))
}
