//! What became of each client: its register and cleanup events, the frames that it sent, the lines that it should have
//! received, and what was pushed to it from outside.
//!
//! Each connection that the register function accepted gets its closing event; a second one only where its instance was
//! frozen or killed, after which another instance cannot know that the first was called. A line that was carried out reaches
//! everyone who was in the room the whole time, except where the log counts frames that a closing connection had no time for.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    time::Duration,
};

use scf_websocket_test_harness::web_platform::History;
use tokio::time::Instant;

use crate::{
    client::{Leaves, Life, LifeId},
    logged::{self, Logged},
    opened::{self, Opened},
    pusher::Pushed,
};

/// From the end that the gateway finds to the close frame, which waits for the cleanup function and for what is still to be
/// sent at the platform's rate: a tenth of the time limit.
const CLOSING: Duration = Duration::from_secs(2);
/// Who leaves this soon after a line's last delivery may have been on the way out already.
const SLACK: Duration = Duration::from_secs(1);
/// The cleanup function behind the last transfer function.
const FUNCTIONS: Duration = Duration::from_secs(6);
/// For how long a push may wait for an instance that was just resumed.
const WAKING: Duration = Duration::from_secs(2);
const SHOWN: usize = 30;

/// What was seen.
pub struct Seen<'s> {
    pub lives: &'s BTreeMap<LifeId, Life>,
    pub logs: &'s [String],
    pub histories: &'s [History],
    pub pushed: &'s Pushed,
    /// For how long this machine stood still at most, which makes everything later.
    pub stall: Duration,
}

#[derive(Debug, Default)]
pub struct Account {
    connections: BTreeMap<String, usize>,
    frames: BTreeMap<String, usize>,
    deliveries: BTreeMap<String, usize>,
    unexplained: Vec<String>,
    /// Frames that closing connections had no time for, of which no explanation has made use yet.
    unsent: HashMap<LifeId, usize>,
    closing: Duration,
    slack: Duration,
}

impl Account {
    pub fn of(seen: &Seen<'_>) -> Self {
        let logged = logged::read(&seen.logs.iter().map(String::as_str).collect::<Vec<_>>());
        let opened = opened::read(seen.logs);
        let (closing, slack) = (CLOSING + seen.stall, SLACK + seen.stall);
        let mut account = Self { closing, slack, ..Self::default() };
        for refused in opened::without_a_connection(seen.logs) {
            account.unexplained(refused);
        }
        for (id, life) in seen.lives {
            let path = id.to_string();
            match (opened.get(&path), logged.opened.get(&path)) {
                (Some(opened), Some(told)) => {
                    account.unsent.insert(*id, opened.unsent);
                    account.connection(*id, life, (opened, told), seen.histories);
                    account.frames_of(*id, life, (opened, told), seen.histories);
                }
                _ if life.how.starts_with("not opened: ") => account.not_opened(*id, life, seen.histories),
                _ => account.unexplained(format!("{id}: in no log, {}", life.how)),
            }
        }
        for (id, life) in seen.lives {
            for (line, frame) in &life.said {
                let told = logged.opened.get(&id.to_string());
                if told.and_then(|told| told.transfers.get(*frame)).is_some_and(|outcome| outcome == "ok") {
                    let carried_out =
                        opened.get(&id.to_string()).and_then(|opened| opened.transfers.get(*frame));
                    let said = (life.frames[*frame], *carried_out.unwrap_or(&life.frames[*frame]));
                    account.deliveries_of(line, said, life.room, seen.lives);
                }
            }
            account.order_of(*id, life, seen.lives);
        }
        let lives: HashMap<&str, LifeId> = seen
            .lives
            .keys()
            .filter_map(|id| Some((opened.get(&id.to_string())?.id.as_str(), *id)))
            .collect();
        account.pushes(seen, &lives, &opened);
        account
    }

