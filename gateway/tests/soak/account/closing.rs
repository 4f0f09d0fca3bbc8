//! How many closing events a connection is due, and had.
//!
//! Exactly one as long as nothing fails, and none where a function has closed the connection. docs/cluster.md says which
//! faults may cost a second one, none which may cost the only one.

use std::{collections::HashSet, time::Duration};

use super::{Account, Seen};
use crate::{
    journal::{Life, LifeId},
    logged::{Cleanup, Logged},
    pushes::{Answer, Kind, Push},
    runs::{Fault, Run, RunId},
};

/// A record is written before register is called, which may take its time-out and the wait for an instance.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A cleanup may wait for its function likewise, and its record for it.
const CLEANUP: Duration = Duration::from_secs(20);
/// For so long a connection that another node has closed waits for the news that the function was answered.
const CONFIRMATION: Duration = Duration::from_secs(4);

/// Whether a closing event is due, apart from what may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Once,
    /// A function has closed the connection, and it is uncertain whether it knows.
    InDoubt,
    /// A function has closed the connection.
    Never,
}

impl Account {
    pub(super) fn closing_events(&mut self, id: LifeId, life: &Life, seen: &Seen<'_>) {
        let nothing = Logged::default();
        let (told, run) = (seen.told(id).unwrap_or(&nothing), &seen.runs[life.run]);
        self.count_connection("accepted");
        let closed = told.closed.as_deref().unwrap_or(if run.was(Fault::Killed) {
            "its process was killed"
        } else {
            "never closed"
        });
        self.count_connection(&format!("ended: {closed}"));
        let due = due(told, life, seen);
        let restored = restored(life, run, seen);
        if let Err(what) =
            self.count_closing_events((&told.id, &told.cleanups), life.run, due, restored, seen)
        {
            let push = told.closed_by_push.and_then(|number| seen.pushes.get(number));
            let asked = push.map_or_else(String::new, |push| {
                format!(", asked of process {}, answered {:?}", push.by, push.answer)
            });
            self.unexplained.push(format!("{id} of process {}: {what}, {closed}{asked}", life.run));
        }
    }

    /// Connections of which no client knows: it has left during the handshake, or was refused.
    pub(super) fn connections_without_a_client(&mut self, seen: &Seen<'_>) {
        let is_seen = |path: &str| LifeId::parse(path).is_some_and(|id| seen.lives.contains_key(&id));
        for (path, told) in seen.logs.opened.iter().filter(|(path, _)| !is_seen(path)) {
            self.count_connection("accepted when the client had gone");
            let of = (told.id.as_str(), told.cleanups.as_slice());
            if let Err(what) = self.count_closing_events(of, told.by, Due::Once, 0, seen) {
                self.unexplained.push(format!("{path}, whose client had gone: {what}"));
            }
        }
        for (id, told) in &seen.logs.unopened {
            let counted = match &told.register {
                // Register has not been answered when its process was killed, or its answer was lost with that.
                None => {
                    self.count_connection("its process was killed during the handshake");
                    let is_explained = seen.runs.iter().any(|run| run.was(Fault::Killed));
                    if is_explained {
                        Ok(())
                    } else {
                        Err("a closing event, and no connecting event".to_owned())
                    }
                }
                // It may have accepted the client.
                Some((by, outcome))
                    if matches!(outcome.as_str(), "ok" | "error" | "timed_out" | "crashed") =>
                {
                    self.count_connection(&format!("refused, and register may have accepted: {outcome}"));
                    self.count_closing_events((id, &told.cleanups), *by, Due::Once, 0, seen)
                }
                Some((by, outcome)) => {
                    self.count_connection(&format!("refused by or before register: {outcome}"));
                    self.count_closing_events((id, &told.cleanups), *by, Due::Never, 0, seen)
                }
            };
            if let Err(what) = counted {
                self.unexplained.push(format!("{id}, which was never open: {what}"));
            }
        }
    }

