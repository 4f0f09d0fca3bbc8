//! What became of each client: its register and cleanup events, the frames that it sent, and the lines that it should have
//! received.
//!
//! Each connection that the register function accepted gets its closing event; a second one only where its instance was
//! frozen or killed, after which another instance cannot know that the first was called. A line that was carried out reaches
//! everyone who was in the room the whole time, except where the log counts frames that a closing connection had no time for.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    client::{Life, LifeId},
    logged::{self, Logged},
};

/// From the end that the gateway finds to the close frame, which waits for the cleanup function and for what is still to be
/// sent at the platform's rate: a tenth of the time limit.
const CLOSING: Duration = Duration::from_secs(2);
/// Who leaves this soon after a line's last delivery may have been on the way out already.
const SLACK: Duration = Duration::from_secs(1);
const SHOWN: usize = 30;

#[derive(Debug, Default)]
pub struct Account {
    connections: BTreeMap<String, usize>,
    frames: BTreeMap<String, usize>,
    deliveries: BTreeMap<String, usize>,
    unexplained: Vec<String>,
}

impl Account {
    pub fn of(lives: &BTreeMap<LifeId, Life>, logs: &[String], killed: &[bool]) -> Self {
        let logged = logged::read(&logs.iter().map(String::as_str).collect::<Vec<_>>());
        let unsent = unsent(logs);
        let mut account = Self::default();
        for (id, life) in lives {
            let path = id.to_string();
            match logged.opened.get(&path) {
                Some(told) => {
                    account.connection(*id, life, told, killed);
                    account.frames_of(*id, life, told, lives, &unsent);
                }
                None if life.how.starts_with("not opened") => account.connection_of(&life.how),
                None => account.unexplained(format!("{id}: in no log, {}", life.how)),
            }
        }
        account
    }

    fn connection(&mut self, id: LifeId, life: &Life, told: &Logged, killed: &[bool]) {
        self.connection_of("registered");
        self.connection_of(&format!("ended: {}", life.how));
        let expected =
            ["1000 the time limit of the web function", "closed by the client", "cut by the client"];
        if !expected.contains(&life.how.as_str()) {
            self.unexplained(format!("{id}: {}", life.how));
        }
        let closed = told.closed.as_deref().unwrap_or("its end is in no log");
        match told.cleanups.as_slice() {
            [_] => self.connection_of("closing event: one"),
            [] => self.unexplained(format!("{id}: no closing event, {closed}")),
            several => {
                // Never twice by one instance, and another one only after it was declared lost.
                let mut by: Vec<_> = several.iter().map(|cleanup| cleanup.by).collect();
                by.sort_unstable();
                by.dedup();
                if by.len() == several.len() {
                    let dead = by.iter().any(|run| killed[*run]);
                    self.connection_of(&format!(
                        "closing event: one each of several instances, {}",
                        if dead { "one of which was killed" } else { "one of which was frozen" }
                    ));
                } else {
                    self.unexplained(format!("{id}: closing events by {several:?}, {closed}"));
                }
            }
        }
    }

    fn frames_of(
        &mut self,
        id: LifeId,
        life: &Life,
        told: &Logged,
        lives: &BTreeMap<LifeId, Life>,
        unsent: &HashMap<String, usize>,
    ) {
        for number in 0..life.frames {
            match told.transfers.get(number).map(String::as_str) {
                Some("ok") => *self.frames.entry("carried out".to_owned()).or_default() += 1,
                Some(outcome) => {
                    self.unexplained(format!("{id}: frame {number}: the function's outcome is {outcome}"));
                }
                None => {
                    let sent = life.said.iter().find(|(_, _, frame)| *frame == number).map(|(_, at, _)| *at);
                    if sent.is_none_or(|sent| life.ended.is_some_and(|ended| sent + CLOSING > ended)) {
                        *self
                            .frames
                            .entry("sent when the connection was about to end".to_owned())
                            .or_default() += 1;
                    } else {
                        self.unexplained(format!("{id}: frame {number} was never carried out"));
                    }
                }
            }
        }
        for (line, at, frame) in &life.said {
            if told.transfers.get(*frame).is_some_and(|outcome| outcome == "ok") {
                self.deliveries_of(line, *at, life.room, lives, unsent);
            }
        }
    }

    fn deliveries_of(
        &mut self,
        line: &str,
        said: Instant,
        room: usize,
        lives: &BTreeMap<LifeId, Life>,
        unsent: &HashMap<String, usize>,
    ) {
        let times = |life: &Life| life.heard.iter().filter(|(heard, _)| heard == line).count();
        let heard_at = |life: &Life| life.heard.iter().find(|(heard, _)| heard == line).map(|(_, at)| *at);
        let last = lives.values().filter_map(heard_at).max().unwrap_or(said);
        for (id, life) in lives.iter().filter(|(_, life)| life.room == room) {
            match times(life) {
                0 => {}
                1 => {
                    self.delivery("delivered");
                    continue;
                }
                times => {
                    self.unexplained(format!("{id}: received {line} {times} times"));
                    continue;
                }
            }
            let was_there = life.entered.is_some_and(|entered| entered + SLACK <= said);
            let stayed = life.ended.is_none_or(|ended| ended > last + SLACK);
            if was_there && stayed {
                self.unexplained(format!("{id}: {line} never arrived"));
            } else if unsent.contains_key(&id.to_string()) && was_there {
                self.delivery("counted in the log: a closing connection had no time for it");
            } else if life.entered.is_some_and(|entered| entered < last + SLACK)
                && life.ended.is_none_or(|ended| ended > said)
            {
                self.delivery("to a client that came or left meanwhile");
            }
        }
    }

    fn connection_of(&mut self, what: &str) {
        *self.connections.entry(what.to_owned()).or_default() += 1;
    }

    fn delivery(&mut self, what: &str) {
        *self.deliveries.entry(what.to_owned()).or_default() += 1;
    }

    pub fn unexplained(&mut self, what: String) {
        self.unexplained.push(what);
    }

    pub fn unexplained_count(&self) -> usize {
        self.unexplained.len()
    }
}

/// How many frames waited for connections when they had to end, by path.
fn unsent(logs: &[String]) -> HashMap<String, usize> {
    let lines = || logs.iter().flat_map(|log| log.lines()).filter_map(|line| line.split_once("] "));
    let paths: HashMap<&str, &str> = lines()
        .filter_map(|(_, said)| said.split_once(" opened from "))
        .filter_map(|(id, rest)| Some((id, rest.split_once(" on ")?.1.split(' ').next()?)))
        .collect();
    lines()
        .filter_map(|(_, said)| said.split_once(": the connection had to end before "))
        .filter_map(|(id, rest)| Some(((*paths.get(id)?).to_owned(), rest.split(' ').next()?.parse().ok()?)))
        .collect()
}

pub fn table(name: &str, rows: &BTreeMap<String, usize>) -> String {
    rows.iter().fold(format!("\n| {name} | |\n| --- | ---: |\n"), |table, (what, times)| {
        table + &format!("| {what} | {times} |\n")
    })
}

impl fmt::Display for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables =
            [("connections", &self.connections), ("frames", &self.frames), ("deliveries", &self.deliveries)];
        for (name, rows) in tables {
            formatter.write_str(&table(name, rows))?;
        }
        for what in self.unexplained.iter().take(SHOWN) {
            write!(formatter, "\nUNEXPLAINED {what}")?;
        }
        Ok(())
    }
}
