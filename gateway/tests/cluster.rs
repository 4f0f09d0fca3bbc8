//! Several gateways over one Redis server: pushes, closes and look-ups reach every client from every node, and what is
//! out of reach is distinguished from what is gone.

mod faults;
pub mod node;
mod overview;
mod sharded;
mod slow_redis;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use scf_websocket_gateway::{
    contract::{Close, Frame},
    registry::{Deliver as _, Delivery, DeliveryError},
};
use scf_websocket_test_harness::{Gateway, Need, Redis, eventually, needs, request};
use serde_json::json;

use self::node::{asker, in_process, process, process_with, send, wait_for_push};

#[tokio::test]
async fn clients_of_two_nodes_talk_to_each_other() {
    if !needs(Need::Redis) || !needs(Need::Python) {
        return;
    }
    let redis = Redis::start(&["--requirepass", "hunter2"]);
    let url = format!("redis://:hunter2@127.0.0.1:{}/3", redis.port);
    let nodes = [process(&url).start(), process(&url).start()];
    let (mut alice, mut bob) = (nodes[0].connect("/").await, nodes[1].connect("/").await);
    let ids = [alice.id(&nodes[0]).await, bob.id(&nodes[1]).await];
    for round in 0..3 {
        let answer = alice.ask(&format!("push {} hello {round}", ids[1])).await;
        assert!(answer.contains("\"ok\""), "{answer}");
        assert_eq!(bob.next_text().await, format!("hello {round}"));
        bob.ask(&format!("push {} yes {round}", ids[0])).await;
        assert_eq!(alice.next_text().await, format!("yes {round}"));
    }
    let closing = json!({"action": "closing", "secConnectionID": ids[1]});
    assert_eq!(nodes[0].push_json(closing).await.err_no(), 0);
    bob.closed().await;
    let late = nodes[0].push_json(send(&ids[1], "late")).await;
    assert_eq!((late.status, late.err_no()), (200, 404));
    for node in &nodes {
        assert!(!node.log().contains("hunter2"), "{}", node.log());
    }
}

#[tokio::test]
async fn one_delivery_reaches_the_clients_of_all_nodes_and_has_a_result_for_each() {
    if !needs(Need::Redis) {
        return;
    }
    let redis = Redis::start(&[]);
    let nodes = [in_process(&redis).start().await, in_process(&redis).start().await];
    let asker = asker(&redis).await;
    let mut clients = Vec::new();
    for node in nodes.iter().cycle().take(6) {
        clients.push(node.connect("/").await);
    }
    let mut ids = vec!["unknown==".to_owned()];
    for (client, node) in clients.iter_mut().zip(nodes.iter().cycle()) {
        ids.push(client.id(node).await);
    }
    let payload = vec![7; 100_000];
    let delivered = asker.deliver(&ids, Delivery::Frame(Frame::binary(payload.clone()))).await;
    assert_eq!(delivered[0], Err(DeliveryError::NotFound));
    assert_eq!(delivered[1..], vec![Ok(()); 6]);
    for client in &mut clients {
        assert_eq!(client.next().await.as_payload()[..], payload[..]);
    }
    assert_eq!(asker.deliver(&ids[1..3], Delivery::Close(Close::default())).await, [Ok(()), Ok(())]);
    let delivered = asker.deliver(&ids, Delivery::Frame(Frame::text("ä"))).await;
    let gone = delivered.iter().filter(|result| **result == Err(DeliveryError::NotFound)).count();
    assert_eq!((gone, delivered.len()), (3, 7), "{delivered:?}");
    for (index, client) in clients.iter_mut().enumerate() {
        if index < 2 {
            client.closed().await;
        } else {
            assert_eq!(client.next_text().await, "ä");
        }
    }
}