    fn connection(
        &mut self,
        id: LifeId,
        life: &Life,
        (opened, told): (&Opened, &Logged),
        histories: &[History],
    ) {
        self.connection_of(&format!("ended: {}", life.how));
        let is_expected = match life.how.as_str() {
            "1000 idle" => matches!(Leaves::of(id.client), Leaves::Silent),
            how => ["1000 the time limit of the web function", "closed by the client", "cut by the client"]
                .contains(&how),
        };
        if !is_expected {
            self.unexplained(format!("{id}: {}", life.how));
        }
        if opened.registers == ["ok"] {
            self.connection_of("registered");
        } else {
            self.unexplained(format!("{id}: register events {:?}", opened.registers));
        }
        let closed = told.closed.as_deref().unwrap_or("its end is in no log");
        let mut by: Vec<_> = told.cleanups.iter().map(|cleanup| cleanup.by).collect();
        by.sort_unstable();
        by.dedup();
        match told.cleanups.len() {
            0 => self.unexplained(format!("{id}: no closing event, {closed}")),
            1 => self.connection_of("closing event: one"),
            // Never twice by one instance, and another one only after it was declared lost.
            times if times == by.len() && was_away(&histories[opened.run], life) => {
                let dead = by.iter().any(|run| histories[*run].dead.is_some());
                let what = if dead { "killed" } else { "frozen" };
                self.connection_of(&format!("closing event: one each of several instances, one was {what}"));
            }
            _ => self.unexplained(format!("{id}: closing events by {:?}, {closed}", told.cleanups)),
        }
    }

    /// A woken instance refuses clients until it has its cluster again, and they come back.
    fn not_opened(&mut self, id: LifeId, life: &Life, histories: &[History]) {
        let (Some(asked), Some(ended)) = (life.asked, life.ended) else {
            return self.unexplained(format!("{id}: {}", life.how));
        };
        let is_woken = histories.iter().flat_map(|history| &history.resumed).any(|resumed| {
            let resumed = Instant::from_std(*resumed);
            asked < resumed + SLACK && resumed < ended
        });
        if life.how.contains("503") && is_woken {
            self.connection_of("refused with 503 by an instance that was just resumed");
        } else {
            self.unexplained(format!("{id}: {}", life.how));
        }
    }

    fn frames_of(
        &mut self,
        id: LifeId,
        life: &Life,
        (opened, told): (&Opened, &Logged),
        histories: &[History],
    ) {
        for (number, sent) in life.frames.iter().enumerate() {
            let last = life.ended.is_some_and(|ended| *sent + self.closing > ended);
            let history = &histories[opened.run];
            let is_gone = history.dead.is_some() || history.is_frozen();
            let is_lost = last && is_gone && was_away(history, life);
            let closed = told.closed.as_deref().unwrap_or("its end is in no log");
            match told.transfers.get(number).map(String::as_str) {
                Some("ok") => self.frame("carried out"),
                // It ran when its instance was frozen, for longer than it may.
                Some("error" | "timeout") if last && was_away(history, life) => {
                    self.frame("interrupted by the freeze of its instance");
                }
                Some(outcome) => {
                    self.unexplained(format!("{id}: frame {number}: the function's outcome is {outcome}"));
                }
                None if is_lost => self.frame("with its instance, which was frozen for good or killed"),
                // What a client sends before its close frame is carried out.
                None if last && closed != "closed_by_client" => {
                    self.frame("sent when the connection was about to end");
                }
                None => self.unexplained(format!("{id}: frame {number} was never carried out, {closed}")),
            }
        }
    }

