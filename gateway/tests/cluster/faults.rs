//! What clients and functions notice when a node or Redis fails.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use futures_util::future::join_all;
use scf_websocket_gateway::{
    cluster::NodeId,
    config::Admin,
    contract::Frame,
    registry::{Deliver as _, Delivery, DeliveryError},
};
use scf_websocket_test_harness::{
    Gateway, InProcess, Need, Redis,
    elsewhere::{certificates::Authority, soon},
    is_suspended, needs, request, wait_until,
};
use tokio::time::sleep;

use super::node::{asker, asker_with, in_process, process, send, settings, wait_for_push};

/// The key of the lease of a connection's node.
fn lease_of(id: &str) -> String {
    format!("{{scf-ws}}:node:{}", NodeId::of_connection(id).expect("a node"))
}

#[tokio::test]
async fn the_clients_of_a_dead_node_are_out_of_reach_until_its_lease_ends_and_then_gone() {
    if !needs(Need::Redis) || !needs(Need::Python) {
        return;
    }
    let redis = Redis::start(&[]);
    let nodes = [process(&redis.url()).start(), process(&redis.url()).start()];
    let mut client = nodes[1].connect("/").await;
    let id = client.id(&nodes[1]).await;
    let lease = lease_of(&id);
    assert!(redis.command(&format!("PTTL {lease}")).starts_with(':'), "it expires");
    nodes[1].signal("STOP");
    wait_until(|| "the node is suspended".to_owned(), || is_suspended(nodes[1].pid()).then_some(()));
    assert!(redis.command(&format!("SET {lease} x")).starts_with("+OK"), "it holds");
    nodes[1].signal("KILL");
    wait_for_push(&nodes[0], &id, (503, 503)).await;
    let unreachable = nodes[0].push_json(send(&id, "x")).await;
    assert_eq!((unreachable.status, unreachable.err_no()), (503, 503), "the lease holds");
    redis.command(&format!("PEXPIRE {lease} 5000"));
    wait_for_push(&nodes[0], &id, (200, 404)).await;
    let unknown = nodes[0].push_json(send("AAAAAAAAAAAAAAAAAAAAAA==", "x")).await;
    assert_eq!((unknown.status, unknown.err_no()), (200, 404), "a node that never was");
}

#[tokio::test]
async fn a_node_that_is_suspended_keeps_its_clients() {
    if !needs(Need::Redis) || !needs(Need::Python) {
        return;
    }
    let redis = Redis::start(&[]);
    let node = process(&redis.url()).start();
    let asker = asker(&redis).await;
    let mut client = node.connect("/").await;
    let ids = [client.id(&node).await];
    node.signal("STOP");
    wait_until(|| "the node is suspended".to_owned(), || is_suspended(node.pid()).then_some(()));
    let delivered = asker.deliver(&ids, Delivery::Frame(Frame::text("meanwhile"))).await;
    assert!(matches!(delivered[..], [Err(DeliveryError::Unreachable(_))]), "{delivered:?}");
    node.signal("CONT");
    assert_eq!(asker.deliver(&ids, Delivery::Frame(Frame::text("after"))).await, [Ok(())]);
    assert_eq!(client.next_text().await, "after", "nothing comes after its failed answer");
}

/// As long as no node has declared it lost, a node whose lease has ended may renew it and keep its clients.
#[tokio::test]
async fn a_node_whose_lease_has_ended_keeps_its_clients_until_it_is_declared_lost() {
    if !needs(Need::Redis) || !needs(Need::Python) {
        return;
    }
    let redis = Redis::start(&[]);
    let node = process(&redis.url()).start();
    let mut client = node.connect("/").await;
    let ids = [client.id(&node).await];
    let mut settings = settings(&redis);
    settings.lease = Duration::from_secs(1);
    let asker = asker_with(&settings).await;
    let lease = lease_of(&ids[0]);
    node.signal("STOP");
    wait_until(|| "the node is suspended".to_owned(), || is_suspended(node.pid()).then_some(()));
    // As after an interruption, nodes have the time to renew their leases.
    redis.command("SET {scf-ws}:grace 1");
    redis.command(&format!("DEL {lease}"));
    for _ in 0..2 {
        // Each waits for its answer for longer than a lease.
        let delivered = asker.deliver(&ids, Delivery::Frame(Frame::text("meanwhile"))).await;
        assert!(matches!(delivered[..], [Err(DeliveryError::Unreachable(_))]), "{delivered:?}");
    }
    node.signal("CONT");
    assert_eq!(asker.deliver(&ids, Delivery::Frame(Frame::text("after"))).await, [Ok(())]);
    assert_eq!(client.next_text().await, "after");
}