#[tokio::test]
async fn any_push_address_takes_a_batch_for_the_clients_of_all_nodes_and_looks_each_up() {
    if !needs(Need::Redis) {
        return;
    }
    let redis = Redis::start(&[]);
    let nodes = [in_process(&redis).start().await, in_process(&redis).start().await];
    let (mut here, mut there) = (nodes[0].connect("/here").await, nodes[1].connect("/there").await);
    let ids = [here.id(&nodes[0]).await, there.id(&nodes[1]).await, "gone==".to_owned()];
    for node in &nodes {
        let batch =
            json!({"action": "data send", "secConnectionIDs": ids, "dataType": "text", "data": "to all"});
        let reply = node.push_json(batch).await;
        assert_eq!((reply.status, reply.err_no()), (200, 0));
        let failed = reply.json()["failed"].clone();
        assert_eq!(failed.as_array().map(Vec::len), Some(1), "{failed}");
        assert_eq!((&failed[0]["secConnectionID"], &failed[0]["errNo"]), (&json!("gone=="), &json!(404)));
        assert_eq!((here.next_text().await, there.next_text().await), ("to all".into(), "to all".into()));
        for (id, path) in ids.iter().zip(["/here", "/there"]) {
            let (addr, push) = node.push.trim_start_matches("http://").split_once('/').expect("an address");
            let id = id.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
            let target = format!("/{push}?secConnectionID={id}");
            let reply = request(addr, "GET", &target, &[("Connection", "close")], b"").await;
            assert_eq!(reply.json()["connection"]["path"], path, "{reply:?}");
        }
    }
    let closing = json!({"action": "closing", "secConnectionIDs": ids});
    assert_eq!(nodes[0].push_json(closing).await.err_no(), 0);
    here.closed().await;
    there.closed().await;
}

#[tokio::test]
async fn a_connection_of_another_node_can_be_looked_up() {
    if !needs(Need::Redis) {
        return;
    }
    let redis = Redis::start(&[]);
    let node = in_process(&redis).start().await;
    let asker = asker(&redis).await;
    let mut client = node.connect("/a/long/path").await;
    let id = client.id(&node).await;
    let info = asker.look_up(&id).await.expect("known");
    assert_eq!((&*info.path, info.source_ip.to_string().as_str()), ("/a/long/path", "127.0.0.1"));
    assert!(info.connected_at_ms > 0 && info.last_active_at_ms >= info.connected_at_ms, "{info:?}");
    client.close().await;
    node.wait_for_events("cleanup", 1).await;
    assert_eq!(asker.look_up(&id).await, Err(DeliveryError::NotFound));
}

#[tokio::test]
async fn deliveries_to_a_connection_of_another_node_keep_their_order() {
    if !needs(Need::Redis) {
        return;
    }
    let redis = Redis::start(&[]);
    let node = in_process(&redis).start().await;
    let asker = asker(&redis).await;
    let mut client = node.connect("/").await;
    let ids = [client.id(&node).await];
    let frames = (0..1000).map(|number| Delivery::Frame(Frame::text(number.to_string())));
    let deliveries = join_all(frames.map(|frame| asker.deliver(&ids, frame)));
    let reading = async {
        for number in 0..1000 {
            assert_eq!(client.next_text().await, number.to_string());
        }
    };
    let (delivered, ()) = tokio::join!(deliveries, reading);
    assert!(delivered.iter().flatten().all(Result::is_ok));
}

#[tokio::test]
async fn a_client_of_another_node_that_does_not_read_is_not_waited_for() {
    if !needs(Need::Redis) {
        return;
    }
    let redis = Redis::start(&[]);
    let node = in_process(&redis).clients(|clients| clients.limits.send_queue_bytes = 50_000).start().await;
    let asker = asker(&redis).await;
    let mut client = node.connect("/").await;
    let ids = [client.id(&node).await];
    let large = || Delivery::Frame(Frame::binary(vec![0; 5_000_000]));
    let mut results = Vec::new();
    while !results.contains(&Err(DeliveryError::TooSlow)) {
        results.extend(asker.deliver(&ids, large()).await);
        assert!(results.len() < 20, "{results:?}");
    }
}

