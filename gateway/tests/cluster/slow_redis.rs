//! A Redis whose answers take long.

use std::time::Duration;

use scf_websocket_gateway::cluster::NodeId;
use scf_websocket_test_harness::{Need, Redis, eventually, needs};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::sleep,
};

use super::node::{process_with, send, wait_for_push};

/// What each answer takes.
const DELAY: Duration = Duration::from_millis(200);
const LEASE: Duration = Duration::from_secs(2);
/// So many that their comparison takes several leases.
const RECORDS: usize = 3000;

// The connection is passed on while the test waits for processes.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_keeps_its_lease_while_it_compares_many_records_over_a_slow_connection() {
    if !needs(Need::Redis) || !needs(Need::Python) {
        return;
    }
    let redis = Redis::start(&[]);
    let other = process_with(&redis.url(), LEASE).start();
    let slow = format!("redis://127.0.0.1:{}", delayed(redis.port).await);
    let node = process_with(&slow, LEASE).start();
    let mut client = node.connect("/").await;
    let id = client.id(&node).await;
    let records = format!("{{scf-ws}}:connections:{}", NodeId::of_connection(&id).expect("a node"));
    let fill = format!("for i=1,{RECORDS} do redis.call('HSET', KEYS[1], 'x'..i, '10.0.0.1 /') end");
    redis.command(&format!("EVAL \"{fill}\" 1 {records}"));
    eventually("the records of no connection are deleted", || {
        (redis.command(&format!("HLEN {records}")) == ":1\r\n").then_some(())
    })
    .await;
    assert!(!node.log().contains("was declared lost"), "{}", node.log());
    wait_for_push(&other, &id, (200, 0)).await;
    while client.next_text().await != "again" {}
    assert_eq!(node.push_json(send(&id, "here")).await.err_no(), 0);
}

/// A port behind which this one is, with each answer delayed.
async fn delayed(port: u16) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let own = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", port)).await.expect("Redis listens");
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            tokio::spawn(copy(from_client, to_server, Duration::ZERO));
            tokio::spawn(copy(from_server, to_client, DELAY));
        }
    });
    own
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, delay: Duration) {
    let mut bytes = vec![0; 256 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        sleep(delay).await;
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
