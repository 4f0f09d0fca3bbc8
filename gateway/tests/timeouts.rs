//! The time-outs of clients are those that are set, and each end has its reason.

use std::time::Duration;

use scf_websocket_gateway::timeouts::Timeouts;
use scf_websocket_test_harness::{Gateway, InProcess, SOON};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_websockets::CloseCode;

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const SHORT: Duration = Duration::from_millis(300);
/// Between two pings; a client that answers them must manage to on a busy machine.
const INTERVAL: Duration = Duration::from_secs(1);

async fn with(change: impl FnOnce(&mut Timeouts)) -> Gateway {
    InProcess::echo().clients(|clients| change(&mut clients.timeouts)).start().await
}

async fn closed_for(gateway: &Gateway, reason: &str) {
    let series = format!(r#"scf_gateway_closes_total{{api="/",reason="{reason}"}}"#);
    gateway.wait_for_metric(&series, 1.0).await;
    gateway.wait_for_events("cleanup", 1).await;
}

/// A client that speaks no WebSocket behind its request.
async fn silent(gateway: &Gateway) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.addr()).await.expect("a connection");
    stream.write_all(REQUEST.as_bytes()).await.expect("sent");
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        seen.push(timeout(SOON, stream.read_u8()).await.expect("in time").expect("an answer"));
    }
    assert!(seen.starts_with(b"HTTP/1.1 101 "));
    stream
}

async fn read_to_the_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    timeout(SOON, stream.read_to_end(&mut rest)).await.expect("closed in time").expect("no reset");
    rest
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_gone_after_two_intervals() {
    let gateway = with(|timeouts| timeouts.ping_interval = INTERVAL).await;
    let mut responsive = gateway.connect("/").await;
    let mut stream = silent(&gateway).await;
    let begun = Instant::now();
    let other = async {
        // It answers pings while it waits for what is echoed.
        while begun.elapsed() < INTERVAL * 3 {
            responsive.send_text("hello").await;
            assert_eq!(responsive.next_text().await, "hello");
            tokio::time::sleep(INTERVAL / 20).await;
        }
    };
    let (rest, ()) = tokio::join!(read_to_the_end(&mut stream), other);
    assert!(rest.starts_with(&[0x89, 0]), "a ping came: {rest:?}");
    assert!(!rest.contains(&0x88), "no close frame for a client that is out of reach: {rest:?}");
    closed_for(&gateway, "unresponsive").await;
    responsive.close().await;
}

#[tokio::test]
async fn a_connection_without_data_is_closed_with_1000() {
    let gateway = InProcess::echo().api(|api| api.settings.idle_timeout = SHORT).start().await;
    let mut client = gateway.connect("/").await;
    assert_eq!(client.closed().await, (CloseCode::NORMAL_CLOSURE, "idle".to_owned()));
    closed_for(&gateway, "idle").await;
}

#[tokio::test]
async fn a_client_that_takes_no_byte_is_closed_after_the_send_time_out() {
    let gateway = with(|timeouts| timeouts.send = SHORT).await;
    let mut client = gateway.connect("/").await;
    let id = client.id(&gateway).await;
    // One frame that is larger than what the operating system takes, and may wait alone.
    let data = "x".repeat(6 << 20);
    for _ in 0..4 {
        let push = json!({"action": "data send", "secConnectionID": id, "dataType": "text", "data": data});
        if gateway.push_json(push).await.json()["errNo"] != 0 {
            break;
        }
    }
    closed_for(&gateway, "too_slow").await;
    let log = scf_websocket_test_harness::in_process_log();
    assert!(log.lines().any(|line| line.contains(&id) && line.contains("too slow")), "{log}");
}

#[tokio::test]
async fn a_client_that_does_not_answer_the_close_is_dropped_after_its_time_out() {
    let gateway = with(|timeouts| timeouts.close = SHORT).await;
    let mut stream = silent(&gateway).await;
    // A reserved opcode: the gateway answers 1002 and closes.
    stream.write_all(&[0x83, 0x80, 0, 0, 0, 0]).await.expect("sent");
    let rest = read_to_the_end(&mut stream).await;
    assert_eq!(rest[..4], [0x88, rest[1], 0x03, 0xea], "{rest:?}");
    closed_for(&gateway, "protocol_error").await;
}

#[tokio::test]
async fn a_text_frame_that_is_not_utf_8_is_closed_with_1007() {
    let gateway = with(|_| ()).await;
    let mut stream = silent(&gateway).await;
    stream.write_all(&[0x81, 0x81, 0, 0, 0, 0, 0xff]).await.expect("sent");
    let mut frame = [0; 4];
    timeout(SOON, stream.read_exact(&mut frame)).await.expect("in time").expect("a frame");
    assert_eq!((frame[0], &frame[2..]), (0x88, [0x03, 0xef].as_slice()));
    closed_for(&gateway, "not_utf8").await;
}
