//! How a node looks at the others and takes over those that are lost, step by step and without I/O: [`Watch::next`] says
//! what to begin, [`Watch::done`] takes what became of it. Several things are under way at once.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    time::{Duration, Instant},
};

use log::{info, warn};

use super::{
    one::OneTakeOver,
    work::{Unsettled, Work, WorkOutcome},
};
use crate::registry::cluster::{
    lease::{
        LeaseTimes,
        knowledge::Knowledge,
        store::{Claim, DataVersion, Seen},
    },
    node::NodeId,
    place,
    redis::RedisError,
};

/// How long it takes until records are looked at again for which nothing could be done, at first and at most.
const RETRY_DELAYS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// What a take-over has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndedTakeOver {
    /// How many records are left; `None` if another node goes on, or Redis is away.
    pub(crate) left: Option<usize>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Watch {
    times: LeaseTimes,
    /// What proves that an earlier process is gone.
    place: Option<String>,
    next_look: Instant,
    is_looking: bool,
    claims: VecDeque<(Seen, bool)>,
    is_claiming: bool,
    running: BTreeMap<NodeId, OneTakeOver>,
    /// Nodes of which records are left: when they are looked at again, and the delay after that.
    later: HashMap<NodeId, (Instant, Duration)>,
    unsettled: Unsettled,
    /// The nodes that have another lease than this one, which is logged once.
    other_leases: HashSet<NodeId>,
    alive: usize,
    ended: Vec<EndedTakeOver>,
    is_stopped: bool,
}

impl Watch {
    pub(crate) fn new(times: LeaseTimes, place: Option<String>, now: Instant) -> Self {
        Self {
            times,
            place,
            next_look: now,
            is_looking: false,
            claims: VecDeque::new(),
            is_claiming: false,
            running: BTreeMap::new(),
            later: HashMap::new(),
            unsettled: Unsettled::default(),
            other_leases: HashSet::new(),
            alive: 0,
            ended: Vec::new(),
            is_stopped: false,
        }
    }

    /// How many nodes have a lease, as of the last look.
    pub(crate) fn alive(&self) -> usize {
        self.alive
    }

    /// The take-overs that have ended since the last call.
    pub(crate) fn take_ended(&mut self) -> Vec<EndedTakeOver> {
        std::mem::take(&mut self.ended)
    }

    /// From now on no further cleanup begins. What is left is another node's.
    pub(crate) fn stop(&mut self) {
        self.is_stopped = true;
        self.claims.clear();
        for one in self.running.values_mut() {
            one.stop();
        }
    }

    /// Whether nothing is left to do after a stop.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// When there may be something to begin without anything having ended.
    pub(crate) fn wake(&self) -> Instant {
        let keeps = self.running.values().map(OneTakeOver::next_keep);
        keeps.chain([self.next_look]).min().unwrap_or(self.next_look)
    }

    /// What to begin now, if anything. `own` is this node while its lease is held, `connects` how many connections to
    /// Redis were made.
    pub(crate) fn next(&mut self, now: Instant, own: Option<NodeId>, connects: u64) -> Option<Work> {
        if now >= self.next_look {
            self.next_look = now + self.times.look;
            if !self.is_looking && !self.is_claiming && !self.is_stopped && own.is_some() {
                self.claims.clear();
                self.is_looking = true;
                return Some(Work::Look { connects });
            }
        }
        if let (false, Some(by), Some((seen, is_gone))) = (self.is_claiming, own, self.claims.front()) {
            self.is_claiming = true;
            return Some(Work::Claim { lost: seen.node, by, is_gone: *is_gone });
        }
        self.running.values_mut().find_map(|one| one.next(now, &self.times, &self.unsettled))
    }

    /// What became of something that was begun.
    pub(crate) fn done(
        &mut self,
        now: Instant,
        own: NodeId,
        work: &Work,
        outcome: Result<WorkOutcome, RedisError>,
        knowledge: &mut Knowledge,
    ) {
        match (work, outcome) {
            (Work::Look { connects }, Ok(WorkOutcome::Looked(epoch, seen))) => {
                self.is_looking = false;
                self.looked(now, own, seen, &DataVersion { epoch, connects: *connects }, knowledge);
            }
            (Work::Look { .. }, _) => self.is_looking = false,
            (Work::Claim { by, .. }, outcome) => {
                self.is_claiming = false;
                self.claimed(now, *by, &outcome, knowledge);
            }
            (work, outcome) => self.of_one(now, work, outcome, knowledge),
        }
    }

