//! HTTP/1.1 as far as the runtime API needs it: one server, one kept connection, a write and mostly one read a call.
//!
//! For a function that does little these calls are most of the work, and a general client makes them with several
//! times the instructions. Pushes, whose time is the network's, go through one (`push::client`).
//! [`Client::get`] or [`Client::post`] sends a request and reads the `head` of its answer; [`Reply::read_into`] then
//! reads the body from the `input` and gives the connection back for the next call.

mod body;
mod head;
mod input;

use std::fmt;
use std::io::{Error, ErrorKind, IoSlice, Write};
use std::sync::Arc;
use std::time::Instant;

use self::body::Body;
use self::head::Head;
pub(super) use self::head::Header;
use self::input::Input;
use super::stop::Gate;
use crate::socket::Socket;

/// A body that is longer is sent from where it is. Copying a short one costs less than a write of two pieces.
const MAX_COPIED_BYTES: usize = 8 * 1024;

/// A connection to one server, made at the first call and again whenever it broke.
pub(super) struct Client {
    host: String,
    port: u16,
    /// The two as the `Host` header has them.
    authority: String,
    /// Told when an answer is awaited and when it begins to arrive.
    gate: Option<Arc<Gate>>,
    kept: Option<Connection>,
}

struct Connection {
    socket: Socket,
    input: Input,
}

/// An answer, its body still to be read.
pub(super) struct Reply<'c> {
    /// Where the connection is kept for the next call.
    kept: &'c mut Option<Connection>,
    connection: Connection,
    head: Head,
}

/// Why a body could not be read.
#[derive(Debug)]
pub(super) enum BodyError {
    /// It is longer than the limit.
    TooLong,
    /// It was cut, did not come in time, or is not framed as its head says.
    Cut(Error),
}

impl From<Error> for BodyError {
    fn from(e: Error) -> Self {
        Self::Cut(e)
    }
}

impl Client {
    pub(super) fn new(host: &str, port: u16, gate: Option<Arc<Gate>>) -> Self {
        Self { host: host.to_owned(), port, authority: format!("{host}:{port}"), gate, kept: None }
    }

    /// `GET`, its answer awaited for ever.
    pub(super) fn get(&mut self, path: &str) -> Result<Reply<'_>, Error> {
        let head = ["GET ", path, " HTTP/1.1\r\nhost: ", &self.authority, "\r\n\r\n"].concat();
        self.call(None, head, b"")
    }

    /// `POST` of a body, its answer awaited until the deadline.
    pub(super) fn post(
        &mut self,
        path: &str,
        content_type: &str,
        body: &[u8],
        deadline: Instant,
    ) -> Result<Reply<'_>, Error> {
        let length = body.len().to_string();
        let head = [
            "POST ",
            path,
            " HTTP/1.1\r\nhost: ",
            &self.authority,
            "\r\ncontent-type: ",
            content_type,
            "\r\ncontent-length: ",
            &length,
            "\r\n\r\n",
        ]
        .concat();
        self.call(Some(deadline), head, body)
    }

    fn call(&mut self, deadline: Option<Instant>, head: String, body: &[u8]) -> Result<Reply<'_>, Error> {
        let mut connection = match self.kept.take().filter(|kept| kept.socket.is_open()) {
            Some(kept) => kept,
            None => Connection::open(&self.host, self.port, deadline)?,
        };
        let Connection { socket, input } = &mut connection;
        socket.begin(deadline);
        if let Some(gate) = &self.gate {
            gate.awaits(socket.stream());
        }
        send(socket, head.into_bytes(), body)?;
        input.fill(socket)?;
        if let Some(gate) = &self.gate {
            gate.arrived();
        }
        let head = Head::read(socket, input)?;
        Ok(Reply { kept: &mut self.kept, connection, head })
    }
}

impl Connection {
    fn open(host: &str, port: u16, deadline: Option<Instant>) -> Result<Self, Error> {
        Ok(Self { socket: Socket::connect(host, port, deadline)?, input: Input::new() })
    }
}

/// In one piece where the connection takes it, so that the peer is woken once.
fn send(socket: &mut Socket, mut head: Vec<u8>, body: &[u8]) -> Result<(), Error> {
    if body.len() <= MAX_COPIED_BYTES {
        head.extend_from_slice(body);
        return socket.write_all(&head);
    }
    let written = socket.write_vectored(&[IoSlice::new(&head), IoSlice::new(body)])?;
    socket.write_all(&head[written.min(head.len())..])?;
    socket.write_all(&body[written.saturating_sub(head.len())..])
}

impl Reply<'_> {
    pub(super) fn status(&self) -> u16 {
        self.head.status
    }

    /// A header's value, where there is one and it is ASCII.
    pub(super) fn header(&self, header: Header) -> Option<&str> {
        let value = self.connection.input.unread().get(self.head.value_at(header)?)?;
        std::str::from_utf8(value).ok().filter(|text| text.is_ascii())
    }

    /// Reads the body, of at most so many bytes, into the buffer, which is emptied first.
    ///
    /// A body that is not read to its end, here or because the reply was dropped, costs the connection.
    pub(super) fn read_into(mut self, buffer: &mut Vec<u8>, max_bytes: usize) -> Result<(), BodyError> {
        buffer.clear();
        let Connection { socket, input } = &mut self.connection;
        input.take(self.head.bytes);
        Body { from: socket, input, buffer, max_bytes }.read(self.head.framing())?;
        if self.head.keeps_connection() && self.connection.input.unread().is_empty() {
            *self.kept = Some(self.connection);
        }
        Ok(())
    }

    /// The beginning of a body that is for people to read, as far as it comes in time.
    pub(super) fn into_text(mut self, max_bytes: usize, deadline: Instant) -> String {
        self.connection.socket.begin(Some(deadline));
        let mut body = Vec::new();
        // A text that is cut is better than none.
        let _ = self.read_into(&mut body, max_bytes);
        String::from_utf8_lossy(&body).into_owned()
    }

    /// Reads a body that nobody needs, where the connection can be kept for that.
    pub(super) fn finish(mut self, max_bytes: usize, deadline: Instant) {
        if self.head.keeps_connection() {
            self.connection.socket.begin(Some(deadline));
            // Failing that, the next call makes a new one.
            let _ = self.read_into(&mut Vec::new(), max_bytes);
        }
    }
}

fn broken(what: impl fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidData, format!("the answer is not HTTP: {what}"))
}

/// Reads an answer from these bytes, as if they had come from the runtime API.
#[cfg(fuzzing)]
pub(crate) fn read_any(mut bytes: &[u8]) {
    let (mut input, mut body) = (Input::new(), Vec::new());
    let Ok(head) = Head::read(&mut bytes, &mut input) else { return };
    for value in Header::ALL.map(|header| head.value_at(header)) {
        assert!(value.is_none_or(|at| at.end <= head.bytes), "a header's value is in the head");
    }
    input.take(head.bytes);
    let mut body = Body { from: &mut bytes, input: &mut input, buffer: &mut body, max_bytes: 1000 };
    let too_long = usize::from(body.read(head.framing()).is_err());
    assert!(body.buffer.len() <= body.max_bytes + too_long, "no more is read than is allowed");
}
