//! The metrics of a node of a cluster.

use std::time::SystemTime;

use prometheus_client::registry::Registry;

use super::{ByLabel, Counter, Gauge, catalogue as c, family, labels::TakeOverOutcome, register};

/// What a node counts of leases and take-overs. All at 0 without a cluster.
#[derive(Debug)]
pub(crate) struct ClusterMetrics {
    renewed: Gauge,
    /// Nodes that have a lease, as this one sees it.
    pub nodes: Gauge,
    /// How often this process was declared lost.
    pub declared_lost: Counter,
    takeovers: ByLabel<TakeOverOutcome>,
    /// Cleanups for clients of lost nodes.
    pub cleanups: Counter,
    /// Records of connections that are finished, still in Redis.
    pub records_to_delete: Gauge,
}

impl ClusterMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let renewed = register(registry, &c::LEASE_RENEWED, Gauge::default());
        let nodes = register(registry, &c::NODES, Gauge::default());
        let declared_lost = register(registry, &c::DECLARED_LOST, Counter::default());
        let takeovers = register(registry, &c::TAKE_OVERS, family::Family::default());
        let cleanups = register(registry, &c::LOST_NODE_CLEANUPS, Counter::default());
        let records_to_delete = register(registry, &c::RECORDS_TO_DELETE, Gauge::default());
        let takeovers = ByLabel::new(&takeovers, &c::TAKE_OVERS, &[]);
        Self { renewed, nodes, declared_lost, takeovers, cleanups, records_to_delete }
    }

    /// The lease is renewed now.
    pub fn lease_renewed(&self) {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.renewed.set(i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX));
    }

    /// How many take-overs have ended in this way.
    pub(crate) fn take_overs(&self, outcome: TakeOverOutcome) -> u64 {
        self.takeovers.at(outcome).get()
    }

    /// A take-over has ended.
    pub fn took_over(&self, outcome: TakeOverOutcome) {
        self.takeovers.at(outcome).inc();
    }
}