#[tokio::test]
async fn while_redis_is_away_clients_elsewhere_are_out_of_reach_and_those_here_are_served() {
    if !needs(Need::Redis) {
        return;
    }
    let mut redis = Redis::start(&[]);
    let nodes = [with_admin(&redis).start().await, in_process(&redis).start().await];
    assert_eq!(readiness(&nodes[0]).await, (200, "ready\n".to_owned()));
    let (mut here, mut there) = (nodes[0].connect("/").await, nodes[1].connect("/").await);
    let ids = [here.id(&nodes[0]).await, there.id(&nodes[1]).await];
    let faults: [[fn(&mut Redis); 2]; 2] =
        [[Redis::stop, Redis::restart], [|redis| redis.pause(), |redis| redis.resume()]];
    for [fail, recover] in faults {
        fail(&mut redis);
        let away = nodes[0].push_json(send(&ids[1], "away")).await;
        assert_eq!((away.status, away.err_no()), (503, 503));
        assert_eq!(nodes[0].push_json(send(&ids[0], "here")).await.err_no(), 0);
        assert_eq!(here.next_text().await, "here");
        nodes[0].wait_for_metric("scf_gateway_cluster_redis_up", 0.0).await;
        let refused = nodes[0].ask("/", &[]).await;
        assert_eq!(refused.status, 503, "no other node would reach it");
        wait_for_readiness(&nodes[0], (503, "cut off from the cluster\n")).await;
        recover(&mut redis);
        wait_for_push(&nodes[0], &ids[1], (200, 0)).await;
        // What was on its way to a suspended server may arrive later.
        while there.next_text().await != "again" {}
        nodes[0].wait_for_metric("scf_gateway_cluster_redis_up", 1.0).await;
        nodes[0].connect("/").await.close().await;
        wait_for_readiness(&nodes[0], (200, "ready\n")).await;
    }
}

