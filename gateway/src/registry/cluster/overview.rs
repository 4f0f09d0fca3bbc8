//! The cluster as one node sees it, for the page.

use std::time::Duration;

use serde::Serialize;

use super::{Cluster, NodeId, lease::store::Seen, place};
use crate::observe::{
    metrics::{
        Metrics,
        labels::{TakeOverOutcome, Way},
    },
    timeline::float_ms,
};

/// A round trip that ended longer ago says nothing of the present: one is measured each second.
const ROUND_TRIP_COUNTS_FOR: Duration = Duration::from_secs(5);

/// In JSON. Times are in milliseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Overview {
    /// Which node this is.
    node: String,
    /// How long a node may be silent before it is declared lost.
    lease_ms: f64,
    /// Since this node last renewed its lease; `None` before the first time.
    lease_age_ms: Option<f64>,
    redis_up: bool,
    /// The nodes that may have clients, by address; `None` while Redis does not say.
    nodes: Option<Vec<OneNode>>,
    /// From this node through Redis and back; `None` if nothing arrives.
    round_trip_ms: Option<f64>,
    pushes: Ways,
    take_overs: TakeOvers,
    /// How often this process was declared lost.
    declared_lost: u64,
}

#[derive(Debug, PartialEq, Serialize)]
struct OneNode {
    address: String,
    node: String,
    host: String,
    version: String,
    /// Since the node last renewed its lease; `None` if the lease has ended.
    lease_age_ms: Option<f64>,
}

/// Deliveries that this node was asked for, counted for each connection.
#[derive(Debug, Serialize)]
struct Ways {
    local: u64,
    remote: u64,
}

/// Take-overs by this node.
#[derive(Debug, Serialize)]
struct TakeOvers {
    completed: u64,
    incomplete: u64,
    interrupted: u64,
}

impl Overview {
    /// Asks Redis for the nodes.
    pub(crate) async fn of(cluster: &Cluster, metrics: &Metrics) -> Self {
        let lease = cluster.lease_time();
        let nodes = cluster.shared().store().nodes().await.ok().map(|(_, nodes)| listed(&nodes, lease));
        let taken = |outcome| metrics.cluster.take_overs(outcome);
        Self {
            node: cluster.node().to_string(),
            lease_ms: float_ms(lease),
            lease_age_ms: cluster.shared().age().map(float_ms),
            redis_up: cluster.redis().up_since().is_some(),
            nodes,
            round_trip_ms: metrics.routes.last_round_trip(ROUND_TRIP_COUNTS_FOR).map(float_ms),
            pushes: Ways {
                local: metrics.routes.delivered(Way::Local),
                remote: metrics.routes.delivered(Way::Remote),
            },
            take_overs: TakeOvers {
                completed: taken(TakeOverOutcome::Completed),
                incomplete: taken(TakeOverOutcome::Incomplete),
                interrupted: taken(TakeOverOutcome::Interrupted),
            },
            declared_lost: metrics.cluster.declared_lost.get(),
        }
    }
}

fn listed(nodes: &[Seen], lease: Duration) -> Vec<OneNode> {
    let mut listed: Vec<_> = nodes.iter().map(|seen| one(seen, lease)).collect();
    listed.sort_by(|one, other| (&one.address, &one.node).cmp(&(&other.address, &other.node)));
    listed
}

fn one(Seen { node, info, lease_left }: &Seen, lease: Duration) -> OneNode {
    // Everything else that a node says of itself is for the other nodes alone.
    let place::About { address, host, version } = place::about(info);
    // All nodes have leases of the same length.
    let lease_age_ms = lease_left.map(|left| float_ms(lease.saturating_sub(left)));
    OneNode { address, node: NodeId::to_string(node), host, version, lease_age_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_listed_by_address_with_the_age_of_their_lease_and_nothing_else() {
        let seen = |byte, info: &str, left: Option<u64>| Seen {
            node: NodeId::from_bytes([byte; 6]),
            info: info.to_owned(),
            lease_left: left.map(Duration::from_millis),
        };
        let second = r#"{"address":"10.0.0.2:9000","host":"b","version":"1","place":"private"}"#;
        let first = r#"{"address":"10.0.0.1:9000","host":"a","version":"2","started":5}"#;
        let nodes = vec![seen(2, second, Some(4200)), seen(1, first, None), seen(3, "nonsense", Some(6000))];
        let listed = listed(&nodes, Duration::from_secs(5));
        let ages: Vec<_> = listed.iter().map(|node| (node.host.as_str(), node.lease_age_ms)).collect();
        assert_eq!(ages, [("", Some(0.0)), ("a", None), ("b", Some(800.0))]);
        let json = serde_json::to_string(&listed).expect("JSON");
        assert!(!json.contains("private"), "{json}");
    }
}