    fn deliveries_of(
        &mut self,
        line: &str,
        (said, carried_out): (Instant, Instant),
        room: usize,
        lives: &BTreeMap<LifeId, Life>,
    ) {
        let heard_at = |life: &Life| life.heard.iter().find(|(heard, _)| heard == line).map(|(_, at)| *at);
        let last = lives.values().filter_map(heard_at).max().unwrap_or(said).max(carried_out);
        for (id, life) in lives {
            let times = life.heard.iter().filter(|(heard, _)| heard == line).count();
            if times == 1 && life.room == room {
                self.delivery("delivered");
                continue;
            }
            if times > 0 {
                self.unexplained(format!("{id}, in room {}: received {line} {times} times", life.room));
                continue;
            }
            let Some(entered) = life.entered.filter(|_| life.room == room) else { continue };
            if life.ended.is_some_and(|ended| ended < said) || entered > last + self.slack {
                continue;
            }
            let was_there = entered + self.slack <= said;
            let stayed = life.ended.is_none_or(|ended| ended > last + self.slack);
            if was_there && self.was_unsent(*id) {
                self.delivery("counted in the log: a closing connection had no time for it");
            } else if was_there && stayed {
                self.unexplained(format!("{id}: {line} never arrived"));
            } else {
                self.delivery("to a client that came or left meanwhile");
            }
        }
    }

    /// What one client said arrives in its order, and nothing arrives that no one said.
    fn order_of(&mut self, id: LifeId, life: &Life, lives: &BTreeMap<LifeId, Life>) {
        let mut newest: HashMap<&str, usize> = HashMap::new();
        let said: HashSet<&str> =
            lives.values().flat_map(|life| &life.said).map(|(line, _)| line.as_str()).collect();
        for (line, _) in &life.heard {
            let Some((by, number)) = line.rsplit_once('-').filter(|_| said.contains(line.as_str())) else {
                self.unexplained(format!("{id}: received {line}, which no one said"));
                continue;
            };
            let number = number.parse().unwrap_or(0);
            if newest.insert(by, number).is_some_and(|before| before >= number) {
                self.unexplained(format!("{id}: received {line} out of order"));
            }
        }
    }

    /// Whether the log counts a further frame that this connection had no time for.
    fn was_unsent(&mut self, id: LifeId) -> bool {
        let left = self.unsent.get_mut(&id).filter(|left| **left > 0);
        left.map(|left| *left -= 1).is_some()
    }

    /// What docs/push.md says of each answer.
    fn pushes(&mut self, seen: &Seen<'_>, lives: &HashMap<&str, LifeId>, opened: &HashMap<String, Opened>) {
        for push in &seen.pushed.pushes {
            let Some(id) = lives.get(push.id.as_str()) else {
                self.unexplained(format!("a push to {}, which is no client's", push.id));
                continue;
            };
            let life = &seen.lives[id];
            let arrived = life.pushed.iter().filter(|number| **number == push.number.to_string()).count();
            let is_ending = life.ended.is_some_and(|ended| ended < push.answered + self.closing);
            let owner = &seen.histories[opened[&id.to_string()].run];
            let is_away = owner.was_away(push.asked.into_std(), push.answered.into_std());
            let is_fine = match (push.err_no, arrived) {
                (0, 1) | (413, 0) => true,
                // What waits for a client that leaves is lost with it.
                (0, 0) => is_ending || life.how.ends_with(" by the client") || self.was_unsent(*id),
                (404, 0) => push.has_ended || is_away,
                // The connection's instance is away, or the one that was asked was just resumed.
                (503, 0 | 1) => {
                    let answered = push.answered.into_std();
                    let begun = push.asked.into_std();
                    let mut resumed = seen.histories.iter().flat_map(|history| &history.resumed);
                    is_away || resumed.any(|at| *at + WAKING >= begun && *at <= answered)
                }
                _ => false,
            };
            if !is_fine || (push.err_no == 413) != push.is_too_large {
                self.unexplained(format!(
                    "{id}: a push from outside was answered {push:?}, and arrived {arrived} times"
                ));
            }
        }
    }

    fn connection_of(&mut self, what: &str) {
        *self.connections.entry(what.to_owned()).or_default() += 1;
    }

    fn frame(&mut self, what: &str) {
        *self.frames.entry(what.to_owned()).or_default() += 1;
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

/// Whether the instance of a connection was frozen when that ended, or so soon afterwards that its functions may have run.
fn was_away(history: &History, life: &Life) -> bool {
    let Some(ended) = life.ended.map(Instant::into_std) else { return false };
    history.frozen.iter().any(|frozen| *frozen + SLACK >= ended && *frozen <= ended + FUNCTIONS)
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
