//! One client: its stream, and what has come of a frame that is not whole yet.

use std::io::{Error, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustls::{ClientConnection, StreamOwned};

use crate::expected::Expected;
use crate::frame;

/// The nonce of RFC 6455's example, and what a server makes of it.
pub const NONCE: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPTED: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

pub enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    fn as_io(&mut self) -> (&mut dyn Read, bool) {
        match self {
            Self::Plain(stream) => (stream, false),
            Self::Tls(stream) => (stream, true),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Plain(stream) => stream.as_fd(),
            Self::Tls(stream) => stream.sock.as_fd(),
        }
    }
}

/// What has happened to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// The handshake was accepted.
    Opened,
    /// The payload that is expected has arrived.
    Received,
    /// Another payload has arrived.
    ReceivedOther,
    Pong,
    /// The connection has ended.
    Ended,
}

pub struct Client {
    stream: Stream,
    /// Empty whenever no frame is half received, and then without memory of its own.
    rest: Vec<u8>,
    is_open: bool,
    /// What the server has to agree to.
    extension: Option<Arc<str>>,
}

impl Client {
    pub fn new(stream: Stream, extension: Option<Arc<str>>) -> Self {
        Self { stream, rest: Vec::new(), is_open: false, extension }
    }

    /// Sends all of it, or fails: what is sent fits into the buffer of an idle connection.
    pub fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes),
            Stream::Tls(stream) => {
                stream.write_all(bytes)?;
                stream.flush()
            }
        }
    }

    /// Reads what there is, and calls `happened` for everything in it. Returns how many bytes there were.
    pub fn read(
        &mut self,
        buffer: &mut [u8],
        expected: &mut Expected,
        mut happened: impl FnMut(Happening),
    ) -> std::io::Result<usize> {
        let mut bytes = 0;
        loop {
            let (stream, is_tls) = self.stream.as_io();
            let read = match stream.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(bytes),
                Err(e) => return Err(e),
            };
            bytes += read;
            self.received(&buffer[..read], expected, &mut happened)?;
            // What TLS has decrypted and not handed out wakes no epoll.
            if read < buffer.len() && !is_tls {
                return Ok(bytes);
            }
        }
    }

    fn received(
        &mut self,
        bytes: &[u8],
        expected: &mut Expected,
        happened: &mut impl FnMut(Happening),
    ) -> std::io::Result<()> {
        if self.rest.is_empty() {
            let used = self.take(bytes, expected, happened)?;
            self.rest.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut whole = std::mem::take(&mut self.rest);
        whole.extend_from_slice(bytes);
        let used = self.take(&whole, expected, happened)?;
        self.rest.extend_from_slice(&whole[used..]);
        Ok(())
    }

    /// Returns how many bytes were used.
    fn take(
        &mut self,
        bytes: &[u8],
        expected: &mut Expected,
        happened: &mut impl FnMut(Happening),
    ) -> std::io::Result<usize> {
        let mut used = 0;
        if !self.is_open {
            let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(0) };
            check_head(&bytes[..end], self.extension.as_deref())?;
            self.is_open = true;
            happened(Happening::Opened);
            used = end + 4;
        }
        while let Some(frame) = frame::parse(&bytes[used..]).map_err(Error::other)? {
            used += frame.length;
            match frame.opcode {
                frame::PING => self.send(&frame::masked(frame::PONG, frame.payload))?,
                frame::PONG => happened(Happening::Pong),
                frame::CLOSE => return Err(Error::other(close_reason(frame.payload))),
                _ if expected.is(&frame) => happened(Happening::Received),
                _ => happened(Happening::ReceivedOther),
            }
        }
        Ok(used)
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn check_head(head: &[u8], extension: Option<&str>) -> std::io::Result<()> {
    let head = String::from_utf8_lossy(head);
    if head.starts_with("HTTP/1.1 101 ")
        && head.contains(ACCEPTED)
        && extension.is_none_or(|extension| head.contains(extension))
    {
        return Ok(());
    }
    Err(Error::other(format!(
        "the handshake was answered with {:?}",
        head.lines().next().unwrap_or_default()
    )))
}

fn close_reason(payload: &[u8]) -> String {
    match payload {
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            format!("the server closed with {code} {}", String::from_utf8_lossy(reason))
        }
        _ => "the server closed without a code".to_owned(),
    }
}
