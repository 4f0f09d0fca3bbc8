//! The metrics of what goes from node to node.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus_client::registry::Registry;

use super::{ByLabel, Counter, Family, Gauge, Histogram, catalogue as c, labels::Way, register};

/// Upper ends of the buckets of times over Redis, in seconds.
const SECONDS: [f64; 12] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 2.5];

/// All of them stay at 0 on a node that is alone.
#[derive(Debug)]
pub(crate) struct RouteMetrics {
    redis_up: Gauge,
    redis_connects: Counter,
    round_trip: Histogram,
    /// When the last one ended, and how long it took.
    last_round_trip: Mutex<Option<(Instant, Duration)>>,
    deliveries: ByLabel<Way>,
}

impl RouteMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let deliveries: Family<Counter> = register(registry, &c::CLUSTER_DELIVERIES, Family::default());
        Self {
            redis_up: register(registry, &c::CLUSTER_REDIS_UP, Gauge::default()),
            redis_connects: register(registry, &c::CLUSTER_REDIS_CONNECTS, Counter::default()),
            round_trip: register(registry, &c::CLUSTER_ROUND_TRIP, Histogram::new(SECONDS)),
            last_round_trip: Mutex::default(),
            deliveries: ByLabel::new(&deliveries, &c::CLUSTER_DELIVERIES, &[]),
        }
    }

    /// Whether the Redis server answers, and how many connections for commands were made to it so far.
    pub fn redis(&self, up: bool, connects: u64) {
        self.redis_up.set(up.into());
        self.redis_connects.inc_by(connects.saturating_sub(self.redis_connects.get()));
    }

    /// A message of this node to itself has arrived after this time.
    pub fn round_trip(&self, time: Duration) {
        self.round_trip.observe(time.as_secs_f64());
        *self.last_round_trip.lock() = Some((Instant::now(), time));
    }

    /// How long the last message of this node to itself took, if one has arrived within this time.
    pub(crate) fn last_round_trip(&self, within: Duration) -> Option<Duration> {
        let (at, time) = (*self.last_round_trip.lock())?;
        (at.elapsed() <= within).then_some(time)
    }

    /// Deliveries that went this way so far.
    pub(crate) fn delivered(&self, way: Way) -> u64 {
        self.deliveries.at(way).get()
    }

    /// Deliveries to this many connections go this way.
    pub fn deliveries(&self, way: Way, connections: usize) {
        self.deliveries.at(way).inc_by(connections as u64);
    }
}
