//! How long the head of a request may be: it is kept in memory until it is complete.

use scf_websocket_test_harness::{InProcess, SOON};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

const MAX_HEAD_BYTES: usize = 32 * 1024;

#[tokio::test]
async fn a_long_head_is_refused_with_431() {
    let gateway = InProcess::echo().start().await;
    let cookie = "x".repeat(MAX_HEAD_BYTES / 2);
    assert_eq!(gateway.ask("/refuse", &[("Cookie", &cookie)]).await.status, 403);
    let mut client = TcpStream::connect(gateway.addr()).await.expect("connected");
    let cookie = "x".repeat(4 * MAX_HEAD_BYTES);
    let request = format!(
        "GET /refuse HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nCookie: {cookie}\r\n\r\n"
    );
    // What is beyond the limit is not read, so that the rest and the answer may be lost in a reset.
    let _ = client.write_all(request.as_bytes()).await;
    let mut answer = String::new();
    let _ = timeout(SOON, client.read_to_string(&mut answer)).await.expect("the connection ends");
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert_eq!(gateway.events("register").len(), 1, "the function is asked about the first alone");
}
