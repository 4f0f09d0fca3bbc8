//! Two hundred clients at once, five frames each, through eight instances: none lost, none out of order, and what the
//! gateway itself adds is reported for each.

use std::time::Instant;

use futures_util::{SinkExt as _, future::join_all};
use scf_websocket_test_harness::{Need, echo, needs};
use tokio::sync::Mutex;
use tokio_websockets::Message;

const CLIENTS: usize = 200;
const FRAMES: usize = 5;

/// The two measurements would be each other's noise.
static ALONE: Mutex<()> = Mutex::const_new(());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_clients_lose_nothing() {
    if !needs(Need::Python) {
        return;
    }
    let _alone = ALONE.lock().await;
    let gateway = echo().args(&["--max-instances", "8", "--timeout", "10000", "--trace"]).start();
    let begun = Instant::now();
    let clients = (0..CLIENTS).map(|client| {
        let gateway = &gateway;
        async move {
            let mut line = gateway.connect("/").await;
            let texts: Vec<String> = (0..FRAMES).map(|frame| format!("{client} {frame}")).collect();
            for text in &texts {
                line.socket.feed(Message::text(text.clone())).await.expect("queued");
            }
            line.socket.flush().await.expect("sent");
            for text in &texts {
                assert_eq!(line.next_text().await, *text);
            }
            line.close().await;
        }
    });
    join_all(clients).await;
    let took = begun.elapsed();
    gateway.wait_for_events("cleanup", CLIENTS).await;
    assert_eq!(gateway.events("register").len(), CLIENTS);
    assert_eq!(gateway.events("transfer").len(), CLIENTS * FRAMES);
    assert_eq!(gateway.events("cleanup").len(), CLIENTS);
    assert!(gateway.pids("transfer").len() <= 8);
    let gateway_ms = gateway.gateway_ms("transfer", CLIENTS * FRAMES).await;
    println!("{CLIENTS} clients × {FRAMES} frames in {took:?}: {}", shown(gateway_ms));
}

/// The same measure without a queue and without a crowd for the processor.
#[tokio::test]
async fn what_the_gateway_adds_is_traced_for_each_frame() {
    if !needs(Need::Python) {
        return;
    }
    let _alone = ALONE.lock().await;
    let gateway = echo().args(&["--trace"]).start();
    let mut client = gateway.connect("/").await;
    for number in 0..200 {
        client.send_text(&number.to_string()).await;
        assert_eq!(client.next_text().await, number.to_string());
    }
    println!("one client, 200 frames: {}", shown(gateway.gateway_ms("transfer", 200).await));
}

/// Shown, not judged: how long it takes says more about the machine's other work.
fn shown(mut gateway_ms: Vec<f64>) -> String {
    gateway_ms.sort_by(f64::total_cmp);
    let (median, worst) = (gateway_ms[gateway_ms.len() / 2], gateway_ms[gateway_ms.len() - 1]);
    format!("gateway_ms median {median}, worst {worst}")
}
