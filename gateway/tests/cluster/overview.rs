//! What the page shows of the cluster, in `/admin/health`.

use std::time::Duration;

use scf_websocket_gateway::{
    PageScope,
    cluster::{ClusterSettings, RedisUrl},
};
use scf_websocket_test_harness::{Gateway, InProcess, Need, Redis, Reply, SOON, needs, request};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::node::{in_process, send};

const PATH: &str = "/admin/health";

async fn get(gateway: &Gateway, headers: &[(&str, &str)]) -> Reply {
    let headers: Vec<_> = [("Connection", "close")].into_iter().chain(headers.iter().copied()).collect();
    request(gateway.addr(), "GET", PATH, &headers, b"").await
}

/// Waits until what is shown is as wanted.
async fn seen(gateway: &Gateway, wanted: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let reply = get(gateway, &[]).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let seen = reply.json()["cluster"].take();
        if wanted(&seen) {
            return seen;
        }
        assert!(begun.elapsed() < SOON, "{seen}");
        sleep(Duration::from_millis(20)).await;
    }
}

fn nodes(seen: &Value) -> &[Value] {
    seen["nodes"].as_array().map_or(&[], Vec::as_slice)
}

#[tokio::test]
async fn a_gateway_that_is_alone_shows_no_cluster() {
    let gateway = InProcess::echo().start().await;
    let reply = get(&gateway, &[]).await;
    assert_eq!((reply.status, &reply.json()["cluster"]), (200, &Value::Null));
}

#[tokio::test]
async fn each_node_shows_all_nodes_with_their_leases_and_the_ways_of_its_pushes() {
    if !needs(Need::Redis) {
        return;
    }
    let redis = Redis::start(&[]);
    let gateways = [in_process(&redis).start().await, in_process(&redis).start().await];
    let mut client = gateways[1].connect("/").await;
    let id = client.id(&gateways[1]).await;
    assert_eq!(gateways[0].push_json(send(&id, "x")).await.err_no(), 0);
    let mut ids = Vec::new();
    for gateway in &gateways {
        let seen = seen(gateway, |seen| {
            let leases = nodes(seen).iter().filter(|node| node["lease_age_ms"].is_f64()).count();
            leases == 2 && seen["round_trip_ms"].as_f64() > Some(0.0)
        })
        .await;
        let addresses: Vec<_> = nodes(&seen).iter().map(|node| node["address"].clone()).collect();
        for gateway in &gateways {
            assert!(addresses.contains(&json!(gateway.addr())), "{seen}");
        }
        for node in nodes(&seen) {
            let age = node["lease_age_ms"].as_f64().expect("it has a lease");
            assert!((0.0..=5000.0).contains(&age), "{seen}");
            assert_eq!(node["version"], env!("CARGO_PKG_VERSION"));
        }
        let own = nodes(&seen).iter().find(|node| node["node"] == seen["node"]).expect("itself");
        assert_eq!(own["address"], gateway.addr());
        assert_eq!((&seen["redis_up"], &seen["lease_ms"]), (&json!(true), &json!(5000.0)));
        assert_eq!(seen["take_overs"], json!({"completed": 0, "incomplete": 0, "interrupted": 0}));
        ids.push(seen["node"].clone());
    }
    assert_ne!(ids[0], ids[1]);
    // The second node's own client was told its id by the echo.
    seen(&gateways[0], |seen| seen["pushes"] == json!({"local": 0, "remote": 1})).await;
    seen(&gateways[1], |seen| seen["pushes"] == json!({"local": 1, "remote": 0})).await;
}

#[tokio::test]
async fn a_redis_that_is_away_leaves_the_nodes_unknown_and_not_this_ones_lease() {
    if !needs(Need::Redis) {
        return;
    }
    let mut redis = Redis::start(&[]);
    let gateway = in_process(&redis).start().await;
    seen(&gateway, |seen| nodes(seen).len() == 1).await;
    redis.stop();
    let away = |seen: &Value| {
        // Nothing arrives from the outage on, nor was anything renewed.
        seen["redis_up"] == false
            && seen["round_trip_ms"].is_null()
            && seen["lease_age_ms"].as_f64() > Some(2000.0)
    };
    let away = seen(&gateway, away).await;
    assert_eq!(away["nodes"], Value::Null, "{away}");
    redis.restart();
    seen(&gateway, |seen| {
        let age = seen["lease_age_ms"].as_f64();
        seen["redis_up"] == true
            && nodes(seen).len() == 1
            && age < Some(2000.0)
            && !seen["round_trip_ms"].is_null()
    })
    .await;
}

#[tokio::test]
async fn a_node_that_is_gone_is_taken_over_and_leaves_the_list() {
    if !needs(Need::Redis) {
        return;
    }
    let redis = Redis::start(&[]);
    let (gone, survivor) = (in_process(&redis).start().await, in_process(&redis).start().await);
    seen(&survivor, |seen| nodes(seen).len() == 2).await;
    drop(gone);
    let seen = seen(&survivor, |seen| seen["take_overs"]["completed"] == 1 && nodes(seen).len() == 1).await;
    assert_eq!(nodes(&seen)[0]["node"], seen["node"]);
}

#[tokio::test]
async fn it_is_shown_to_those_who_may_see_the_page_and_tells_no_secret() {
    if !needs(Need::Redis) {
        return;
    }
    let redis = Redis::start(&["--requirepass", "hunter2"]);
    let url = format!("redis://:hunter2@127.0.0.1:{}/3", redis.port);
    let settings = ClusterSettings::new(RedisUrl::parse(&url).expect("a URL"));
    let gateway = InProcess::echo().gateway(|builder| builder.cluster(settings)).start().await;
    assert_eq!(get(&gateway, &[("Host", "rebound.example")]).await.status, 403);
    seen(&gateway, |seen| nodes(seen).len() == 1).await;
    let reply = get(&gateway, &[]).await;
    for header in
        ["cache-control: no-store", "x-content-type-options: nosniff", "content-type: application/json"]
    {
        assert!(reply.head.to_lowercase().contains(header), "{}", reply.head);
    }
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("Linux");
    let push = gateway.push.rsplit_once('/').expect("a path").1;
    for secret in ["hunter2", boot.trim(), push] {
        assert!(!reply.body.contains(secret), "{}", reply.body);
    }
    let elsewhere = InProcess::echo().gateway(|builder| builder.page(PageScope::Operators)).start().await;
    assert_eq!(get(&elsewhere, &[]).await.status, 403);
}
