//! The metrics of one API, looked up once so that a frame costs an addition and no search.

use std::{borrow::Cow, collections::HashMap, sync::Arc, time::Instant};

use parking_lot::Mutex;

use super::{
    ByLabel, Counter, Families, Family, Gauge, Histogram, catalogue,
    catalogue::Description,
    labels::{Direction, HandshakeOutcome, InvocationOutcome, Label, When},
    series,
};
use crate::{
    connection::websocket::close_reason::CloseReason,
    function::{CircuitState, Role},
};

/// The metrics of one API. All its series are there from the beginning, with 0.
#[derive(Debug)]
pub(crate) struct ApiMetrics {
    connections: Gauge,
    handshakes: ByLabel<HandshakeOutcome>,
    closes: ByLabel<CloseReason>,
    frames: ByLabel<Direction>,
    frame_bytes: ByLabel<Direction>,
    compressed_bytes: [ByLabel<When>; 2],
    compressions: Counter,
    roles: [RoleMetrics; 3],
    _series: ApiSeries,
}

/// How many [`ApiMetrics`] there are for each path: an API that a reload changes has two for a while.
pub(super) type ApiHandles = Arc<Mutex<HashMap<String, usize>>>;

/// Removes the series of an API when its last handle is dropped.
#[derive(Debug)]
struct ApiSeries {
    families: Families,
    handles: ApiHandles,
    api: String,
}

impl Drop for ApiSeries {
    fn drop(&mut self) {
        let mut handles = self.handles.lock();
        let Some(count) = handles.get_mut(&self.api) else { return };
        *count -= 1;
        if *count > 0 {
            return;
        }
        handles.remove(&self.api);
        let Self { families, api, .. } = self;
        let by_api = [Cow::Owned(api.clone())];
        families.connections.remove(&series(&catalogue::CONNECTIONS, by_api.clone()));
        remove::<HandshakeOutcome>(&families.handshakes, &catalogue::HANDSHAKES, &by_api);
        remove::<CloseReason>(&families.closes, &catalogue::CLOSES, &by_api);
        remove::<Direction>(&families.frames, &catalogue::FRAMES, &by_api);
        remove::<Direction>(&families.frame_bytes, &catalogue::FRAME_BYTES, &by_api);
        for direction in Direction::ALL {
            let labels = [Cow::Owned(api.clone()), Cow::Borrowed(direction.value())];
            remove::<When>(&families.compressed_bytes, &catalogue::COMPRESSED_BYTES, &labels);
        }
        families.compressions.remove(&series(&catalogue::COMPRESSIONS, by_api.clone()));
        for role in Role::ALL {
            let labels = [Cow::Owned(api.clone()), Cow::Borrowed(role.name())];
            remove::<InvocationOutcome>(&families.events, &catalogue::EVENTS, &labels);
            families.event_seconds.remove(&series(&catalogue::EVENT_SECONDS, labels.clone()));
            families.in_flight.remove(&series(&catalogue::EVENTS_IN_FLIGHT, labels.clone()));
            families.circuit.remove(&series(&catalogue::CIRCUIT, labels));
        }
    }
}

/// Removes the series of each value of the last label.
fn remove<L: Label>(family: &Family<Counter>, description: &Description, before: &[Cow<'static, str>]) {
    for label in L::ALL {
        let values = before.iter().cloned().chain([Cow::Borrowed(label.value())]);
        family.remove(&series(description, values));
    }
}

#[derive(Debug)]
struct RoleMetrics {
    outcomes: ByLabel<InvocationOutcome>,
    seconds: Histogram,
    in_flight: Gauge,
    circuit: Gauge,
}

impl ApiMetrics {
    pub(super) fn new(families: &Families, handles: &ApiHandles, api: &str) -> Self {
        let by_api = [Cow::Owned(api.to_owned())];
        // Held while the series are made, so that they are not removed meanwhile.
        let mut counted = handles.lock();
        *counted.entry(api.to_owned()).or_default() += 1;
        Self {
            connections: families
                .connections
                .get_or_create_owned(&series(&catalogue::CONNECTIONS, by_api.clone())),
            handshakes: ByLabel::new(&families.handshakes, &catalogue::HANDSHAKES, &by_api),
            closes: ByLabel::new(&families.closes, &catalogue::CLOSES, &by_api),
            frames: ByLabel::new(&families.frames, &catalogue::FRAMES, &by_api),
            frame_bytes: ByLabel::new(&families.frame_bytes, &catalogue::FRAME_BYTES, &by_api),
            compressed_bytes: [Direction::In, Direction::Out].map(|direction| {
                let labels = [by_api[0].clone(), Cow::Borrowed(direction.value())];
                ByLabel::new(&families.compressed_bytes, &catalogue::COMPRESSED_BYTES, &labels)
            }),
            compressions: families
                .compressions
                .get_or_create_owned(&series(&catalogue::COMPRESSIONS, by_api.clone())),
            roles: Role::ALL.map(|role| RoleMetrics::new(families, api, role)),
            _series: ApiSeries {
                families: families.clone(),
                handles: Arc::clone(handles),
                api: api.to_owned(),
            },
        }
    }

    fn role(&self, role: Role) -> &RoleMetrics {
        &self.roles[role as usize]
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

    /// The payload of a frame was compressed, by the client or for it.
    pub fn compressed(&self, direction: Direction, before: usize, after: usize) {
        let bytes = &self.compressed_bytes[direction.index()];
        bytes.at(When::Before).inc_by(before as u64);
        bytes.at(When::After).inc_by(after as u64);
    }

    /// A payload is about to be compressed.
    pub fn compression(&self) {
        self.compressions.inc();
    }

    /// A function is called.
    #[must_use = "the event ends when this is dropped"]
    pub fn event(&self, role: Role) -> EventTimer<'_> {
        let metrics = self.role(role);
        metrics.in_flight.inc();
        EventTimer { metrics, called: Instant::now(), outcome: InvocationOutcome::Abandoned }
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
pub(crate) struct EventTimer<'a> {
    metrics: &'a RoleMetrics,
    called: Instant,
    outcome: InvocationOutcome,
}

impl EventTimer<'_> {
    /// The call has ended so.
    pub fn finish(mut self, outcome: InvocationOutcome) {
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
