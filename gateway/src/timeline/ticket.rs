//! One invocation's place in the time line, handed along with its event.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use log::info;

use super::{Call, Recorder, Verdict, float_ms};
use crate::function::Role;

/// One invocation's place in the time line, handed along with its event.
#[derive(Debug)]
pub struct Ticket {
    /// Where it is recorded, and its record's id.
    place: Option<(Arc<Recorder>, u64)>,
    trace: bool,
    role: Role,
    connection: String,
    received: Instant,
    queued_ns: AtomicU64,
    init: OnceLock<Duration>,
    function: OnceLock<Duration>,
    instance: OnceLock<String>,
    decided: bool,
}

/// What was measured of an invocation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    pub(super) queued: Duration,
    pub(super) init: Option<Duration>,
    pub(super) function: Option<Duration>,
    pub(super) total: Duration,
}

impl Measured {
    /// What remains for the gateway itself.
    pub(super) fn gateway(&self) -> Duration {
        let elsewhere = self.queued + self.init.unwrap_or_default() + self.function.unwrap_or_default();
        self.total.saturating_sub(elsewhere)
    }
}

impl Ticket {
    pub(super) fn new(call: &Call<'_>, place: Option<(Arc<Recorder>, u64)>, trace: bool) -> Self {
        Self {
            place,
            trace,
            role: call.role,
            connection: call.connection.to_owned(),
            received: call.received,
            queued_ns: AtomicU64::new(nanos(call.waited)),
            init: OnceLock::new(),
            function: OnceLock::new(),
            instance: OnceLock::new(),
            decided: false,
        }
    }

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

    /// The record's id.
    pub(crate) fn id(&self) -> Option<u64> {
        self.place.as_ref().map(|(_, id)| *id)
    }

    /// How long the event waited for a free instance.
    pub fn queued(&self, queued: Duration) {
        self.queued_ns.fetch_add(nanos(queued), Ordering::Relaxed);
    }

    /// Where the event will run, and how long that instance took to initialise if it was started for this event.
    pub fn placed(&self, instance: &str, init: Option<Duration>) {
        if let Some(init) = init {
            // An event starts one instance at most.
            let _ = self.init.set(init);
        }
        if self.trace {
            // The first one is named should an instance be lost before it takes the event.
            let _ = self.instance.set(instance.to_owned());
        }
        if let Some((recorder, id)) = &self.place {
            recorder.placed(*id, instance, &self.measured());
        }
    }

    /// From the event's handing out until its outcome was accepted, or the instance was given up.
    pub fn ran(&self, function: Duration) {
        // It is handed out once.
        let _ = self.function.set(function);
    }

    /// The invocation is over.
    pub(crate) fn decide(mut self, verdict: Verdict, message: Option<String>, answer: Option<&[u8]>) {
        self.close(verdict, message, answer);
    }

    fn close(&mut self, verdict: Verdict, message: Option<String>, answer: Option<&[u8]>) {
        self.decided = true;
        let measured = self.measured();
        if let Some((recorder, id)) = &self.place {
            recorder.decided(*id, verdict, message, answer, &measured);
        }
        if self.trace {
            self.trace(verdict, &measured);
        }
    }

    fn measured(&self) -> Measured {
        Measured {
            queued: Duration::from_nanos(self.queued_ns.load(Ordering::Relaxed)),
            init: self.init.get().copied(),
            function: self.function.get().copied(),
            total: self.received.elapsed(),
        }
    }

    fn trace(&self, verdict: Verdict, measured: &Measured) {
        info!(
            "trace role={} instance={} connection={} outcome={} queued_ms={:.3} init_ms={:.3} \
             function_ms={:.3} total_ms={:.3} gateway_ms={:.3}",
            self.role.name(),
            self.instance.get().map_or("-", String::as_str),
            self.connection,
            verdict.name(),
            float_ms(measured.queued),
            measured.init.map_or(0.0, float_ms),
            measured.function.map_or(0.0, float_ms),
            float_ms(measured.total),
            float_ms(measured.gateway()),
        );
    }
}

impl Drop for Ticket {
    /// An event that is dropped with the future that carries it out is over too.
    fn drop(&mut self) {
        if !self.decided {
            let message = "given up: the caller no longer waits for it".to_owned();
            self.close(Verdict::Abandoned, Some(message), None);
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
