//! The kept records, and which of them an instance's output and pushes belong to.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use serde::Serialize;

use super::{
    figures::Figures,
    limits::WHOLE_EVENTS_BYTES,
    open::OpenConnections,
    record::{InstanceChange, InvocationRecord, TimelineRecord, What},
    time::float_ms,
};
use crate::observe::report::Pusher;

/// Records in the order of their ids, without gaps.
#[derive(Debug, Default)]
pub(super) struct Ring {
    /// How many records are kept.
    pub(super) rows: usize,
    records: VecDeque<TimelineRecord>,
    next_id: u64,
    /// The records whose events are kept beyond what is shown, and how many bytes beyond.
    long_events: VecDeque<(u64, usize)>,
    long_events_bytes: usize,
    pub(super) instances: HashMap<String, Attribution>,
    /// The invocations that have not ended, by their request ids.
    pub(super) running: HashMap<String, RunningInvocation>,
    pub(super) figures: Versioned<Figures>,
    pub(super) open: Versioned<OpenConnections>,
}

/// A state that a viewer receives again only when it has changed.
#[derive(Debug, Default)]
pub(super) struct Versioned<T> {
    state: T,
    version: u64,
}

impl<T> Versioned<T> {
    pub(super) fn get(&self) -> &T {
        &self.state
    }

    pub(super) fn change(&mut self) -> &mut T {
        self.version += 1;
        &mut self.state
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }
}

/// An invocation that has not ended.
#[derive(Debug)]
pub(super) struct RunningInvocation {
    pub(super) record: u64,
    /// Whether an instance was started for it.
    pub(super) cold: bool,
}

/// A living instance, as a viewer receives it.
#[derive(Debug, Serialize)]
pub(super) struct Living<'a> {
    instance: &'a str,
    role: &'static str,
}

/// Which records an instance's output and pushes belong to.
#[derive(Debug)]
pub(super) struct Attribution {
    pub(super) role: &'static str,
    pub(super) instance_record: u64,
    /// The last invocation: a line may arrive after its outcome.
    pub(super) invocation: Option<u64>,
    /// Not ready yet: what it prints belongs to the instance, and to the invocation that it is started for.
    pub(super) starting: bool,
}

impl Ring {
    /// With so many records.
    pub(super) fn keeping(rows: usize) -> Self {
        Self { rows, ..Self::default() }
    }

    pub(super) fn add(&mut self, what: What) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        if self.records.len() >= self.rows {
            self.records.pop_front();
        }
        if let What::Invocation(invocation) = &what {
            self.make_room(id, invocation.event.surplus());
        }
        self.records.push_back(TimelineRecord { id, what });
        id
    }

    fn make_room(&mut self, id: u64, surplus: usize) {
        if surplus == 0 {
            return;
        }
        self.long_events.push_back((id, surplus));
        self.long_events_bytes += surplus;
        while self.long_events_bytes > WHOLE_EVENTS_BYTES {
            let Some((oldest, surplus)) = self.long_events.pop_front() else { return };
            self.long_events_bytes -= surplus;
            if let Some(invocation) = self.invocation_mut(oldest) {
                invocation.event.shorten();
            }
        }
    }

    /// Notes where an invocation runs and returns its record's id. A start is counted once, though the backend and the
    /// end both report it.
    pub(super) fn place(
        &mut self,
        request_id: &str,
        instance: &str,
        started: Option<Duration>,
    ) -> Option<u64> {
        let running = self.running.get_mut(request_id)?;
        let id = running.record;
        if started.is_some() && !std::mem::replace(&mut running.cold, true) {
            self.figures.change().cold_start();
        }
        if let Some(invocation) = self.invocation_mut(id) {
            invocation.instance = Some(instance.to_owned());
            invocation.cold = started.is_some();
            invocation.init_ms = started.map(float_ms);
        }
        Some(id)
    }

    pub(super) fn ids(&self) -> VecDeque<u64> {
        self.records.iter().map(|record| record.id).collect()
    }

    /// The invocation that made a push, where that is known: the one that an instance runs, or that has this trace. A
    /// function elsewhere that names nothing made it if no other invocation runs.
    pub(super) fn invocation_of(&self, by: Pusher<'_>) -> Option<u64> {
        match by {
            Pusher::Instance(instance) => self.instances.get(instance)?.invocation,
            Pusher::Trace(trace) => {
                let known = self.records.iter().rev().find(|record| record.has_trace(trace));
                known.map(|record| record.id).or_else(|| self.only_invocation_elsewhere())
            }
            Pusher::Unnamed => self.only_invocation_elsewhere(),
            Pusher::Operator => None,
        }
    }

    fn only_invocation_elsewhere(&self) -> Option<u64> {
        let mut running = self.running.values();
        let only = running.next().filter(|_| running.next().is_none() && self.instances.is_empty())?;
        Some(only.record)
    }

    /// All of them, since the records of those that have run for long are gone.
    pub(super) fn living(&self) -> Vec<Living<'_>> {
        let instances = self.instances.iter();
        instances.map(|(instance, found)| Living { instance, role: found.role }).collect()
    }

    pub(super) fn get(&self, id: u64) -> Option<&TimelineRecord> {
        let index = id.checked_sub(self.records.front()?.id)?;
        self.records.get(usize::try_from(index).ok()?)
    }

    fn get_mut(&mut self, id: u64) -> Option<&mut What> {
        let index = id.checked_sub(self.records.front()?.id)?;
        Some(&mut self.records.get_mut(usize::try_from(index).ok()?)?.what)
    }

    pub(super) fn invocation_mut(&mut self, id: u64) -> Option<&mut InvocationRecord> {
        match self.get_mut(id)? {
            What::Invocation(invocation) => Some(invocation),
            _ => None,
        }
    }

    pub(super) fn running_mut(&mut self, request_id: &str) -> Option<&mut InvocationRecord> {
        self.invocation_mut(self.running.get(request_id)?.record)
    }

    pub(super) fn instance_mut(&mut self, id: u64) -> Option<&mut InstanceChange> {
        match self.get_mut(id)? {
            What::Instance(change) => Some(change),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use bytes::Bytes;

    use crate::{
        function::Role,
        observe::{
            report::{Report, Reporter as _},
            timeline::recorder::Timeline,
        },
    };

    /// Begins so many invocations with this event.
    fn begin(timeline: &Timeline, count: usize, event: &Bytes) {
        for number in 0..count {
            timeline.report(&Report::InvocationBegun {
                request_id: &number.to_string(),
                trace: None,
                api: &"/".into(),
                role: Role::Transfer,
                connection: "id==",
                event,
                received: Instant::now(),
                waited: Duration::ZERO,
                replay: false,
            });
        }
    }

    #[test]
    fn the_newest_records_are_kept() {
        let timeline = Timeline::keeping(3);
        begin(&timeline, 4, &Bytes::from_static(b"{}"));
        let ids: Vec<u64> = timeline.ring.lock().ids().into();
        assert_eq!(ids, [1, 2, 3]);
    }

    #[test]
    fn the_newest_long_events_are_kept_whole() {
        let timeline = Timeline::keeping(4);
        begin(&timeline, 4, &Bytes::from(vec![b'x'; 6 * 1024 * 1024]));
        let whole =
            [0, 1, 2, 3].map(|id| timeline.event(id).is_some_and(|recorded| recorded.event.is_some()));
        assert_eq!(whole, [false, false, true, true]);
    }
}