    /// Counts the closing events of a connection, or says what is wrong with them.
    fn count_closing_events(
        &mut self,
        (id, cleanups): (&str, &[Cleanup]),
        owner: RunId,
        due: Due,
        restored: usize,
        seen: &Seen<'_>,
    ) -> Result<(), String> {
        let run = &seen.runs[owner];
        // A process may take over what it was itself before it was declared lost.
        let is_survivor = |by| seen.logs.has_taken_over(by, id);
        let by_owner = cleanups.iter().filter(|cleanup| cleanup.by == owner).count();
        let own = match (is_survivor(owner), due) {
            (true, Due::Never) => 0,
            (true, _) => by_owner.min(1),
            (false, _) => by_owner,
        };
        let all = cleanups.len() - own;
        let others = cleanups.iter().map(|cleanup| cleanup.by);
        let others: HashSet<_> = others.filter(|by| *by != owner || by_owner > own).collect();
        if let Some(other) =
            others.iter().find(|by| !is_survivor(**by) && !seen.runs[**by].ended_in_a_take_over())
        {
            return Err(format!("a closing event of process {other}, which has not taken its node over"));
        }
        // One that was running when the process ended is called again by another one.
        let was_interrupted =
            run.left_clients() && cleanups.iter().any(|cleanup| cleanup.by == owner && cleanup.crashed);
        // A node that was declared lost, or whose last deletions were not confirmed, or whose records came back.
        let may_be_twice = run.was(Fault::Killed)
            || run.was_declared_lost()
            || run.left_without_redis()
            || was_interrupted
            || restored > 0;
        let may_be_left = may_be_twice || run.left_clients();
        // No process calls it twice, unless the records came back.
        let are_single = all <= others.len() + restored;
        let what = match (due, own, all) {
            (Due::Once, 1, 0) => return Ok(()),
            (Due::Never | Due::InDoubt, 0, 0) => "closed by a function: no closing event",
            (Due::InDoubt, 1, 0) => "closed by a function that may not know: a closing event",
            (_, 0, 1) if may_be_left => "closing event by another node",
            (_, 0, 2..) if may_be_twice && are_single => "closing events by other nodes",
            (Due::Once | Due::InDoubt, 1, 1..) if may_be_twice && are_single => {
                "closing events by its node and others"
            }
            _ => {
                let others = others.len();
                return Err(format!(
                    "{own} closing events of its own node and {all} of {others} others, due: {due:?}"
                ));
            }
        };
        self.count_connection(what);
        Ok(())
    }
}

fn due(told: &Logged, life: &Life, seen: &Seen<'_>) -> Due {
    let Some(push) = told.closed_by_push.and_then(|number| seen.pushes.get(number)) else { return Due::Once };
    match push.answer {
        // A node that dies has not confirmed, and one that was only slow may have.
        Answer::Missing => Due::InDoubt,
        Answer::Done if is_confirmation_in_doubt(push, life, seen) => Due::InDoubt,
        Answer::Done => Due::Never,
        // In doubt the cleanup function is called.
        _ => Due::Once,
    }
}

/// Whether the owner may not have heard in time that the function which closed the connection was answered.
fn is_confirmation_in_doubt(push: &Push, life: &Life, seen: &Seen<'_>) -> bool {
    let (from, to) = (push.asked, push.answered + CONFIRMATION);
    let is_disturbed = |run: RunId| seen.runs[run].had_a_fault_between(from, to);
    let is_remote = push.kind == Kind::Close && push.by != life.run;
    is_remote && (is_disturbed(life.run) || is_disturbed(push.by) || seen.redis.had_one_between(from, to))
}

/// How often the record of this connection came back with an older state of Redis, when its node had gone.
fn restored(life: &Life, run: &Run, seen: &Seen<'_>) -> usize {
    let gone = if run.was_declared_lost() { Some(life.opened) } else { run.left };
    let from = life.opened.checked_sub(HANDSHAKE).unwrap_or(life.opened);
    // Its cleanup may have waited for its function.
    let to = life.ended.map(|ended| ended + CLEANUP);
    gone.map_or(0, |gone| seen.redis.restored(from, to, gone))
}
