//! The time line: what happened behind the gateway, kept as the last 500 records and sent live to whoever looks.
//!
//! A call opens a [`Ticket`] → the function says where it was placed and how long it ran → the ticket is decided.
//! Meanwhile lines of output and pushes find the invocation by the instance's name. Each change goes out as the
//! record's id only; its JSON is made where somebody looks, so that nobody looking costs next to nothing.

mod record;
mod stream;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use log::info;
use tokio::sync::broadcast;

pub use self::record::Pushed;
use self::record::{ConnectionChange, InstanceChange, Invocation, Lines, Record, What, shown_payload};
pub(crate) use self::record::{Verdict, shown_push};
use crate::{function::Role, locked};

const RECORDS_KEPT: usize = 500;
/// Changes that a slow reader may be behind before it is sent the whole state again.
const CHANGES_BUFFERED: usize = 1024;

/// The records, shared by everything that has something to tell.
#[derive(Debug, Clone)]
pub(crate) struct Timeline {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ring: Mutex<Ring>,
    changes: broadcast::Sender<u64>,
    trace: bool,
}

/// Records in the order of their ids, without gaps.
#[derive(Debug, Default)]
struct Ring {
    records: VecDeque<Record>,
    next_id: u64,
    instances: HashMap<String, Attribution>,
}

/// Which record an instance's output and pushes belong to.
#[derive(Debug)]
struct Attribution {
    instance_record: u64,
    /// The last invocation: a line may arrive after its outcome.
    invocation: Option<u64>,
}

impl Ring {
    fn add(&mut self, what: What) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        if self.records.len() == RECORDS_KEPT {
            self.records.pop_front();
        }
        self.records.push_back(Record { id, what });
        id
    }

    fn get(&self, id: u64) -> Option<&Record> {
        let index = id.checked_sub(self.records.front()?.id)?;
        self.records.get(usize::try_from(index).ok()?)
    }

    fn get_mut(&mut self, id: u64) -> Option<&mut Record> {
        let index = id.checked_sub(self.records.front()?.id)?;
        self.records.get_mut(usize::try_from(index).ok()?)
    }

    fn invocation_mut(&mut self, id: u64) -> Option<&mut Invocation> {
        match &mut self.get_mut(id)?.what {
            What::Invocation(invocation) => Some(invocation),
            What::Instance(_) | What::Connection(_) => None,
        }
    }

    fn instance_mut(&mut self, id: u64) -> Option<&mut InstanceChange> {
        match &mut self.get_mut(id)?.what {
            What::Instance(change) => Some(change),
            What::Invocation(_) | What::Connection(_) => None,
        }
    }
}

impl Timeline {
    /// With `trace`, each decided invocation is also a line of the log.
    pub(crate) fn new(trace: bool) -> Self {
        let shared =
            Shared { ring: Mutex::default(), changes: broadcast::Sender::new(CHANGES_BUFFERED), trace };
        Self { shared: Arc::new(shared) }
    }

    /// An invocation begins; `received` is when the gateway got the frame or the request behind it, and `waited` how
    /// long it has been kept back since, because its connection's frames are carried out in order.
    pub(crate) fn invocation(
        &self,
        role: Role,
        connection: &str,
        event: &[u8],
        received: Instant,
        waited: Duration,
    ) -> Ticket {
        let invocation = Invocation {
            role: role.name(),
            instance: None,
            cold: false,
            connection: connection.to_owned(),
            started_ms: epoch_ms().saturating_sub(millis(received.elapsed())),
            queued_ms: float_ms(waited),
            init_ms: None,
            function_ms: None,
            total_ms: None,
            gateway_ms: None,
            outcome: Verdict::Running,
            message: None,
            event: shown_payload(event),
            event_bytes: event.len(),
            answer: None,
            answer_bytes: None,
            pushes: Vec::new(),
            log: Lines::default(),
        };
        let id = self.add(What::Invocation(Box::new(invocation)));
        let timings = Mutex::new(Timings { queued: waited, ..Timings::default() });
        Ticket { timeline: self.clone(), id, role, connection: connection.to_owned(), received, timings }
    }

    /// A process was started for an instance.
    pub(crate) fn instance_started(&self, role: Role, instance: &str, pid: u32) {
        let change = instance_change(role, instance, pid, "started", None);
        let id = self.add(What::Instance(change));
        let attribution = Attribution { instance_record: id, invocation: None };
        locked(&self.shared.ring).instances.insert(instance.to_owned(), attribution);
    }

    /// The instance has initialised.
    pub(crate) fn instance_ready(&self, instance: &str) {
        let mut ring = locked(&self.shared.ring);
        let Some(id) = ring.instances.get(instance).map(|found| found.instance_record) else { return };
        if let Some(change) = ring.instance_mut(id) {
            change.what = "ready";
        }
        drop(ring);
        self.changed(id);
    }

    /// The instance's process is gone. A record of its own, since the first may have left the ring long ago.
    pub(crate) fn instance_ended(&self, role: Role, instance: &str, pid: u32, message: &str) {
        locked(&self.shared.ring).instances.remove(instance);
        self.add(What::Instance(instance_change(role, instance, pid, "ended", Some(message.to_owned()))));
    }

