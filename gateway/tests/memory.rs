//! An idle connection costs the gateway little memory.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use scf_websocket_test_harness::{Gateway, Need, SOON, echo, needs};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// By then the gateway has allocated what it allocates once.
const WARM_UP: usize = 300;
const CONNECTIONS: usize = 2000;
/// Twice what the release build needs: a buffer of its own for each connection shows, the allocator's mood does not.
const MAX_BYTES: usize = 8 * 1024;

#[tokio::test]
async fn an_idle_connection_takes_a_few_kilobytes() {
    if !needs(Need::Python) {
        return;
    }
    allow_open_files(CONNECTIONS as u64 * 2);
    let gateway = echo().args(&["--timeout", "30000"]).start();
    let mut clients = Vec::new();
    connect_until(&gateway, &mut clients, WARM_UP).await;
    let before = resident_bytes(&gateway);
    connect_until(&gateway, &mut clients, WARM_UP + CONNECTIONS).await;
    let bytes = resident_bytes(&gateway).saturating_sub(before) / CONNECTIONS;
    println!("{bytes} bytes a connection");
    assert!(bytes <= MAX_BYTES, "an idle connection takes {bytes} bytes");
    // They are connections, and not merely sockets: one is served still.
    let last = clients.last_mut().expect("connections");
    last.write_all(b"\x81\x85\0\0\0\0hello").await.expect("sent");
    let mut echoed = [0; 7];
    timeout(SOON, last.read_exact(&mut echoed)).await.expect("in time").expect("an answer");
    assert_eq!(&echoed, b"\x81\x05hello");
}

async fn connect_until(gateway: &Gateway, clients: &mut Vec<TcpStream>, count: usize) {
    while clients.len() < count {
        clients.push(timeout(SOON, connect(gateway)).await.expect("connected in time"));
    }
}

async fn connect(gateway: &Gateway) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.addr()).await.expect("a connection");
    stream.write_all(REQUEST.as_bytes()).await.expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        assert!(stream.read_buf(&mut head).await.expect("an answer") > 0, "closed");
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    stream
}

fn resident_bytes(gateway: &Gateway) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.pid())).expect("its status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its resident memory");
    let kilobytes = line.split_whitespace().nth(1).and_then(|number| number.parse::<usize>().ok());
    kilobytes.expect("a number") * 1024
}

/// For this process, and for the gateway that it starts.
fn allow_open_files(count: u64) {
    let allowed = getrlimit(Resource::Nofile);
    if allowed.current.is_none_or(|current| current >= count) {
        return;
    }
    let raised = Rlimit { current: Some(count), maximum: allowed.maximum };
    setrlimit(Resource::Nofile, raised).expect("the system allows more open files: see ulimit -Hn");
}