#[tokio::test]
async fn the_metrics_show_ways_and_the_round_trip() {
    if !needs(Need::Redis) {
        return;
    }
    let redis = Redis::start(&[]);
    let nodes = [in_process(&redis).start().await, in_process(&redis).start().await];
    let mut client = nodes[1].connect("/").await;
    let id = client.id(&nodes[1]).await;
    for node in &nodes {
        assert_eq!(node.push_json(send(&id, "x")).await.err_no(), 0);
        node.wait_for_metric("scf_gateway_cluster_redis_up", 1.0).await;
        node.wait_for_metric("scf_gateway_cluster_redis_connects_total", 1.0).await;
    }
    // The frame that told the client's id was echoed by its own node.
    for (node, way, count) in [(0, "local", 0.0), (0, "remote", 1.0), (1, "local", 2.0), (1, "remote", 0.0)] {
        let series = format!("scf_gateway_cluster_deliveries_total{{way=\"{way}\"}}");
        nodes[node].wait_for_metric(&series, count).await;
    }
    node::wait_for_round_trips(&nodes[0], 2.0).await;
}

#[tokio::test]
async fn the_metrics_show_the_nodes_and_the_age_of_the_lease() {
    if !needs(Need::Redis) {
        return;
    }
    let since_1970 = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
    let begun = since_1970().floor();
    let mut redis = Redis::start(&[]);
    let nodes = [in_process(&redis).start().await, in_process(&redis).start().await];
    let renewed = |node: &Gateway| node.metric("scf_gateway_lease_renewed_timestamp_seconds");
    for node in &nodes {
        node.wait_for_metric("scf_gateway_nodes", 2.0).await;
        let first = renewed(node);
        assert!((begun..=since_1970()).contains(&first), "{first}");
        eventually("another renewal", || (renewed(node) > first).then_some(())).await;
    }
    redis.stop();
    nodes[0].wait_for_metric("scf_gateway_cluster_redis_up", 0.0).await;
    let last = renewed(&nodes[0]);
    // Longer than between two renewals: the lease ages.
    eventually("an older lease", || (since_1970() - last > 3.0).then_some(())).await;
    assert!(renewed(&nodes[0]) <= last + 1.0, "renewed without Redis");
}

#[tokio::test]
async fn clusters_in_two_databases_of_a_server_do_not_meet() {
    if !needs(Need::Redis) || !needs(Need::Python) {
        return;
    }
    let redis = Redis::start(&[]);
    let url = |database: u32| format!("{}/{database}", redis.url());
    let nodes = [0, 1].map(|database| process_with(&url(database), Duration::from_secs(1)).start());
    let mut client = nodes[0].connect("/").await;
    let id = client.id(&nodes[0]).await;
    wait_for_push(&nodes[1], &id, (200, 404)).await;
    assert_eq!(nodes[0].push_json(send(&id, "from its own")).await.err_no(), 0);
    assert_eq!(client.next_text().await, "from its own");
}

#[tokio::test]
async fn nodes_with_different_leases_say_so() {
    if !needs(Need::Redis) || !needs(Need::Python) {
        return;
    }
    let redis = Redis::start(&[]);
    let nodes = [1, 2].map(|seconds| process_with(&redis.url(), Duration::from_secs(seconds)).start());
    nodes[0].wait_for_log("has a lease of 2s, and this one of 1s").await;
    nodes[1].wait_for_log("has a lease of 1s, and this one of 2s").await;
}

#[tokio::test]
async fn a_missing_or_wrong_password_is_named_once_with_what_to_set() {
    if !needs(Need::Redis) || !needs(Need::Python) {
        return;
    }
    let redis = Redis::start(&["--requirepass", "hunter2"]);
    for (user, remedy) in [
        ("", "it wants a password: write cluster = \"redis://user:password@host\""),
        (":wrong@", "check the user and password in cluster"),
    ] {
        let node = process(&format!("redis://{user}127.0.0.1:{}", redis.port)).start();
        node.wait_for_log("the gateway starts without its cluster").await;
        let log = node.log();
        let attempts: Vec<_> = log.lines().filter(|line| line.contains("cannot connect to")).collect();
        assert_eq!(attempts.len(), 1, "{log}");
        assert!(attempts[0].contains(remedy), "{log}");
        assert!(!log.contains("INFO ] connected to") && !log.contains("has ended"), "{log}");
    }
}
