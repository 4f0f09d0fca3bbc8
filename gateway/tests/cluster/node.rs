//! Nodes of a cluster, in process and as processes.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use scf_websocket_gateway::{
    cluster::{Cluster, ClusterRegistry, ClusterSettings, LEASE, RedisUrl},
    metrics::Metrics,
};
use scf_websocket_test_harness::{FromFile, Gateway, InProcess, Redis, eventually, from_file};
use serde_json::{Value, json};

pub fn settings(redis: &Redis) -> ClusterSettings {
    ClusterSettings::new(RedisUrl::parse(&redis.url()).expect("a URL"))
}

/// A node in the test's process, whose functions follow the commands of the echo.
pub fn in_process(redis: &Redis) -> InProcess {
    let settings = settings(redis);
    InProcess::echo().gateway(|builder| builder.cluster(settings))
}

/// A node without clients.
pub async fn asker(redis: &Redis) -> Arc<ClusterRegistry> {
    asker_with(&settings(redis)).await
}

/// Likewise, with these settings.
pub async fn asker_with(settings: &ClusterSettings) -> Arc<ClusterRegistry> {
    let metrics = Arc::<Metrics>::default();
    let cluster = Cluster::join(settings, ([127, 0, 0, 1], 0).into(), &metrics);
    let registry = ClusterRegistry::new(cluster.expect("a node"), metrics);
    assert!(registry.joined().await, "Redis does not answer");
    registry
}

/// A node as a process.
pub fn process(redis_url: &str) -> FromFile {
    process_with(redis_url, LEASE)
}

/// Likewise, with this lease.
pub fn process_with(redis_url: &str, lease: Duration) -> FromFile {
    let mut text = format!(
        "listen = \"127.0.0.1:0\"\npush_listen = \"127.0.0.1:0\"\ncluster = \"{redis_url}\"\n\
         cluster_lease_seconds = {}\n[[api]]\npath = \"/\"\n",
        lease.as_secs()
    );
    for role in ["register", "transfer", "cleanup"] {
        writeln!(text, "{role} = \"process:$RUNTIMES/echo.py\"").expect("a string");
    }
    text += "function_timeout_seconds = 30\n[api.env]\nRECORD = \"$FOLDER/record\"\n";
    from_file(&text)
}

/// The inside of a push.
pub fn send(id: &str, data: &str) -> Value {
    json!({"action": "data send", "secConnectionID": id, "dataType": "text", "data": data})
}

/// Waits until a push has this status and `errNo`.
pub async fn wait_for_push(gateway: &Gateway, id: &str, wanted: (u16, i64)) {
    for _ in 0..2000 {
        let reply = gateway.push_json(send(id, "again")).await;
        if (reply.status, reply.err_no()) == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no push was answered with {wanted:?}");
}

pub async fn wait_for_round_trips(gateway: &Gateway, count: f64) {
    eventually("round trips", || {
        (gateway.metric("scf_gateway_cluster_round_trip_seconds_count") >= count).then_some(())
    })
    .await;
}
