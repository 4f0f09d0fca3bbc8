//! The gateway ends, and nothing is left behind.

use scf_websocket_test_harness::{Gateway, Need, echo, eventually, lives, misbehaving, needs};
use tokio_websockets::CloseCode;

fn function_pids(gateway: &Gateway) -> Vec<u32> {
    let pids = ["register", "transfer", "cleanup"].iter().flat_map(|role| gateway.pids(role));
    pids.filter_map(|pid| u32::try_from(pid).ok()).collect()
}

async fn all_gone(pids: &[u32]) {
    eventually("every process is gone", || pids.iter().all(|pid| !lives(*pid)).then_some(())).await;
}

#[tokio::test]
async fn sigterm_and_sigint_take_leave_of_everybody() {
    if !needs(Need::Python) {
        return;
    }
    for signal in ["TERM", "INT"] {
        let mut gateway = echo().start();
        let mut client = gateway.connect("/").await;
        client.send_text("linger").await;
        let lingering = client.next_text().await.parse().expect("a process id");
        assert!(lives(lingering));
        let pids = function_pids(&gateway);
        assert_eq!(pids.len(), 2);
        let children = gateway.children();
        assert_eq!(children.len(), 3, "two functions and the guard");
        gateway.signal(signal);
        assert_eq!(client.closed().await.0, CloseCode::GOING_AWAY, "{signal}");
        let status = gateway.ended().await;
        assert_eq!(status.code(), Some(0), "{signal}");
        assert_eq!(gateway.events("cleanup").len(), 1, "the cleanup function has heard of it");
        let pids = [pids, children, vec![lingering]].concat();
        all_gone(&pids).await;
    }
}

#[tokio::test]
async fn a_running_transfer_may_finish() {
    if !needs(Need::Python) {
        return;
    }
    let mut gateway = echo().start();
    let mut client = gateway.connect("/").await;
    client.send_text("hold").await;
    gateway.wait_for_events("transfer", 1).await;
    gateway.signal("TERM");
    assert_eq!(client.closed().await.0, CloseCode::GOING_AWAY);
    gateway.release();
    assert_eq!(gateway.ended().await.code(), Some(0));
    assert!(!gateway.log().contains("crashed"), "it was not killed before its answer");
    assert_eq!(gateway.events("cleanup").len(), 1);
}

#[tokio::test]
async fn a_stuck_function_does_not_hold_it_up() {
    if !needs(Need::Python) {
        return;
    }
    let mut gateway = misbehaving("answers late", Some("transfer")).args(&["--timeout", "60000"]).start();
    let mut client = gateway.connect("/").await;
    client.send_text("x").await;
    gateway
        .wait_for_record("it runs", |record| record["role"] == "transfer" && !record["instance"].is_null())
        .await;
    let children = gateway.children();
    gateway.signal("TERM");
    assert_eq!(client.closed().await.0, CloseCode::GOING_AWAY);
    assert_eq!(gateway.ended().await.code(), Some(0));
    // It would have answered in ten minutes, and had been given one.
    all_gone(&children).await;
}

#[tokio::test]
async fn sigkill_leaves_nothing_behind_either() {
    if !needs(Need::Python) {
        return;
    }
    let mut gateway = echo().start();
    let mut client = gateway.connect("/").await;
    client.send_text("linger").await;
    let lingering = client.next_text().await.parse().expect("a process id");
    client.send_text("sleep 60000").await;
    gateway.wait_for_events("transfer", 2).await;
    let pids = [gateway.children(), vec![lingering]].concat();
    assert!(pids.len() >= 4 && pids.iter().all(|pid| lives(*pid)));
    gateway.signal("KILL");
    gateway.ended().await;
    all_gone(&pids).await;
}
