//! The metrics of one API, looked up once so that a frame costs an addition and no search.

use std::{borrow::Cow, time::Instant};

use super::{
    ByLabel, Families, Gauge, Histogram, catalogue,
    labels::{Direction, EventOutcome, HandshakeOutcome},
    series,
};
use crate::{
    connection::websocket::close_reason::CloseReason,
    function::{CircuitState, Role},
};

/// The metrics of one API. All its series are there from the beginning, with 0.
#[derive(Debug)]
pub struct ApiMetrics {
    connections: Gauge,
    handshakes: ByLabel<HandshakeOutcome>,
    closes: ByLabel<CloseReason>,
    frames: ByLabel<Direction>,
    frame_bytes: ByLabel<Direction>,
    roles: [RoleMetrics; 3],
}

#[derive(Debug)]
struct RoleMetrics {
    outcomes: ByLabel<EventOutcome>,
    seconds: Histogram,
    in_flight: Gauge,
    circuit: Gauge,
}

impl ApiMetrics {
    pub(super) fn new(families: &Families, api: &str) -> Self {
        let by_api = [Cow::Owned(api.to_owned())];
        Self {
            connections: families
                .connections
                .get_or_create_owned(&series(&catalogue::CONNECTIONS, by_api.clone())),
            handshakes: ByLabel::new(&families.handshakes, &catalogue::HANDSHAKES, &by_api),
            closes: ByLabel::new(&families.closes, &catalogue::CLOSES, &by_api),
            frames: ByLabel::new(&families.frames, &catalogue::FRAMES, &by_api),
            frame_bytes: ByLabel::new(&families.frame_bytes, &catalogue::FRAME_BYTES, &by_api),
            roles: Role::ALL.map(|role| RoleMetrics::new(families, api, role)),
        }
    }

    fn role(&self, role: Role) -> &RoleMetrics {
        let [register, transfer, cleanup] = &self.roles;
        match role {
            Role::Register => register,
            Role::Transfer => transfer,
            Role::Cleanup => cleanup,
        }
    }

    /// A handshake has ended so. With [`HandshakeOutcome::Accepted`] the client counts as connected.
    pub fn handshake(&self, outcome: HandshakeOutcome) {
        self.handshakes.at(outcome).inc();
        if outcome == HandshakeOutcome::Accepted {
            self.connections.inc();
        }
    }

    /// A client that was connected is no longer.
    pub fn closed(&self, reason: CloseReason) {
        self.connections.dec();
        self.closes.at(reason).inc();
    }

    /// A data frame has arrived, or was written.
    pub fn frame(&self, direction: Direction, payload_bytes: usize) {
        self.frames.at(direction).inc();
        self.frame_bytes.at(direction).inc_by(payload_bytes as u64);
    }

    /// A function is called.
    #[must_use = "the event ends when this is dropped"]
    pub fn event(&self, role: Role) -> EventTimer<'_> {
        let metrics = self.role(role);
        metrics.in_flight.inc();
        EventTimer { metrics, called: Instant::now(), outcome: EventOutcome::Abandoned }
    }

    /// The circuit of a function's backend changes its state.
    pub fn circuit(&self, role: Role, state: CircuitState) {
        let number = match state {
            CircuitState::Closed => 0,
            CircuitState::HalfOpen => 1,
            CircuitState::Open => 2,
        };
        self.role(role).circuit.set(number);
    }
}

impl RoleMetrics {
    fn new(families: &Families, api: &str, role: Role) -> Self {
        let labels = [Cow::Owned(api.to_owned()), Cow::Borrowed(role.name())];
        Self {
            outcomes: ByLabel::new(&families.events, &catalogue::EVENTS, &labels),
            seconds: families
                .event_seconds
                .get_or_create_owned(&series(&catalogue::EVENT_SECONDS, labels.clone())),
            in_flight: families
                .in_flight
                .get_or_create_owned(&series(&catalogue::EVENTS_IN_FLIGHT, labels.clone())),
            circuit: families.circuit.get_or_create_owned(&series(&catalogue::CIRCUIT, labels)),
        }
    }
}

/// A call of a function. Counted when it is dropped: as abandoned, unless [`EventTimer::finish`] said otherwise.
#[derive(Debug)]
pub struct EventTimer<'a> {
    metrics: &'a RoleMetrics,
    called: Instant,
    outcome: EventOutcome,
}

impl EventTimer<'_> {
    /// The call has ended so.
    pub fn finish(mut self, outcome: EventOutcome) {
        self.outcome = outcome;
    }
}

impl Drop for EventTimer<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
        self.metrics.outcomes.at(self.outcome).inc();
        self.metrics.seconds.observe(self.called.elapsed().as_secs_f64());
    }
}
