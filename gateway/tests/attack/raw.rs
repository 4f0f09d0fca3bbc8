//! What attackers send: bytes.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

/// All attackers come from one address, which is not the other clients'.
const FROM: &str = "127.0.0.2:0";

pub const TEXT: u8 = 0x01;
pub const CONTINUATION: u8 = 0x00;
pub const FINAL: u8 = 0x80;

/// A connection on which nothing has been sent.
pub async fn connect(to: SocketAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind(FROM.parse().expect("an address")).ok()?;
    let stream = socket.connect(to).await.ok()?;
    let _ = stream.set_nodelay(true);
    Some(stream)
}

/// A handshake; `None` if it is not answered with 101.
pub async fn open(to: SocketAddr, path: &str) -> Option<TcpStream> {
    let mut stream = connect(to).await?;
    stream.write_all(handshake(path, 13).as_bytes()).await.ok()?;
    let head = answer(&mut stream).await?;
    head.starts_with("HTTP/1.1 101 ").then_some(stream)
}

pub fn handshake(path: &str, version: u8) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: attack\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: {version}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// The head of an answer.
pub async fn answer(stream: &mut TcpStream) -> Option<String> {
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    while !seen.windows(4).any(|window| window == b"\r\n\r\n") {
        let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        seen.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8(seen).ok()
}

/// Reads and discards until the end.
pub async fn drain(mut stream: TcpStream) {
    let mut buffer = vec![0; 64 * 1024];
    while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
}

/// A frame's head; the mask is zero, so that the payload is what it is.
pub fn frame_head(first: u8, bytes: u64) -> Vec<u8> {
    let mut head = vec![first];
    if bytes <= 125 {
        head.push(0x80 | u8::try_from(bytes).expect("small"));
    } else {
        head.push(0x80 | 127);
        head.extend(bytes.to_be_bytes());
    }
    head.extend([0; 4]);
    head
}

pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = frame_head(first, payload.len() as u64);
    frame.extend_from_slice(payload);
    frame
}
