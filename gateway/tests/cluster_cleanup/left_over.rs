//! Cleanups that cannot be called at once: their function is unavailable, or no node has their API.

use std::{
    sync::atomic::Ordering,
    time::{SystemTime, UNIX_EPOCH},
};

use scf_websocket_test_harness::{Need, needs};

use super::{
    Functions, connect, node, node_on, number, once_each, records, redis, wait_for_nodes, wait_for_records,
};

#[tokio::test]
async fn clients_of_an_api_that_the_survivor_lacks_wait_for_a_node_that_has_it() {
    if !needs(Need::Redis) {
        return;
    }
    let (redis, functions) = (redis(), Functions::start().await);
    let other = functions.other_api(functions.server.addr);
    let (killed, survivor) = (node_on(0, &redis, &functions, &other), node(&redis, &functions));
    let _other = killed.connect("/other").await;
    let _chat = connect(&killed, 2).await;
    killed.signal("KILL");
    survivor.wait_for_log("clients left: 1, of an API that this node does not have: 1").await;
    assert_eq!(functions.events("cleanup").len(), 2);
    let _with_it = node_on(0, &redis, &functions, &other);
    functions.wait_for_cleanups(3).await;
    wait_for_nodes(&redis, 2).await;
    once_each(&functions);
}

#[tokio::test]
async fn a_cleanup_whose_function_is_unavailable_is_owed() {
    if !needs(Need::Redis) {
        return;
    }
    let (redis, functions) = (redis(), Functions::start().await);
    let gateway = node(&redis, &functions);
    functions.state.away.store(true, Ordering::Release);
    for client in connect(&gateway, 3).await {
        client.close().await;
    }
    gateway.wait_for_log("the cleanup function").await;
    assert_eq!(records(&redis), 3);
    functions.state.away.store(false, Ordering::Release);
    functions.wait_for_cleanups(3).await;
    wait_for_records(&redis, 0).await;
    once_each(&functions);
}

#[tokio::test]
async fn a_cleanup_that_is_owed_does_not_wait_for_another_api() {
    if !needs(Need::Redis) {
        return;
    }
    let (redis, functions) = (redis(), Functions::start().await);
    let other = functions.other_api(([127, 0, 0, 1], 1).into());
    let gateway = node_on(0, &redis, &functions, &other);
    functions.state.away.store(true, Ordering::Release);
    for path in ["/other", "/chat"] {
        gateway.connect(path).await.close().await;
        gateway.wait_for_log(&format!("the cleanup function of {path} is unavailable")).await;
    }
    functions.state.away.store(false, Ordering::Release);
    functions.wait_for_cleanups(1).await;
    wait_for_records(&redis, 1).await;
}

#[tokio::test]
async fn what_no_node_can_clean_up_after_is_dropped_after_a_day() {
    if !needs(Need::Redis) {
        return;
    }
    let (redis, functions) = (redis(), Functions::start().await);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    for (lost, hours, id) in [("0123456789ab", 1, "ASNFZ4mrAA=="), ("0123456789cd", 24, "ASNFZ4nNAA==")] {
        redis.command(&format!("HSET {{scf-ws}}:nodes {lost} x"));
        redis.command(&format!("HSET {{scf-ws}}:connections:{lost} {id} \"10.0.0.1 /gone\""));
        redis.command(&format!("SET {{scf-ws}}:lost:{lost} {} PX 60000", now - hours * 3600));
    }
    let gateway = node(&redis, &functions);
    gateway.wait_for_log("ASNFZ4nNAA== gets no cleanup: in a day").await;
    gateway.wait_for_log("node 0123456789ab is not completely taken over").await;
    wait_for_records(&redis, 1).await;
    // Since when it is lost is not forgotten before it can be dropped.
    assert!(number(&redis.command("PTTL {scf-ws}:lost:0123456789ab")) > 3_600_000);
}