    fn looked(
        &mut self,
        now: Instant,
        own: NodeId,
        mut nodes: Vec<Seen>,
        version: &DataVersion,
        knowledge: &mut Knowledge,
    ) {
        self.alive = nodes.iter().filter(|seen| seen.has_lease()).count();
        nodes.retain(|seen| seen.node != own);
        if !knowledge.note_seen(&nodes, version) || self.is_stopped {
            return;
        }
        self.compare_leases(&nodes);
        self.later.retain(|node, _| nodes.iter().any(|seen| seen.node == *node));
        for seen in nodes {
            let is_gone = self.place.as_deref().is_some_and(|place| place::is_same(&seen.info, place));
            let waits = self.later.get(&seen.node).is_some_and(|(at, _)| now < *at);
            if (!seen.has_lease() || is_gone) && !waits && !self.running.contains_key(&seen.node) {
                self.claims.push_back((seen, is_gone));
            }
        }
    }

    /// With different leases, a node may be declared lost that still has the time to renew its own.
    fn compare_leases(&mut self, nodes: &[Seen]) {
        let own = self.times.lease;
        self.other_leases.retain(|node| nodes.iter().any(|seen| seen.node == *node));
        for seen in nodes.iter().filter(|seen| seen.has_lease()) {
            let other = place::lease(&seen.info).filter(|other| *other != own);
            if let Some(other) = other
                && self.other_leases.insert(seen.node)
            {
                warn!(
                    "node {} ({}) has a lease of {other:?}, and this one of {own:?}: set cluster_lease_seconds to the \
                     same on all nodes",
                    seen.node,
                    place::name(&seen.info)
                );
            }
        }
    }

    fn claimed(
        &mut self,
        now: Instant,
        by: NodeId,
        outcome: &Result<WorkOutcome, RedisError>,
        knowledge: &mut Knowledge,
    ) {
        let Some((seen, _)) = self.claims.pop_front() else { return };
        match *outcome {
            Ok(WorkOutcome::Claimed(Claim::Claimed { lost_for })) => {
                if !knowledge.is_lost(seen.node) {
                    info!(
                        lost_node:% = seen.node;
                        "node {} ({}) is lost: this node calls the cleanup function for its clients",
                        seen.node,
                        place::name(&seen.info)
                    );
                }
                knowledge.note_lost(seen.node, None);
                let one = OneTakeOver::new((seen.node, by), lost_for, now, &self.times);
                self.running.insert(seen.node, one);
            }
            Ok(WorkOutcome::Claimed(Claim::Taken)) => knowledge.note_lost(seen.node, None),
            Ok(WorkOutcome::Claimed(Claim::Alive | Claim::Gone)) => {}
            // Nothing can be claimed now.
            _ => self.claims.clear(),
        }
    }

    fn of_one(
        &mut self,
        now: Instant,
        work: &Work,
        outcome: Result<WorkOutcome, RedisError>,
        knowledge: &mut Knowledge,
    ) {
        let Some(lost) = work.lost() else { return };
        let Some(one) = self.running.get_mut(&lost) else { return };
        let Some(ended) = one.done(now, &self.times, work, outcome, &mut self.unsettled) else { return };
        if let Ok((Some(0), epoch)) = &ended {
            knowledge.note_lost(lost, Some(epoch.clone()));
        }
        let left = ended.ok().and_then(|(left, _)| left);
        self.running.remove(&lost);
        self.ended.push(EndedTakeOver { left });
        if left.is_none_or(|left| left == 0) {
            self.later.remove(&lost);
            return;
        }
        // Looks at them again later, and later each time.
        let delay = self.later.get(&lost).map_or(RETRY_DELAYS.0, |(_, delay)| *delay);
        self.later.insert(lost, (now + delay, (delay * 2).min(RETRY_DELAYS.1)));
    }
}
