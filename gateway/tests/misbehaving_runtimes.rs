//! Custom runtimes that misbehave in each way that the contract allows for.
//!
//! Where the register function misbehaves, the handshake's tests say what the client is answered.

use scf_websocket_test_harness::{Gateway, Need, limits, misbehaving, needs};

/// A client's frame comes back twice: whatever the misbehaviour, it has touched nothing.
async fn works(gateway: &Gateway) {
    let mut client = gateway.connect("/").await;
    for text in ["one", "two"] {
        client.send_text(text).await;
        assert_eq!(client.next_text().await, text);
    }
    client.close().await;
}

#[tokio::test]
async fn a_second_outcome_is_ignored() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = misbehaving("answers twice", Some("transfer")).start();
    works(&gateway).await;
    gateway.wait_for_log("transfer-1 | outcomes: 200 200").await;
    gateway.wait_for_log("the first outcome is final").await;
}

#[tokio::test]
async fn next_within_an_invocation_returns_the_same_event() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = misbehaving("calls next twice", Some("transfer")).start();
    works(&gateway).await;
    gateway.wait_for_log("transfer-1 | the same event: True").await;
    gateway.wait_for_log("`next` again within one invocation").await;
}

#[tokio::test]
async fn a_functions_time_begins_when_it_takes_the_event() {
    if !needs(Need::Python) {
        return;
    }
    let timeout = ["--timeout", "6000", "--max-instances", "1"];
    let gateway = misbehaving("rests and takes its time", Some("transfer")).args(&timeout).start();
    let mut client = gateway.connect("/").await;
    client.send_text("one").await;
    client.send_text("two").await;
    assert_eq!((client.next_text().await, client.next_text().await), ("one".to_owned(), "two".to_owned()));
    client.close().await;
}

#[tokio::test]
async fn ready_again_does_no_harm() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = misbehaving("ready twice", Some("transfer")).start();
    works(&gateway).await;
    gateway.wait_for_log("transfer-1 | ready again: 200").await;
}

#[tokio::test]
async fn an_outcome_before_any_event_is_a_mistake() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = misbehaving("outcome before next", Some("transfer")).start();
    works(&gateway).await;
    gateway.wait_for_log("transfer-1 | outcome: 400").await;
}

#[tokio::test]
async fn an_instance_that_exits_after_its_answer_has_answered() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = misbehaving("answers and exits", Some("transfer")).start();
    works(&gateway).await;
    gateway.wait_for_record("the second instance", |record| record["instance"] == "transfer-2").await;
}

#[tokio::test]
async fn a_transfer_functions_answer_does_not_matter() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = misbehaving("rubbish", Some("transfer")).start();
    let mut client = gateway.connect("/").await;
    client.send_text("x").await;
    let record = gateway
        .wait_for_record("the rubbish", |record| record["role"] == "transfer" && record["outcome"] == "ok")
        .await;
    assert_eq!(record["answer"], "\u{fffd}{not JSON");
    client.close().await;
}

#[tokio::test]
async fn a_transfer_that_fails_costs_its_connection_only() {
    if !needs(Need::Python) {
        return;
    }
    for (way, kind) in [
        ("error", "failed"),
        ("exits in the middle", "crashed"),
        ("exits before ready", "did not start"),
        ("exits after ready", "did not start"),
        ("answers late", "timed out"),
        ("never asks", "timed out"),
        ("never ready", "timed out"),
    ] {
        let gateway = misbehaving(way, Some("transfer")).args(&limits(way)).start();
        let (mut one, other) = (gateway.connect("/").await, gateway.connect("/").await);
        one.send_text("x").await;
        assert_eq!(one.failed(&gateway).await, format!("the transfer function {kind}"), "{way}");
        other.close().await;
    }
}

#[tokio::test]
async fn an_answer_over_6_mb_is_refused_and_the_runtime_can_still_answer() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = misbehaving("answers too much", Some("transfer")).start();
    works(&gateway).await;
    gateway.wait_for_log("transfer-1 | too much: 413").await;
}

#[tokio::test]
async fn a_failing_cleanup_function_harms_nobody() {
    if !needs(Need::Python) {
        return;
    }
    for way in ["error", "exits in the middle", "exits before ready"] {
        let gateway = misbehaving(way, Some("cleanup")).start();
        works(&gateway).await;
        gateway.wait_for_log("the cleanup function ").await;
        works(&gateway).await;
    }
}
