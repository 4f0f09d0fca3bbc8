//! The account: what became of every frame and of every delivery that was due, from the clients' journal and the log of
//! the gateway and its functions.
//!
//! A frame that a client sent is one event of the transfer function, unless the line was lost on the way or an earlier
//! frame of that connection failed, behind which nothing is carried out. An event that succeeded must have reached
//! everybody who was connected the whole time, except where the function itself counts pushes that failed.
//!
//! Where a gateway's process was killed, suspended or cut off from its cluster, its clients' frames may be lost with it,
//! and what others sent to them. What may be open beyond that is what docs/cluster.md and docs/push.md leave open:
//! [`closing`] knows how many closing events a connection is due, and [`own_pushes`] what a push comes to.

mod closing;
mod own_pushes;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    time::{Duration, Instant},
};

use crate::{
    journal::{FrameId, Journal, Life, LifeId, Pages},
    logged::{self, Logged, Logs, is_of_lost_node},
    pushes::{Push, Pushes},
    runs::{Fault, RedisFaults, Run, Runs},
};

/// A client that left this soon after a frame's last delivery may have been on its way out already.
const SLACK: Duration = Duration::from_secs(1);

/// A function pushes for so long at most; a node that is declared lost meanwhile has its clients no more.
const FUNCTION: Duration = Duration::from_secs(3);

/// As many of the unexplained are shown.
const SHOWN: usize = 20;

#[derive(Debug, Default)]
pub struct Account {
    frames: BTreeMap<String, usize>,
    deliveries: BTreeMap<String, usize>,
    connections: BTreeMap<String, usize>,
    pushes: BTreeMap<String, usize>,
    unexplained: Vec<String>,
}

/// What the clients have seen and the logs tell, arranged for looking up.
struct Seen<'p> {
    runs: &'p [Run],
    redis: &'p RedisFaults,
    lives: &'p BTreeMap<LifeId, Life>,
    logs: &'p Logs,
    pushes: &'p [Push],
    received: BTreeMap<LifeId, HashSet<FrameId>>,
    /// Since when functions need not know a connection any more, whether its client has noticed or not.
    ended: BTreeMap<LifeId, Option<Instant>>,
    /// When the last receiver of a frame received it.
    last: HashMap<FrameId, Instant>,
}

impl<'p> Seen<'p> {
    fn new(
        lives: &'p BTreeMap<LifeId, Life>,
        (runs, redis): (&'p [Run], &'p RedisFaults),
        (logs, pushes): (&'p Logs, &'p [Push]),
    ) -> Self {
        let mut last: HashMap<FrameId, Instant> = HashMap::new();
        for (frame, at) in lives.values().flat_map(|life| &life.received) {
            let latest = last.entry(*frame).or_insert(*at);
            *latest = (*latest).max(*at);
        }
        let frames = |life: &Life| life.received.iter().map(|(frame, _)| *frame).collect();
        let received = lives.iter().map(|(id, life)| (*id, frames(life))).collect();
        let ended = lives.iter().map(|(id, life)| (*id, ended(*id, life, logs, pushes))).collect();
        Self { runs, redis, lives, logs, pushes, received, ended, last }
    }

    /// What the logs tell of a connection that its client has seen open.
    fn told(&self, id: LifeId) -> Option<&'p Logged> {
        self.logs.opened.get(&id.to_string())
    }

    /// Whether functions may have forgotten this connection before its client noticed its end: the other nodes had
    /// declared its node lost.
    fn was_lost(&self, id: LifeId, life: &Life) -> bool {
        self.runs[life.run].was(Fault::Killed) || self.was_taken_over(id)
    }

    /// Likewise, its process being alive.
    fn was_taken_over(&self, id: LifeId) -> bool {
        let Some(told) = self.told(id) else { return false };
        // A client may leave, and its suspended node notice that before it notices that it was declared lost.
        told.closed.as_deref().is_some_and(is_of_lost_node) || self.logs.is_taken_over(&told.id)
    }
}

