//! The take-over of one lost node, from the claim to its end, step by step.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::{Duration, Instant},
};

use log::{error, info, warn};

use super::work::{Unsettled, Work, WorkOutcome};
use crate::registry::{
    Cleaned, ConnectionRecord,
    cluster::{lease::LeaseTimes, node::NodeId, redis::RedisError},
};

/// How many cleanups are in flight, those that wait for their function's turn included.
const CONCURRENT: usize = 64;
/// With how many the calls of a function begin: one that hangs holds no more than these up.
const PROBES: usize = 4;
/// How long records are kept for which no node has the API, or whose function is unavailable.
const KEPT: Duration = Duration::from_hours(24);

/// See the module.
#[derive(Debug)]
pub(super) struct OneTakeOver {
    lost: NodeId,
    by: NodeId,
    /// How long ago the node was first declared lost.
    lost_for: Duration,
    begun: Instant,
    /// `None` once the claim is another node's.
    claimed_until: Option<Instant>,
    next_keep: Instant,
    /// When the claim was last asked for.
    kept: Instant,
    /// Where the next part of the records begins; `None` after the last one.
    cursor: Option<u64>,
    seen: HashSet<Box<str>>,
    todo: VecDeque<(Box<str>, Option<ConnectionRecord>)>,
    to_settle: VecDeque<Box<str>>,
    functions: HashMap<Box<str>, CleanupCalls>,
    /// Everything that was begun, but for the keeping of the claim.
    in_flight: usize,
    cleaning: usize,
    is_keeping: bool,
    is_stopped: bool,
    is_finishing: bool,
    error: Option<RedisError>,
    progress: Progress,
}

/// The calls of one API's cleanup function.
#[derive(Debug)]
struct CleanupCalls {
    running: usize,
    most: usize,
    /// Why it could not be called: what is left waits for a later time.
    postponed: Option<Cleaned>,
}

/// What a take-over has done so far.
#[derive(Debug, Default)]
struct Progress {
    done: usize,
    failed: usize,
    no_api: usize,
    postponed: usize,
}

/// How many records are left and the epoch, or why that is not known.
pub(super) type TakeOverResult = Result<(Option<usize>, String), RedisError>;

impl OneTakeOver {
    pub(super) fn new(
        (lost, by): (NodeId, NodeId),
        lost_for: Duration,
        now: Instant,
        times: &LeaseTimes,
    ) -> Self {
        Self {
            lost,
            by,
            lost_for,
            begun: now,
            claimed_until: Some(now + times.lease),
            next_keep: now + times.renewal,
            kept: now,
            cursor: Some(0),
            seen: HashSet::new(),
            todo: VecDeque::new(),
            to_settle: VecDeque::new(),
            functions: HashMap::new(),
            in_flight: 0,
            cleaning: 0,
            is_keeping: false,
            is_stopped: false,
            is_finishing: false,
            error: None,
            progress: Progress::default(),
        }
    }

    pub(super) fn stop(&mut self) {
        self.is_stopped = true;
    }

    pub(super) fn next_keep(&self) -> Instant {
        self.next_keep
    }

    fn goes_on(&self, now: Instant) -> bool {
        !self.is_stopped && self.error.is_none() && self.claimed_until.is_some_and(|until| now < until)
    }

    pub(super) fn next(&mut self, now: Instant, times: &LeaseTimes, unsettled: &Unsettled) -> Option<Work> {
        let (lost, by) = (self.lost, self.by);
        if now >= self.next_keep && !self.is_keeping {
            self.next_keep = now + times.renewal;
            self.kept = now;
            self.is_keeping = true;
            return Some(Work::Keep { lost, by });
        }
        if !self.goes_on(now) {
            self.todo.clear();
            self.cursor = None;
        }
        let work = self
            .to_settle
            .pop_front()
            .map(|connection| Work::Settle { lost, connection })
            .or_else(|| self.next_cleanup(unsettled));
        let work = work.or_else(|| {
            let cursor = self.cursor.filter(|_| self.todo.is_empty() && self.in_flight == self.cleaning)?;
            Some(Work::Scan { lost, cursor })
        });
        if work.is_some() {
            self.in_flight += 1;
            return work;
        }
        let is_over = self.in_flight == 0 && self.todo.is_empty() && !self.is_finishing && !self.is_keeping;
        if !is_over {
            return None;
        }
        self.is_finishing = true;
        self.in_flight += 1;
        Some(Work::Finish { lost, by })
    }

