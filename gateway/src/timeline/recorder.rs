//! What the time line records when there is a page to show it.

use std::sync::Mutex;

use bytes::Bytes;
use tokio::sync::broadcast;

use super::{
    Call, Pushed, Verdict, epoch_ms, float_ms, millis,
    open::OpenConnection,
    payload::{Payload, shown_payload},
    record::{ConnectionChange, ForeignPush, InstanceChange, Invocation, Lines, Pushes, What},
    ring::{Attribution, Ring},
    ticket::Measured,
};
use crate::{function::Role, locked};

/// Changes that a slow viewer may be behind before it receives the whole state again.
const CHANGES_BUFFERED: usize = 1024;

#[derive(Debug)]
pub(crate) struct Recorder {
    pub(super) ring: Mutex<Ring>,
    pub(super) changes: broadcast::Sender<u64>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { ring: Mutex::default(), changes: broadcast::Sender::new(CHANGES_BUFFERED) }
    }
}

impl Recorder {
    /// The event of an invocation, with its role and connection; `None` in place of an event of which only the
    /// beginning is kept.
    pub(crate) fn event(&self, id: u64) -> Option<(Role, String, Option<Bytes>)> {
        let ring = locked(&self.ring);
        let What::Invocation(invocation) = &ring.get(id)?.what else { return None };
        let role = Role::ALL.into_iter().find(|role| role.name() == invocation.role)?;
        Some((role, invocation.connection.clone(), invocation.event.whole()))
    }

    /// A push that the instance made, or anybody else.
    pub(crate) fn pushed(&self, instance: Option<&str>, push: Pushed) {
        let mut ring = locked(&self.ring);
        let by =
            instance.and_then(|instance| ring.instances.get(instance)).and_then(|found| found.invocation);
        let id = match by {
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

    pub(super) fn invocation(&self, call: &Call<'_>) -> u64 {
        let invocation = Invocation {
            role: call.role.name(),
            instance: None,
            cold: false,
            replay: call.replay,
            connection: call.connection.to_owned(),
            started_ms: epoch_ms().saturating_sub(millis(call.received.elapsed())),
            queued_ms: float_ms(call.waited),
            init_ms: None,
            function_ms: None,
            total_ms: None,
            gateway_ms: None,
            outcome: Verdict::Running,
            message: None,
            event: Payload::new(call.event),
            event_bytes: call.event.len(),
            answer: None,
            answer_bytes: None,
            pushes: Pushes::default(),
            log: Lines::default(),
            counted_as_error: false,
        };
        let mut ring = locked(&self.ring);
        ring.figures.change().invocation();
        let id = ring.add(What::Invocation(Box::new(invocation)));
        drop(ring);
        self.changed(id);
        id
    }

    pub(super) fn instance_started(&self, role: Role, instance: &str, pid: u32, for_invocation: Option<u64>) {
        let change = instance_change(role, instance, pid, "started", None);
        let mut ring = locked(&self.ring);
        let id = ring.add(What::Instance(change));
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

    pub(super) fn instance_ready(&self, instance: &str) {
        let mut ring = locked(&self.ring);
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
    pub(super) fn instance_ended(&self, role: Role, instance: &str, pid: u32, message: &str) {
        let change = instance_change(role, instance, pid, "ended", Some(message.to_owned()));
        let mut ring = locked(&self.ring);
        ring.instances.remove(instance);
        let id = ring.add(What::Instance(change));
        drop(ring);
        self.changed(id);
    }

    pub(super) fn line(&self, instance: &str, line: &str) {
        let mut ring = locked(&self.ring);
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

    pub(super) fn connection(
        &self,
        what: &'static str,
        connection: &str,
        path: &str,
        sub_protocol: Option<&str>,
        message: Option<String>,
    ) {
        let (path, sub_protocol) = (path.to_owned(), sub_protocol.map(str::to_owned));
        let change = ConnectionChange {
            connection: connection.to_owned(),
            what,
            started_ms: epoch_ms(),
            path,
            sub_protocol,
            message,
        };
        let mut ring = locked(&self.ring);
        if what == "opened" {
            ring.open.change().opened(OpenConnection {
                connection: change.connection.clone(),
                path: change.path.clone(),
                sub_protocol: change.sub_protocol.clone(),
                opened_ms: change.started_ms,
            });
        } else if what == "closed" {
            ring.open.change().closed(connection);
        }
        let id = ring.add(What::Connection(change));
        drop(ring);
        self.changed(id);
    }

    pub(super) fn placed(&self, id: u64, instance: &str, measured: &Measured) {
        let mut ring = locked(&self.ring);
        if let Some(found) = ring.instances.get_mut(instance) {
            found.invocation = Some(id);
        }
        if let Some(invocation) = ring.invocation_mut(id) {
            invocation.instance = Some(instance.to_owned());
            invocation.queued_ms = float_ms(measured.queued);
            invocation.init_ms = measured.init.map(float_ms);
            invocation.cold = measured.init.is_some();
        }
        if measured.init.is_some() {
            ring.figures.change().cold_start();
        }
        drop(ring);
        self.changed(id);
    }

    pub(super) fn decided(
        &self,
        id: u64,
        verdict: Verdict,
        message: Option<String>,
        answer: Option<&[u8]>,
        measured: &Measured,
    ) {
        let answer = answer.map(|answer| (shown_payload(answer), answer.len()));
        let mut ring = locked(&self.ring);
        let mut counted = false;
        if let Some(invocation) = ring.invocation_mut(id) {
            counted = std::mem::replace(&mut invocation.counted_as_error, verdict.is_error());
            invocation.counted_as_error |= counted;
            invocation.function_ms = measured.function.map(float_ms);
            invocation.total_ms = Some(float_ms(measured.total));
            invocation.gateway_ms = Some(float_ms(measured.gateway()));
            invocation.outcome = verdict;
            invocation.message = message;
            (invocation.answer, invocation.answer_bytes) = answer.unzip();
        }
        let figures = ring.figures.change();
        figures.took(measured.gateway(), measured.function);
        if verdict.is_error() && !counted {
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
