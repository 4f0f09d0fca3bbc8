//! What the timeline records of the gateway's reports.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::broadcast;

use super::{
    limits::{BUFFERED_CHANGES, LINE_BYTES},
    open::OpenConnection,
    payload::{EventPayload, cut, shown_payload},
    push::Pushed,
    record::{ConnectionChange, ForeignPush, InstanceChange, InvocationRecord, InvocationState, Lines, What},
    ring::{Attribution, Ring, RunningInvocation},
    time::{epoch_ms, float_ms, millis},
};
use crate::{
    contract::trace_context::{trace_id, trace_of},
    function::{Role, Timings},
    observe::report::{InvocationOutcome, Pusher, Report, Reporter},
};

/// The records, and the viewers that follow them.
#[derive(Debug)]
pub(crate) struct Timeline {
    pub(super) ring: Mutex<Ring>,
    pub(super) changes: broadcast::Sender<u64>,
}

/// An invocation's event, to be sent again.
#[derive(Debug)]
pub(crate) struct RecordedEvent {
    pub(crate) api: Arc<str>,
    pub(crate) role: Role,
    pub(crate) connection: String,
    /// `None` if only the event's beginning is kept.
    pub(crate) event: Option<Bytes>,
}

impl Timeline {
    /// With so many records.
    pub(crate) fn keeping(rows: usize) -> Self {
        Self { ring: Mutex::new(Ring::keeping(rows)), changes: broadcast::Sender::new(BUFFERED_CHANGES) }
    }
}

impl Reporter for Timeline {
    fn report(&self, report: &Report<'_>) {
        match *report {
            Report::InvocationBegun {
                request_id,
                trace,
                api,
                role,
                connection,
                event,
                received,
                waited,
                replay,
            } => {
                let invocation = InvocationRecord {
                    role: role.name(),
                    replay,
                    connection: connection.to_owned(),
                    started_ms: epoch_ms().saturating_sub(millis(received.elapsed())),
                    queued_ms: float_ms(waited),
                    event: EventPayload::new(event),
                    event_bytes: event.len(),
                    trace: trace.and_then(trace_id).map(str::to_owned).or_else(|| trace_of(request_id)),
                    api: Arc::clone(api),
                    ..InvocationRecord::default()
                };
                self.invocation(request_id, invocation);
            }
            Report::FrameInflated { request_id, before, after } => self.inflated(request_id, before, after),
            Report::InvocationCalled { request_id, queued } => self.called(request_id, queued),
            Report::InvocationPlaced { request_id, instance, started } => {
                self.placed(request_id, instance, started);
            }
            Report::InvocationEnded { request_id, outcome, message, answer, timings, total, .. } => {
                self.ended(request_id, outcome, message, answer, timings, total);
            }
            Report::InstanceStarted { role, instance, pid, request_id } => {
                self.instance_started(role, instance, pid, request_id);
            }
            Report::InstanceReady { instance } => self.instance_ready(instance),
            Report::InstanceEnded { role, instance, pid, message } => {
                self.instance_ended(role, instance, pid, message);
            }
            Report::OutputLine { instance, line } => self.line(instance, line),
            Report::ConnectionOpened { connection, path, sub_protocol } => {
                self.connection("opened", Some(connection), path, sub_protocol, None);
            }
            Report::ConnectionRefused { connection, path, message } => {
                self.connection("refused", connection, path, None, Some(message));
            }
            Report::ConnectionClosed { connection, path, message, .. } => {
                self.connection("closed", Some(connection), path, None, Some(message));
            }
            Report::PushAnswered { by, push, status, failed } => {
                self.pushed(by, Pushed::new(push, status, failed));
            }
        }
    }
}

impl Timeline {
    /// The event of a recorded invocation.
    pub(crate) fn event(&self, id: u64) -> Option<RecordedEvent> {
        let ring = self.ring.lock();
        let What::Invocation(invocation) = &ring.get(id)?.what else { return None };
        let role = Role::ALL.into_iter().find(|role| role.name() == invocation.role)?;
        Some(RecordedEvent {
            api: Arc::clone(&invocation.api),
            role,
            connection: invocation.connection.clone(),
            event: invocation.event.whole(),
        })
    }

    /// A record of its own if it is not known which invocation made it.
    fn pushed(&self, by: Pusher<'_>, push: Pushed) {
        let mut ring = self.ring.lock();
        let id = match ring.invocation_of(by) {
            Some(id) => {
                let Some(invocation) = ring.invocation_mut(id) else { return };
                let newly_wrong = push.is_malformed() && !invocation.counted_as_error;
                invocation.counted_as_error |= newly_wrong;
                invocation.pushes.add(push);
                if newly_wrong {
                    ring.figures.change().error();
                }
                id
            }
            None => ring.add(What::Push(ForeignPush { started_ms: epoch_ms(), push })),
        };
        drop(ring);
        self.changed(id);
    }

    fn invocation(&self, request_id: &str, invocation: InvocationRecord) {
        let mut ring = self.ring.lock();
        ring.figures.change().invocation();
        let id = ring.add(What::Invocation(Box::new(invocation)));
        ring.running.insert(request_id.to_owned(), RunningInvocation { record: id, cold: false });
        drop(ring);
        self.changed(id);
    }

    /// Shown with the next change, which follows at once.
    fn inflated(&self, request_id: &str, before: usize, after: usize) {
        let mut ring = self.ring.lock();
        if let Some(invocation) = ring.running_mut(request_id) {
            (invocation.frame_bytes, invocation.compressed_bytes) = (Some(after), Some(before));
        }
    }

