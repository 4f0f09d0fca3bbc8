//! The account: what became of every frame and of every delivery that was due, from the clients' journal and the log of
//! the gateway and its functions.
//!
//! A frame that a client sent is one event of the transfer function, unless the line was lost on the way or an earlier
//! frame of that connection failed, behind which nothing is carried out. An event that succeeded must have reached
//! everybody who was connected the whole time, except where the function itself counts pushes that failed.
//!
//! Where a gateway's process was killed, suspended or cut off from its cluster, its clients' frames may be lost with it,
//! and what others sent to them. A closing event is due in any case. Another node calls it only where the connection's
//! process was killed, was declared lost, or could not leave in order, and no process calls it twice.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    time::{Duration, Instant},
};

use crate::{
    journal::{FrameId, Journal, Life, LifeId},
    logged::{self, Logged},
    runs::{Fault, Run, Runs},
};

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

/// What the clients have seen, arranged for looking up.
struct Seen<'p> {
    runs: &'p [Run],
    lives: &'p BTreeMap<LifeId, Life>,
    logged: &'p HashMap<String, Logged>,
    received: BTreeMap<LifeId, HashSet<FrameId>>,
    /// When the last receiver of a frame received it.
    last: HashMap<FrameId, Instant>,
}

impl<'p> Seen<'p> {
    fn new(lives: &'p BTreeMap<LifeId, Life>, runs: &'p [Run], logged: &'p HashMap<String, Logged>) -> Self {
        let mut last: HashMap<FrameId, Instant> = HashMap::new();
        for (frame, at) in lives.values().flat_map(|life| &life.received) {
            let latest = last.entry(*frame).or_insert(*at);
            *latest = (*latest).max(*at);
        }
        let frames = |life: &Life| life.received.iter().map(|(frame, _)| *frame).collect();
        let received = lives.iter().map(|(id, life)| (*id, frames(life))).collect();
        Self { runs, lives, logged, received, last }
    }

    /// Whether functions may have forgotten this connection before its client noticed its end: the other nodes had
    /// declared its node lost.
    fn was_lost(&self, id: LifeId, life: &Life) -> bool {
        let run = &self.runs[life.run];
        let logged = self.logged.get(&id.to_string());
        let closed = logged.and_then(|logged| logged.closed.as_deref());
        // A client may leave, and its suspended node notice that before it notices that it was declared lost.
        let taken_over = logged.is_some_and(|logged| logged.cleanups.iter().any(|by| *by != life.run));
        run.was(Fault::Killed) || closed.is_some_and(is_of_lost_node) || taken_over
    }
}

pub fn draw_up(journal: &Journal, runs: &Runs) -> Account {
    let (pages, runs) = (journal.pages(), runs.all());
    let logged = logged::read(&runs.iter().map(|run| run.log.as_str()).collect::<Vec<_>>());
    let seen = Seen::new(&pages.lives, &runs, &logged);
    let mut account = Account::default();
    for (id, life) in &pages.lives {
        let nothing = Logged::default();
        let told = logged.get(&id.to_string()).unwrap_or(&nothing);
        account.connection(*id, life, told, &runs[life.run]);
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

    fn connection(&mut self, id: LifeId, life: &Life, told: &Logged, run: &Run) {
        *self.connections.entry("accepted".into()).or_default() += 1;
        let closed = told.closed.as_deref().unwrap_or(if run.was(Fault::Killed) {
            "its process was killed"
        } else {
            "never closed"
        });
        *self.connections.entry(format!("ended: {closed}")).or_default() += 1;
        let own = told.cleanups.iter().filter(|by| **by == life.run).count();
        let others: HashSet<_> = told.cleanups.iter().filter(|by| **by != life.run).collect();
        // A node that was declared lost, or whose last deletions were not confirmed.
        let may_be_twice = run.was(Fault::Killed) || run.was_declared_lost() || run.left_without_redis();
        let may_be_left = may_be_twice || run.left_clients();
        match (own, others.len(), told.cleanups.len() - own) {
            (1, 0, 0) => {}
            (0, 1, 1) if may_be_left => self.count_connection("closing event by another node"),
            (0, 2.., all) if may_be_left && others.len() == all => {
                self.count_connection("closing event by several other nodes");
            }
            (1, 1.., all) if may_be_twice && others.len() == all => {
                self.count_connection("closing event by its node and another");
            }
            (own, nodes, others) => self.unexplained.push(format!(
                "{id}: {own} closing events of its own node and {others} of {nodes} others, {closed}"
            )),
        }
        for text in &life.foreign {
            self.unexplained.push(format!("{id}: received {text:?}, which no client sent"));
        }
        let mut seen = HashSet::new();
        let mut last: HashMap<LifeId, usize> = HashMap::new();
        for (frame, _) in &life.received {
            if !seen.insert(frame) {
                self.unexplained.push(format!("{id}: received {frame} twice"));
            } else if last.insert(frame.life, frame.number).is_some_and(|last| last > frame.number) {
                self.unexplained.push(format!("{id}: received {frame} behind a later one"));
            }
        }
    }

    fn frames_of(&mut self, id: LifeId, life: &Life, told: &Logged, seen: &Seen<'_>) {
        let mut succeeded = 0;
        for (number, sent) in life.sent.iter().enumerate() {
            let frame = FrameId { life: id, number };
            match told.transfers.get(number).map(String::as_str) {
                Some("ok") => {
                    let failed_pushes = told.failed_pushes.get(succeeded).copied();
                    succeeded += 1;
                    self.count_frame("carried out");
                    // The function's last lines may be lost with the process that collects them.
                    let is_cut = failed_pushes.is_none() && seen.runs[life.run].was(Fault::Killed);
                    let unknown = if is_cut { usize::MAX } else { 0 };
                    self.deliveries_of(frame, *sent, failed_pushes.unwrap_or(unknown), seen);
                }
                Some(outcome) => {
                    self.count_frame(&format!("refused: the transfer function's outcome is {outcome}"));
                }
                None if life.cut => self.count_frame("lost with the line that its client cut"),
                None if told.transfers.last().is_some_and(|last| last != "ok") => {
                    self.count_frame("refused: behind a frame that failed");
                }
                None if told.closed.is_none() && seen.runs[life.run].was(Fault::Killed) => {
                    self.count_frame("lost with the process that was killed");
                }
                None if told.closed.as_deref().is_some_and(is_of_lost_node) => {
                    self.count_frame("lost with the node that was declared lost");
                }
                None if life.ended.is_some_and(|ended| ended < *sent + SLACK) => {
                    self.count_frame("sent when the connection was about to end");
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
                let until = last.unwrap_or(sent) + SLACK;
                if seen.was_lost(*id, life) && seen.runs[life.run].had_a_fault_between(sent, until) {
                    self.count_delivery("to a client of a node that was lost");
                } else {
                    missing.push(*id);
                }
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

    fn count_connection(&mut self, what: &str) {
        *self.connections.entry(what.to_owned()).or_default() += 1;
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

/// Whether a connection was closed because the others had declared its node lost.
fn is_of_lost_node(closed: &str) -> bool {
    closed.ends_with("(1012): the gateway was cut off")
}
