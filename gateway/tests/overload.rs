//! More events than a role has instances for: how many wait, and what becomes of further ones.

use std::time::Duration;

use futures_util::SinkExt as _;
use scf_websocket_test_harness::{Gateway, Need, SOON, echo, needs};
use serde_json::Value;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::timeout};
use tokio_websockets::Message;

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// One instance of each role, and one event that may wait for it.
fn narrow() -> Gateway {
    let limits = ["--max-instances", "1", "--max-waiting", "1", "--timeout", "60000"];
    echo().args(&limits).start()
}

async fn waits(gateway: &Gateway, role: &str) {
    let waiting = |record: &Value| {
        record["role"] == role && record["outcome"] == "running" && record["instance"].is_null()
    };
    gateway.wait_for_record("an event that waits", waiting).await;
}

#[tokio::test]
async fn a_client_beyond_the_limit_gets_503_and_may_try_again() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = narrow();
    let beyond = async {
        waits(&gateway, "register").await;
        let refused = gateway.ask("/", &[]).await;
        assert_eq!((refused.status, refused.err_no()), (503, 503));
        assert!(refused.head.to_lowercase().contains("\r\nretry-after: 1"), "{}", refused.head);
        gateway
            .wait_for_log(
                "too many events wait for the register function: see --max-waiting or waiting_calls",
            )
            .await;
        gateway.release();
    };
    let behind = async {
        gateway.wait_for_events("register", 1).await;
        tokio::join!(gateway.connect("/"), beyond)
    };
    let (held, (waiting, ())) = tokio::join!(gateway.connect("/hold"), behind);
    assert_eq!(gateway.events("register").len(), 2, "the third has cost nothing");
    held.close().await;
    waiting.close().await;
    gateway.connect("/").await.close().await;
}

#[tokio::test]
async fn a_client_that_has_gone_costs_no_call() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = narrow();
    let (held, ()) = tokio::join!(gateway.connect("/hold"), async {
        gateway.wait_for_events("register", 1).await;
        let mut gone = TcpStream::connect(gateway.addr()).await.expect("the address answers");
        gone.write_all(REQUEST.as_bytes()).await.expect("sent");
        waits(&gateway, "register").await;
        drop(gone);
        gateway.wait_for_log("the client has gone before the register function was called").await;
        gateway.release();
    });
    held.close().await;
    // Its place is free again, and its event was never carried out.
    gateway.connect("/").await.close().await;
    assert_eq!(gateway.events("register").len(), 2);
    assert_eq!(gateway.wait_for_events("cleanup", 2).await.len(), 2);
}

#[tokio::test]
async fn a_connection_whose_frame_finds_no_place_is_not_read_and_loses_nothing() {
    const FRAMES: usize = 128;
    if !needs(Need::Python) {
        return;
    }
    let gateway = narrow();
    let (mut running, mut waiting) = (gateway.connect("/").await, gateway.connect("/").await);
    let mut sending = gateway.connect("/").await;
    running.send_text("hold").await;
    gateway.wait_for_events("transfer", 1).await;
    waiting.send_text("waited").await;
    waits(&gateway, "transfer").await;
    let frame = Message::text(format!("drop {}", "x".repeat(256 * 1024)));
    {
        let send_all = async {
            // Far more than the kernel's buffers hold.
            for _ in 0..FRAMES {
                sending.socket.send(frame.clone()).await.expect("sent");
            }
        };
        tokio::pin!(send_all);
        assert!(timeout(Duration::from_secs(2), send_all.as_mut()).await.is_err(), "all of it was read");
        // What is begun elsewhere goes on.
        gateway.connect("/").await.close().await;
        gateway.release();
        timeout(SOON * 3, send_all).await.expect("the rest is read");
    }
    assert_eq!(waiting.next_text().await, "waited");
    let events = gateway.wait_for_events("transfer", FRAMES + 2).await;
    assert_eq!(events.len(), FRAMES + 2, "nothing is lost");
    sending.close().await;
}