    /// Shown with the next change, which follows at once.
    fn called(&self, request_id: &str, queued: Duration) {
        let mut ring = self.ring.lock();
        if let Some(invocation) = ring.running_mut(request_id) {
            invocation.queued_ms = float_ms(queued);
        }
    }

    fn instance_started(&self, role: Role, instance: &str, pid: u32, request_id: &str) {
        let change = instance_change(role, instance, pid, "started", None);
        let mut ring = self.ring.lock();
        let id = ring.add(What::Instance(change));
        let for_invocation = ring.running.get(request_id).map(|running| running.record);
        let attribution = Attribution {
            role: role.name(),
            instance_record: id,
            invocation: for_invocation,
            starting: true,
        };
        ring.instances.insert(instance.to_owned(), attribution);
        if let Some(invocation) = for_invocation.and_then(|id| ring.invocation_mut(id)) {
            invocation.instance = Some(instance.to_owned());
        }
        drop(ring);
        self.changed(id);
        if let Some(id) = for_invocation {
            self.changed(id);
        }
    }

    fn instance_ready(&self, instance: &str) {
        let mut ring = self.ring.lock();
        let Some(found) = ring.instances.get_mut(instance) else { return };
        found.starting = false;
        let id = found.instance_record;
        if let Some(change) = ring.instance_mut(id) {
            change.what = "ready";
        }
        drop(ring);
        self.changed(id);
    }

    /// A record of its own, since the first may have left the ring long ago.
    fn instance_ended(&self, role: Role, instance: &str, pid: u32, message: &str) {
        let change = instance_change(role, instance, pid, "ended", Some(message.to_owned()));
        let mut ring = self.ring.lock();
        ring.instances.remove(instance);
        let id = ring.add(What::Instance(change));
        drop(ring);
        self.changed(id);
    }

    fn line(&self, instance: &str, line: &str) {
        let mut ring = self.ring.lock();
        let Some(found) = ring.instances.get(instance) else { return };
        let invocation = found.invocation;
        let instance = (found.starting || invocation.is_none()).then_some(found.instance_record);
        if let Some(change) = instance.and_then(|id| ring.instance_mut(id)) {
            change.log.add(line);
        }
        if let Some(invocation) = invocation.and_then(|id| ring.invocation_mut(id)) {
            invocation.log.add(line);
        }
        drop(ring);
        for id in [instance, invocation].into_iter().flatten() {
            self.changed(id);
        }
    }

    fn connection(
        &self,
        what: &'static str,
        connection: Option<&str>,
        path: &str,
        sub_protocol: Option<&str>,
        message: Option<&str>,
    ) {
        let change = ConnectionChange {
            connection: connection.map(str::to_owned),
            what,
            started_ms: epoch_ms(),
            path: cut(path.as_bytes(), LINE_BYTES),
            sub_protocol: sub_protocol.map(str::to_owned),
            message: message.map(str::to_owned),
        };
        let mut ring = self.ring.lock();
        if let Some(connection) = connection.filter(|_| what == "opened") {
            ring.open.change().opened(OpenConnection {
                connection: connection.to_owned(),
                path: change.path.clone(),
                sub_protocol: change.sub_protocol.clone(),
                opened_ms: change.started_ms,
            });
        } else if let Some(connection) = connection.filter(|_| what == "closed") {
            ring.open.change().closed(connection);
        }
        let id = ring.add(What::Connection(change));
        drop(ring);
        self.changed(id);
    }

    fn placed(&self, request_id: &str, instance: &str, started: Option<Duration>) {
        let mut ring = self.ring.lock();
        let Some(id) = ring.place(request_id, instance, started) else { return };
        if let Some(found) = ring.instances.get_mut(instance) {
            found.invocation = Some(id);
        }
        drop(ring);
        self.changed(id);
    }

    fn ended(
        &self,
        request_id: &str,
        outcome: InvocationOutcome,
        message: Option<&str>,
        answer: Option<&[u8]>,
        timings: &Timings,
        total: Duration,
    ) {
        let gateway = timings.remainder(total);
        let answer = answer.map(|answer| (shown_payload(answer), answer.len()));
        let mut ring = self.ring.lock();
        if let Some(instance) = &timings.instance {
            ring.place(request_id, instance, timings.started);
        }
        let Some(RunningInvocation { record: id, .. }) = ring.running.remove(request_id) else { return };
        let mut counted = false;
        if let Some(invocation) = ring.invocation_mut(id) {
            counted = std::mem::replace(&mut invocation.counted_as_error, outcome.is_error());
            invocation.counted_as_error |= counted;
            invocation.queued_ms = float_ms(timings.queued);
            invocation.function_ms = timings.ran.map(float_ms);
            invocation.total_ms = Some(float_ms(total));
            invocation.gateway_ms = Some(float_ms(gateway));
            invocation.outcome = InvocationState::Ended(outcome);
            invocation.message = message.map(str::to_owned);
            (invocation.answer, invocation.answer_bytes) = answer.unzip();
        }
        let figures = ring.figures.change();
        figures.took(gateway, timings.ran);
        if outcome.is_error() && !counted {
            figures.error();
        }
        drop(ring);
        self.changed(id);
    }

    fn changed(&self, id: u64) {
        // Without viewers there is no receiver.
        let _ = self.changes.send(id);
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