    /// A line of the instance's output.
    pub(crate) fn line(&self, instance: &str, line: &str) {
        let mut ring = locked(&self.shared.ring);
        let Some(found) = ring.instances.get(instance) else { return };
        let (id, in_invocation) = match found.invocation {
            Some(id) => (id, true),
            None => (found.instance_record, false),
        };
        let kept = if in_invocation {
            ring.invocation_mut(id).is_some_and(|invocation| invocation.log.add(line))
        } else {
            ring.instance_mut(id).is_some_and(|change| change.log.add(line))
        };
        drop(ring);
        if kept {
            self.changed(id);
        }
    }

    /// The instance pushed something.
    pub(crate) fn pushed(&self, instance: &str, push: Pushed) {
        let mut ring = locked(&self.shared.ring);
        let Some(id) = ring.instances.get(instance).and_then(|found| found.invocation) else { return };
        if let Some(invocation) = ring.invocation_mut(id) {
            invocation.add_push(push);
        }
        drop(ring);
        self.changed(id);
    }

    /// A connection was opened, refused or closed.
    pub(crate) fn connection(
        &self,
        what: &'static str,
        connection: &str,
        path: &str,
        sub_protocol: Option<&str>,
        message: Option<String>,
    ) {
        self.add(What::Connection(ConnectionChange {
            connection: connection.to_owned(),
            what,
            started_ms: epoch_ms(),
            path: path.to_owned(),
            sub_protocol: sub_protocol.map(str::to_owned),
            message,
        }));
    }

    fn add(&self, what: What) -> u64 {
        let id = locked(&self.shared.ring).add(what);
        self.changed(id);
        id
    }

    fn changed(&self, id: u64) {
        // Nobody looking is no error.
        let _ = self.shared.changes.send(id);
    }
}

fn instance_change(
    role: Role,
    instance: &str,
    pid: u32,
    what: &'static str,
    message: Option<String>,
) -> InstanceChange {
    InstanceChange {
        role: role.name(),
        instance: instance.to_owned(),
        pid,
        what,
        started_ms: epoch_ms(),
        message,
        log: Lines::default(),
    }
}

/// One invocation's place in the time line, handed along with its event.
#[derive(Debug)]
pub struct Ticket {
    timeline: Timeline,
    id: u64,
    role: Role,
    connection: String,
    received: Instant,
    timings: Mutex<Timings>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Timings {
    queued: Duration,
    init: Option<Duration>,
    function: Option<Duration>,
}

impl Ticket {
    /// Which of the functions is called.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The id of the connection that the event is about.
    #[must_use]
    pub fn connection(&self) -> &str {
        &self.connection
    }

    /// How long the event waited for a free instance.
    pub fn queued(&self, queued: Duration) {
        locked(&self.timings).queued += queued;
    }

    /// Where the event will run, and how long that instance took to initialise if it was started for this event.
    pub fn placed(&self, instance: &str, init: Option<Duration>) {
        let mut timings = locked(&self.timings);
        timings.init = init;
        let timings = *timings;
        let mut ring = locked(&self.timeline.shared.ring);
        if let Some(found) = ring.instances.get_mut(instance) {
            found.invocation = Some(self.id);
        }
        if let Some(invocation) = ring.invocation_mut(self.id) {
            invocation.instance = Some(instance.to_owned());
            invocation.queued_ms = float_ms(timings.queued);
            invocation.init_ms = timings.init.map(float_ms);
            invocation.cold = timings.init.is_some();
        }
        drop(ring);
        self.timeline.changed(self.id);
    }

    /// From the event's handing out until its outcome was accepted, or the instance was given up.
    pub fn ran(&self, function: Duration) {
        locked(&self.timings).function = Some(function);
    }

    /// The invocation is over.
    pub(crate) fn decide(self, verdict: Verdict, message: Option<String>, answer: Option<&[u8]>) {
        let timings = *locked(&self.timings);
        let total = self.received.elapsed();
        let elsewhere =
            timings.queued + timings.init.unwrap_or_default() + timings.function.unwrap_or_default();
        let gateway = total.saturating_sub(elsewhere);
        let answer = answer.map(|answer| (shown_payload(answer), answer.len()));
        let mut instance = None;
        let mut ring = locked(&self.timeline.shared.ring);
        if let Some(invocation) = ring.invocation_mut(self.id) {
            invocation.function_ms = timings.function.map(float_ms);
            invocation.total_ms = Some(float_ms(total));
            invocation.gateway_ms = Some(float_ms(gateway));
            invocation.outcome = verdict;
            invocation.message = message;
            (invocation.answer, invocation.answer_bytes) = answer.unzip();
            instance = invocation.instance.clone().filter(|_| self.timeline.shared.trace);
        }
        drop(ring);
        self.timeline.changed(self.id);
        if self.timeline.shared.trace {
            self.trace(verdict, instance.as_deref().unwrap_or("-"), timings, total, gateway);
        }
    }

    fn trace(&self, verdict: Verdict, instance: &str, timings: Timings, total: Duration, gateway: Duration) {
        info!(
            "trace role={} instance={instance} connection={} outcome={} queued_ms={:.3} init_ms={:.3} \
             function_ms={:.3} total_ms={:.3} gateway_ms={:.3}",
            self.role.name(),
            self.connection,
            verdict.name(),
            float_ms(timings.queued),
            timings.init.map_or(0.0, float_ms),
            timings.function.map_or(0.0, float_ms),
            float_ms(total),
            float_ms(gateway),
        );
    }
}

/// Milliseconds since 1970.
pub(crate) fn epoch_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds to the microsecond.
fn float_ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