    /// The next cleanup that may be called, or be settled because it was called before.
    fn next_cleanup(&mut self, unsettled: &Unsettled) -> Option<Work> {
        let lost = self.lost;
        let mut at = 0;
        while self.cleaning < CONCURRENT && at < self.todo.len() {
            let (connection, record) = &self.todo[at];
            if unsettled.contains(connection) {
                let (connection, _) = self.todo.remove(at)?;
                return Some(Work::Settle { lost, connection });
            }
            let Some(record) = record else {
                let (connection, _) = self.todo.remove(at)?;
                self.count(connection, Cleaned::NoApi);
                continue;
            };
            let calls = self.functions.entry(record.api().into()).or_insert(CleanupCalls {
                running: 0,
                most: PROBES,
                postponed: None,
            });
            if let Some(why) = calls.postponed {
                let (connection, _) = self.todo.remove(at)?;
                self.count(connection, why);
                continue;
            }
            if calls.running == calls.most {
                at += 1;
                continue;
            }
            calls.running += 1;
            self.cleaning += 1;
            let (connection, record) = self.todo.remove(at)?;
            return record.map(|record| Work::Clean { lost, connection, record });
        }
        None
    }

    /// What became of something; once the take-over is over, how.
    pub(super) fn done(
        &mut self,
        now: Instant,
        times: &LeaseTimes,
        work: &Work,
        outcome: Result<WorkOutcome, RedisError>,
        unsettled: &mut Unsettled,
    ) -> Option<TakeOverResult> {
        if let Work::Keep { .. } = work {
            self.is_keeping = false;
            // While Redis is away, the claim holds as long as it was granted for.
            if let Ok(WorkOutcome::Kept(is_kept)) = outcome {
                self.claimed_until = is_kept.then(|| self.kept + times.lease);
            }
            return None;
        }
        self.in_flight -= 1;
        match (work, outcome) {
            (Work::Finish { .. }, outcome) => {
                let end = self.error.take().map_or(outcome, Err).map(|outcome| match outcome {
                    WorkOutcome::Finished(left, epoch) => (left, epoch),
                    _ => (None, String::new()),
                });
                self.report(&end, now.duration_since(self.begun));
                return Some(end);
            }
            (Work::Settle { connection, .. }, Ok(_)) => unsettled.remove(connection),
            (Work::Settle { connection, .. }, Err(_)) => unsettled.insert(connection.clone()),
            (Work::Scan { .. }, Ok(WorkOutcome::Scanned(page))) => {
                self.cursor = (page.cursor != 0 && self.cursor.is_some()).then_some(page.cursor);
                for (connection, text) in page.records {
                    let connection = connection.into_boxed_str();
                    if self.seen.insert(connection.clone()) {
                        self.todo.push_back((connection, ConnectionRecord::parse(&text)));
                    }
                }
            }
            (Work::Scan { .. }, Err(error)) => self.error = Some(error),
            (Work::Clean { connection, record, .. }, Ok(WorkOutcome::Cleaned(cleaned))) => {
                self.cleaning -= 1;
                if let Some(calls) = self.functions.get_mut(record.api()) {
                    calls.running -= 1;
                    match cleaned {
                        Cleaned::Done | Cleaned::Failed => calls.most = (calls.most * 2).min(CONCURRENT),
                        Cleaned::Postponed | Cleaned::NoApi => calls.postponed = Some(cleaned),
                    }
                }
                self.count(connection.clone(), cleaned);
            }
            _ => {}
        }
        None
    }

    fn count(&mut self, connection: Box<str>, cleaned: Cleaned) {
        let count = match cleaned {
            Cleaned::Done => &mut self.progress.done,
            Cleaned::Failed => &mut self.progress.failed,
            _ if self.lost_for >= KEPT => {
                error!("{connection} gets no cleanup: in a day no node could call the function of its API");
                return self.to_settle.push_back(connection);
            }
            Cleaned::NoApi => &mut self.progress.no_api,
            Cleaned::Postponed => &mut self.progress.postponed,
        };
        *count += 1;
        if matches!(cleaned, Cleaned::Done | Cleaned::Failed) {
            self.to_settle.push_back(connection);
        }
    }

    fn report(&self, end: &TakeOverResult, took: Duration) {
        let Progress { done, failed, no_api, postponed } = self.progress;
        let (lost_node, ms, called) = (self.lost, took.as_millis(), done + failed);
        let s = if called == 1 { "" } else { "s" };
        let work = format!("{called} cleanup{s} in {ms} ms, {failed} of them failed");
        match end {
            Ok((Some(0), _)) => info!(lost_node:%; "node {lost_node} is taken over: {work}"),
            Ok((Some(left), _)) => warn!(
                lost_node:%;
                "node {lost_node} is not completely taken over: {work}; clients left: {left}, of an API that this node does \
                 not have: {no_api}, of a function that is unavailable or hangs: {postponed}"
            ),
            Ok((None, _)) => {
                warn!(lost_node:%; "node {lost_node} is taken over by another node now: {work} by this one");
            }
            Err(error) => {
                warn!(lost_node:%; "the take-over of node {lost_node} is interrupted: {work}: {error}");
            }
        }
    }
}
