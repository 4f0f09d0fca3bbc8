//! A client byte by byte: it sends what no implementation of the protocol would.

use scf_websocket_test_harness::{Gateway, SOON};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
pub(crate) const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;
pub(crate) const FIN: u8 = 0x80;
/// The first reserved bit: the message is compressed.
pub(crate) const RSV1: u8 = 0x40;

/// See the module.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    /// The head of the answer to the handshake.
    pub(crate) head: String,
}

impl Raw {
    pub(crate) async fn connect(gateway: &Gateway) -> Self {
        Self::connect_with(gateway, "").await
    }

    /// With further headers, each with its end of line.
    pub(crate) async fn connect_with(gateway: &Gateway, headers: &str) -> Self {
        let mut stream = TcpStream::connect(gateway.addr()).await.expect("a connection");
        stream.write_all(format!("{REQUEST}{headers}\r\n").as_bytes()).await.expect("sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(SOON, stream.read_u8()).await.expect("in time").expect("an answer"));
        }
        let head = String::from_utf8(head).expect("text");
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        Self { stream, head }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("sent");
    }

    /// The next frame of the gateway: its first byte and its payload. It has no mask, and its length is minimal.
    pub(crate) async fn next(&mut self) -> (u8, Vec<u8>) {
        timeout(SOON, self.read_frame()).await.expect("a frame in time")
    }

    async fn read_frame(&mut self) -> (u8, Vec<u8>) {
        let first = self.stream.read_u8().await.expect("a frame");
        let length = match self.stream.read_u8().await.expect("a length") {
            126 => {
                let length = self.stream.read_u16().await.expect("a length");
                assert!(length > 125, "not minimal: {length}");
                usize::from(length)
            }
            127 => {
                let length = self.stream.read_u64().await.expect("a length");
                assert!(length > 0xffff, "not minimal: {length}");
                usize::try_from(length).expect("a length")
            }
            length => {
                assert!(length < 126, "a server's frame is not masked");
                usize::from(length)
            }
        };
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).await.expect("a payload");
        (first, payload)
    }

    pub(crate) async fn receives(&mut self, first: u8, payload: impl AsRef<[u8]>) {
        let next = self.next().await;
        assert!(next == (first, payload.as_ref().to_vec()), "{next:?}");
    }

    /// Reads a close frame with this code, then the end of the connection.
    pub(crate) async fn closed_with(mut self, code: u16) {
        let (first, payload) = self.next().await;
        assert_eq!((first, payload.get(..2)), (FIN | CLOSE, Some(&code.to_be_bytes()[..])), "{payload:?}");
        self.ended().await;
    }

    /// The gateway closes the TCP connection, and sends nothing before.
    pub(crate) async fn ended(mut self) {
        let mut rest = Vec::new();
        let read = timeout(SOON, self.stream.read_to_end(&mut rest)).await.expect("closed in time");
        read.expect("no reset");
        assert!(rest.is_empty(), "{rest:?}");
    }
}

pub(crate) fn masked(payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect()
}

/// A frame with this first byte.
pub(crate) fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = match payload.len() {
        length @ ..126 => vec![0x80 | u8::try_from(length).expect("short")],
        length @ ..0x1_0000 => [&[0xfe][..], &u16::try_from(length).expect("medium").to_be_bytes()].concat(),
        length => [&[0xff][..], &(length as u64).to_be_bytes()].concat(),
    };
    [&[first][..], &length, &MASK, &masked(payload, MASK)].concat()
}

pub(crate) fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, [&code.to_be_bytes()[..], reason].concat())
}
