//! Whoever is refused with 503 reads when to try again, wherever the refusal comes from. The harness asks it of each answer in
//! all tests; here are those places that no other test reaches.

use std::sync::Arc;

use scf_websocket_test_harness::{Fault, FaultyRegistry, InProcess, Reply, request};
use serde_json::json;

fn is_refused(reply: &Reply) {
    assert_eq!((reply.status, reply.retry_after()), (503, Some(1)), "{reply:?}");
}

#[tokio::test]
async fn each_503_names_a_time() {
    let registry = FaultyRegistry::new();
    let gateway = InProcess::echo()
        .registry(Arc::clone(&registry) as _)
        .clients(|clients| clients.limits.connections = 1)
        .start()
        .await;
    // The register function's own, and one whose store is away.
    is_refused(&gateway.ask("/errno-503", &[]).await);
    is_refused(&gateway.ask("/errno-104", &[]).await);
    let client = gateway.connect("/").await;
    is_refused(&gateway.ask("/", &[]).await);
    client.close().await;
    gateway.wait_for_events("cleanup", 1).await;
    gateway.wait_for_metric("scf_gateway_cleanups_pending", 0.0).await;

    registry.fail(Fault::DropRequest);
    is_refused(&gateway.ask("/", &[]).await);
    is_refused(&gateway.push_json(json!({"action": "closing", "secConnectionID": "AAAA"})).await);
    let (addr, path) = gateway.push.trim_start_matches("http://").split_once('/').expect("an address");
    let path = format!("/{path}?secConnectionID=AAAA");
    is_refused(&request(addr, "GET", &path, &[("Connection", "close")], b"").await);
}