/// A push that has closed the connection counts from when it was made.
fn ended(id: LifeId, life: &Life, logs: &Logs, pushes: &[Push]) -> Option<Instant> {
    let closed = logs.opened.get(&id.to_string()).and_then(|told| pushes.get(told.closed_by_push?));
    closed.map_or(life.ended, |push| Some(life.ended.map_or(push.asked, |ended| ended.min(push.asked))))
}

pub fn draw_up(journal: &Journal, runs: &Runs, pushes: &Pushes) -> Account {
    let (pages, redis, runs, pushes) = (journal.pages(), runs.redis(), runs.all(), pushes.all());
    let Pages { lives, refused } = &*pages;
    let logs = logged::read(&runs.iter().map(|run| run.log.as_str()).collect::<Vec<_>>());
    let seen = Seen::new(lives, (&runs, &redis), (&logs, &pushes));
    let mut account = Account::default();
    for (id, life) in lives {
        account.closing_events(*id, life, &seen);
        account.order_of_frames(*id, life);
        account.frames_of(*id, life, &seen);
    }
    account.connections_without_a_client(&seen);
    for (number, push) in pushes.iter().enumerate() {
        account.push(number, push, &seen);
    }
    for (why, times) in refused {
        *account.connections.entry(format!("refused: {why}")).or_default() += times;
    }
    account
}

impl Account {
    pub fn is_explained(&self) -> bool {
        self.unexplained.is_empty()
    }

    fn order_of_frames(&mut self, id: LifeId, life: &Life) {
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

    fn frames_of(&mut self, id: LifeId, life: &Life, seen: &Seen<'_>) {
        let nothing = Logged::default();
        let told = seen.told(id).unwrap_or(&nothing);
        let (mut succeeded, ended) = (0, seen.ended[&id]);
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
                // Also if the client itself has closed the connection, before the node has found out.
                None if told.closed.as_deref().is_some_and(is_of_lost_node)
                    || seen.runs[told.by].was_declared_lost()
                        && told.cleanups.iter().any(|cleanup| cleanup.by != told.by) =>
                {
                    self.count_frame("lost with the node that was declared lost");
                }
                None if ended.is_some_and(|ended| ended < *sent + SLACK) => {
                    self.count_frame("sent when the connection was about to end");
                }
                // Frames that wait are not passed on then.
                None if told.closed_by_push.is_some() => {
                    self.count_frame("before a function closed the connection");
                }
                None => self.unexplained.push(format!(
                    "frame {frame} was never carried out; its connection: {}",
                    told.closed.as_deref().unwrap_or("in no line of the log")
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
            let (was_there_before, ended) = (life.opened <= sent, seen.ended[id]);
            // No client received it, although those that stayed to the end should have.
            let stayed = ended.is_none_or(|ended| last.is_some_and(|last| ended > last + SLACK));
            if was_there_before && stayed {
                let until = last.unwrap_or(sent) + SLACK;
                let had_a_fault = seen.runs[life.run].had_a_fault_between(sent, until);
                let left_meanwhile = ended.is_some_and(|ended| ended < sent + FUNCTION + SLACK);
                if seen.was_lost(*id, life) && (had_a_fault || left_meanwhile) {
                    self.count_delivery("to a client of a node that was lost");
                } else {
                    missing.push(*id);
                }
            } else if life.opened <= last.unwrap_or(sent) && ended.is_none_or(|ended| ended > sent) {
                self.count_delivery("to a client that came or left meanwhile");
            }
        }
        if missing.len() <= failed_pushes {
            for _ in missing {
                self.count_delivery("refused: the function counts a push that failed");
            }
        } else {
            let told = |id: &LifeId| {
                let closed =
                    seen.told(*id).and_then(|told| told.closed.as_deref()).unwrap_or("no end in the log");
                format!("{id} of process {}, {closed};", seen.lives[id].run)
            };
            let to = missing.iter().take(5).map(told).collect::<Vec<_>>().join(" ");
            let all = missing.len();
            self.unexplained.push(format!(
                "frame {frame} did not reach {all} clients ({to} …); the function of process {} counts {failed_pushes} failed pushes",
                seen.lives[&frame.life].run
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
        let tables = [
            ("connections", &self.connections),
            ("frames", &self.frames),
            ("deliveries", &self.deliveries),
            ("pushes", &self.pushes),
        ];
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