/// Connections break while deliveries are under way; what the receiver does with a repeated one is tested beside its code.
#[tokio::test]
async fn connections_to_redis_that_break_neither_repeat_nor_reorder_what_is_delivered() {
    if !needs(Need::Redis) {
        return;
    }
    let redis = Redis::start(&[]);
    let node = in_process(&redis).start().await;
    let asker = asker(&redis).await;
    let mut client = node.connect("/").await;
    let ids = [client.id(&node).await];
    let mut accepted = Vec::new();
    for burst in 0..30 {
        let numbers = burst * 50..(burst + 1) * 50;
        let frames = numbers.clone().map(|number: u32| Delivery::Frame(Frame::text(number.to_string())));
        let deliveries = tokio::spawn({
            let (asker, ids, frames) = (Arc::clone(&asker), ids.clone(), frames.collect::<Vec<_>>());
            async move { join_all(frames.into_iter().map(|frame| asker.deliver(&ids, frame))).await }
        });
        tokio::task::yield_now().await;
        if burst % 3 == 1 {
            redis.command(if burst % 2 == 0 { "CLIENT KILL TYPE pubsub" } else { "CLIENT KILL TYPE normal" });
        }
        let results = deliveries.await.expect("no panic").concat();
        for (number, result) in numbers.zip(results) {
            match result {
                Ok(()) => accepted.push(number),
                Err(DeliveryError::Unreachable(_)) => {}
                Err(error) => panic!("{number}: {error}"),
            }
        }
    }
    soon("the end is accepted", async {
        while asker.deliver(&ids, Delivery::Frame(Frame::text("end"))).await != [Ok(())] {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut received: Vec<u32> = Vec::new();
    loop {
        match client.next_text().await.as_str() {
            "end" => break,
            number => received.push(number.parse().expect("a number")),
        }
    }
    assert!(received.is_sorted_by(|one, next| one < next), "repeated or reordered: {received:?}");
    assert!(accepted.iter().all(|number| received.binary_search(number).is_ok()), "accepted and lost");
    assert!(accepted.len() > 500, "{} of 1500 were accepted", accepted.len());
}

pub(super) fn with_admin(redis: &Redis) -> InProcess {
    let admin = Admin::new((Ipv4Addr::LOCALHOST, 0).into());
    in_process(redis).gateway(|builder| builder.admin(admin))
}

pub(super) async fn readiness(gateway: &Gateway) -> (u16, String) {
    let address = gateway.running().admin_addr().expect("an admin address").to_string();
    let reply = request(&address, "GET", "/readyz", &[("Connection", "close")], b"").await;
    (reply.status, reply.body)
}

async fn wait_for_readiness(gateway: &Gateway, (status, text): (u16, &str)) {
    for _ in 0..2000 {
        if readiness(gateway).await == (status, text.to_owned()) {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("/readyz does not become {status}, {text:?}");
}

#[tokio::test]
async fn leases_that_redis_has_lost_make_no_client_unknown() {
    if !needs(Need::Redis) {
        return;
    }
    let mut redis = Redis::start(&["--appendonly", "no"]);
    let node = in_process(&redis).start().await;
    let asker = asker(&redis).await;
    let mut client = node.connect("/").await;
    let ids = [client.id(&node).await];
    redis.stop();
    redis.restart();
    soon("a delivery is accepted", async {
        loop {
            let delivered = asker.deliver(&ids, Delivery::Frame(Frame::text("x"))).await;
            match &delivered[..] {
                [Ok(())] => break,
                [Err(DeliveryError::Unreachable(_))] => tokio::task::yield_now().await,
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
    assert_eq!(client.next_text().await, "x");
}

#[tokio::test]
async fn a_cluster_over_tls_trusts_the_certificates_of_ssl_cert_file_alone() {
    if !needs(Need::Redis) || !needs(Need::Python) {
        return;
    }
    let authority = Authority::new();
    let [certificate, key] = authority.server_files().map(|file| file.display().to_string());
    let options = ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-auth-clients", "no"];
    let (redis, tls_port) =
        Redis::start_with_tls(&[&options[..], &["--tls-ca-cert-file", &certificate]].concat());
    let url = format!("rediss://127.0.0.1:{tls_port}");
    let trusted = authority.file.display().to_string();
    let node = process(&url).own_env("SSL_CERT_FILE", &trusted).start();
    let asker = asker(&redis).await;
    let mut client = node.connect("/").await;
    let id = client.id(&node).await;
    assert_eq!(asker.deliver(&[id], Delivery::Frame(Frame::text("x"))).await, [Ok(())]);
    assert_eq!(client.next_text().await, "x");
    let checked = process(&url).args(&["--check", "--online"]).own_env("SSL_CERT_FILE", &trusted).output();
    assert!(checked.status.success(), "{checked:?}");
    let other = Authority::new();
    let other = other.file.display().to_string();
    let checked = process(&url).args(&["--check", "--online"]).own_env("SSL_CERT_FILE", &other).output();
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    let text = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(text.contains("FAILED cluster") && text.contains("certificate"), "{text}");
}

#[tokio::test]
async fn the_password_of_the_cluster_opens_its_redis_and_is_never_shown() {
    if !needs(Need::Redis) || !needs(Need::Python) {
        return;
    }
    let redis = Redis::start(&["--requirepass", "hunter2"]);
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}/0", redis.port);
    let nodes = ["hunter2"; 2].map(|password| process(&url(password)).own_env("RUST_LOG", "trace").start());
    let mut client = nodes[1].connect("/").await;
    let id = client.id(&nodes[1]).await;
    wait_for_push(&nodes[0], &id, (200, 0)).await;
    assert_eq!(client.next_text().await, "again");
    let stranger = process(&url("hunter3")).own_env("RUST_LOG", "trace").start();
    stranger.wait_for_log("cannot connect to redis://127.0.0.1:").await;
    assert_eq!(stranger.ask("/", &[]).await.status, 503);
    let mut shown: Vec<String> = nodes.iter().chain([&stranger]).map(Gateway::log).collect();
    for (password, status) in [("hunter2", 0), ("hunter3", 1)] {
        let checked = process(&url(password)).args(&["--check", "--online"]).output();
        assert_eq!(checked.status.code(), Some(status), "{checked:?}");
        shown
            .extend([checked.stdout, checked.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()));
    }
    for text in shown {
        assert!(!text.contains("hunter"), "{text}");
    }
}
