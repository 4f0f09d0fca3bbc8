//! What became of the pushes that the soak has made itself: docs/push.md says what each answer promises.

use std::time::Instant;

use super::{Account, SLACK, Seen};
use crate::{
    journal::{Life, LifeId},
    pushes::{Answer, Kind, Push},
};

/// A push and its connection.
struct Pushed<'p, 's> {
    number: usize,
    push: &'p Push,
    life: &'p Life,
    seen: &'p Seen<'s>,
}

impl Account {
    pub(super) fn push(&mut self, number: usize, push: &Push, seen: &Seen<'_>) {
        let (kind, answer) = (push.kind, &push.answer);
        *self.pushes.entry(format!("{kind:?}: {answer:?}")).or_default() += 1;
        if let Answer::Other(other) = answer {
            self.unexplained.push(format!("push {number}: {other}"));
        }
        // Where the client has left during the handshake, nothing was seen.
        let Some(life) = seen.lives.get(&push.to) else { return };
        let pushed = Pushed { number, push, life, seen };
        let wrong =
            pushed.carried_out_too_late().or_else(|| pushed.not_carried_out()).or_else(|| pushed.not_gone());
        if let Some(wrong) = wrong {
            self.unexplained.push(format!("push {number} ({kind:?}, {answer:?}) to {}: {wrong}", push.to));
        }
    }
}

impl Pushed<'_, '_> {
    fn id(&self) -> LifeId {
        self.push.to
    }

    /// When the client received the frame or the end that was pushed.
    fn arrivals(&self) -> Vec<Instant> {
        match self.push.kind {
            Kind::Frame => {
                let pushed = self.life.pushed.iter().filter(|(number, _)| *number == self.number);
                pushed.map(|(_, at)| *at).collect()
            }
            Kind::Close => self.life.ended.filter(|_| self.has_closed()).into_iter().collect(),
        }
    }

    fn has_closed(&self) -> bool {
        self.seen.told(self.id()).is_some_and(|told| told.closed_by_push == Some(self.number))
    }

    /// By then the client has noticed what was done before the answer.
    fn until(&self) -> Instant {
        self.push.answered + SLACK
    }

    fn was_open_after(&self) -> bool {
        self.life.ended.is_none_or(|ended| ended > self.until())
    }

    /// Nothing is carried out later than the answer said that it failed, and nothing twice.
    fn carried_out_too_late(&self) -> Option<String> {
        let arrivals = self.arrivals();
        if arrivals.len() > 1 {
            return Some(format!("it arrived {} times", arrivals.len()));
        }
        let is_failed = matches!(self.push.answer, Answer::Unreachable | Answer::Gone);
        let late = arrivals.first().filter(|at| is_failed && **at > self.until())?;
        Some(format!("it was carried out {:?} after this answer", late.duration_since(self.push.answered)))
    }

    /// What was answered with 0 has arrived, or the connection has ended.
    fn not_carried_out(&self) -> Option<String> {
        let is_missing = self.push.answer == Answer::Done && self.was_open_after() && {
            let arrivals = self.arrivals();
            // A client that is closed late is a fault of its node's too.
            arrivals.first().is_none_or(|at| self.push.kind == Kind::Close && *at > self.until())
        };
        let had_a_fault = self.seen.runs[self.life.run].had_a_fault_between(self.push.asked, self.until());
        let is_lost = self.seen.was_lost(self.id(), self.life) || self.has_closed();
        (is_missing && !(had_a_fault && is_lost)).then(|| "it was not carried out".to_owned())
    }

    /// Where the answer was 404, the client's connection had ended, or its node did not go on serving it.
    fn not_gone(&self) -> Option<String> {
        let is_served = self.push.answer == Answer::Gone && self.was_open_after();
        let was_killed = self.seen.runs[self.life.run].was_killed_before(self.until());
        let was_closed =
            self.seen.ended(self.id(), self.life).is_some_and(|ended| ended <= self.push.answered);
        let is_explained = was_killed || was_closed || self.seen.was_taken_over(self.id());
        (is_served && !is_explained).then(|| "the connection was served all the same".to_owned())
    }
}
