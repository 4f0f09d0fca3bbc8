//! A shutdown that takes its time: no new clients, and those that are there are closed one after the other.

use std::time::{Duration, Instant};

use scf_websocket_gateway::config::Admin;
use scf_websocket_test_harness::{InProcess, request};
use tokio::task::JoinSet;
use tokio_websockets::CloseCode;

const CLIENTS: u32 = 10;
const DRAIN: Duration = Duration::from_secs(2);

#[tokio::test]
async fn clients_leave_at_a_steady_pace_each_with_its_cleanup() {
    let admin = Admin::new(([127, 0, 0, 1], 0).into());
    let mut gateway = InProcess::echo()
        .clients(|clients| clients.drain = DRAIN)
        .gateway(|builder| builder.admin(admin))
        .start()
        .await;
    let admin = gateway.running().admin_addr().expect("an admin address").to_string();
    assert_eq!(request(&admin, "GET", "/readyz", &[], b"").await.status, 200);
    let addr = gateway.addr().to_owned();
    let mut last = gateway.connect("/").await;
    let mut clients = JoinSet::new();
    for _ in 1..CLIENTS {
        let mut client = gateway.connect("/").await;
        clients.spawn(async move { (client.closed().await, Instant::now()) });
    }
    let begun = Instant::now();
    let watch = async {
        // The first to be closed shows that it has begun; the last one has most of the time still before it.
        let first = clients.join_next().await.expect("a client").expect("no panic");
        let ready = request(&admin, "GET", "/readyz", &[], b"").await;
        let healthy = request(&admin, "GET", "/healthz", &[], b"").await;
        let newcomer = request(&addr, "GET", "/", &UPGRADE, b"").await;
        let replay =
            request(&admin, "POST", "/timeline/replay", &JSON, br#"{"role":"cleanup","event":{}}"#).await;
        let mut ends = vec![first];
        while let Some(end) = clients.join_next().await {
            ends.push(end.expect("no panic"));
        }
        ends.push((last.closed().await, Instant::now()));
        (ready, healthy, [newcomer, replay], ends)
    };
    let ((ready, healthy, refused, ends), ()) = tokio::join!(watch, gateway.shutdown());
    assert_eq!((ready.status, ready.body.as_str()), (503, "draining\n"));
    assert_eq!(healthy.status, 200);
    for refused in refused {
        assert_eq!(refused.status, 503);
        assert_eq!(refused.json()["errMsg"], "the gateway is shutting down");
    }
    for ((code, reason), _) in &ends {
        assert_eq!((*code, reason.as_str()), (CloseCode::GOING_AWAY, "the gateway is shutting down"));
    }
    // A lower bound alone: a busy machine may be late, but nothing may be early.
    let last = ends.iter().map(|(_, at)| at.duration_since(begun)).max().expect("ends");
    assert!(last >= DRAIN / CLIENTS * (CLIENTS - 1), "the last client was closed after {last:?}");
    assert_eq!(gateway.events("cleanup").len(), ends.len());
}

const JSON: [(&str, &str); 1] = [("Content-Type", "application/json")];
const UPGRADE: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];
