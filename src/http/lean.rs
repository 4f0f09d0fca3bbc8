//! The client of the runtime API: one server, one kept connection, one write and usually one read a call.
//!
//! [`LeanClient::get`] and [`LeanClient::post`] send a request whose constant part was prepared once, and read the `head`
//! of its answer;
//! [`LeanReply::read_into`] then reads the body from the `input` and returns the connection for the next call.
//! [`crate::http`] lists what is supported and what is refused.

mod body;
mod head;
mod input;
mod malformed;
#[cfg(test)]
mod tests;

use std::io::{Error, IoSlice, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use self::body::Body;
pub(crate) use self::body::BodyError;
use self::head::Head;
pub(crate) use self::head::Header;
use self::input::Input;
use crate::net::DeadlineStream;

/// Copying a body up to this length behind the head costs less than a vectored write.
const MAX_COPIED_BYTES: usize = 8 * 1024;

/// A client of one server. Connects at the first call, and again after a failure.
pub(crate) struct LeanClient {
    host: String,
    port: u16,
    observer: Option<Arc<dyn WaitObserver>>,
    /// Boxed, so that it moves from here to a reply and back without a copy of its fields.
    kept: Option<Box<Connection>>,
    /// Keeps its capacity from call to call: musl maps and unmaps a page for some of the sizes that a request has.
    output: Vec<u8>,
}

/// A `GET`, which is wholly constant.
pub(crate) struct GetRequest(Vec<u8>);

/// The head of a `POST` up to the value of `content-length`.
pub(crate) struct PostRequest(Vec<u8>);

/// Learns what the client waits for without a time limit, so that a signal can interrupt the wait without losing an answer.
pub(crate) trait WaitObserver: Send + Sync {
    /// The client is about to send a request and wait for the answer on this stream.
    fn waits_on(&self, stream: &Arc<TcpStream>);

    /// The first bytes of the answer have arrived.
    fn answer_begins(&self);
}

struct Connection {
    socket: DeadlineStream,
    input: Input,
}

/// An answer whose body has not been read yet.
pub(crate) struct LeanReply<'c> {
    /// Where the connection goes once the body is read, for the next call.
    kept: &'c mut Option<Box<Connection>>,
    connection: Box<Connection>,
    head: Head,
}

impl GetRequest {
    pub(crate) fn new(host: &str, port: u16, path: &str) -> Self {
        Self(format!("GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\n\r\n").into())
    }
}

impl PostRequest {
    pub(crate) fn new(host: &str, port: u16, path: &str, content_type: &str) -> Self {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-type: {content_type}\r\ncontent-length: "
        );
        Self(head.into())
    }
}

impl LeanClient {
    pub(crate) fn new(host: &str, port: u16, observer: Option<Arc<dyn WaitObserver>>) -> Self {
        Self { host: host.to_owned(), port, observer, kept: None, output: Vec::new() }
    }

    /// Sends a `GET` and waits for the head of its answer without a time limit.
    pub(crate) fn get(&mut self, request: &GetRequest) -> Result<LeanReply<'_>, Error> {
        self.call(None, |socket, _| socket.write_all(&request.0))
    }

    /// Sends a `POST` with a body and waits for the head of its answer until the deadline.
    pub(crate) fn post(
        &mut self,
        request: &PostRequest,
        body: &[u8],
        deadline: Instant,
    ) -> Result<LeanReply<'_>, Error> {
        self.call(Some(deadline), |socket, output| send(socket, output, request, body))
    }

    fn call(
        &mut self,
        deadline: Option<Instant>,
        send: impl FnOnce(&mut DeadlineStream, &mut Vec<u8>) -> Result<(), Error>,
    ) -> Result<LeanReply<'_>, Error> {
        let observer = self.observer.as_deref().filter(|_| deadline.is_none());
        let mut connection = match self.kept.take().filter(|kept| kept.socket.is_open()) {
            Some(kept) => kept,
            None => Box::new(Connection::open(&self.host, self.port, deadline)?),
        };
        let Connection { socket, input } = &mut *connection;
        socket.set_deadline(deadline);
        if let Some(observer) = observer {
            observer.waits_on(socket.stream());
        }
        send(socket, &mut self.output)?;
        input.fill(socket)?;
        if let Some(observer) = observer {
            observer.answer_begins();
        }
        let head = Head::read(socket, input)?;
        Ok(LeanReply { kept: &mut self.kept, connection, head })
    }
}

impl Connection {
    fn open(host: &str, port: u16, deadline: Option<Instant>) -> Result<Self, Error> {
        Ok(Self { socket: DeadlineStream::connect(host, port, deadline)?, input: Input::new() })
    }
}

/// Sends head and body with one system call where possible, which wakes the peer once.
fn send(
    socket: &mut DeadlineStream,
    head: &mut Vec<u8>,
    request: &PostRequest,
    body: &[u8],
) -> Result<(), Error> {
    head.clear();
    head.extend_from_slice(&request.0);
    head.extend_from_slice(itoa::Buffer::new().format(body.len()).as_bytes());
    head.extend_from_slice(b"\r\n\r\n");
    if body.len() <= MAX_COPIED_BYTES {
        head.extend_from_slice(body);
        return socket.write_all(head);
    }
    let written = socket.write_vectored(&[IoSlice::new(head), IoSlice::new(body)])?;
    socket.write_all(&head[written.min(head.len())..])?;
    socket.write_all(&body[written.saturating_sub(head.len())..])
}

impl LeanReply<'_> {
    pub(crate) fn status(&self) -> u16 {
        self.head.status
    }

    /// When the head arrived.
    pub(crate) fn received(&self) -> Instant {
        self.connection.socket.last_read()
    }

    /// The value of a header; `None` where it is absent or not ASCII.
    pub(crate) fn header(&self, header: Header) -> Option<&str> {
        let value = self.connection.input.unread().get(self.head.value_at(header)?)?;
        std::str::from_utf8(value).ok().filter(|text| text.is_ascii())
    }

    /// Replaces the buffer's content with the body, which may have at most `max_bytes`.
    ///
    /// The connection is closed if the body is not read to its end, here or because the reply is dropped.
    pub(crate) fn read_into(mut self, buffer: &mut Vec<u8>, max_bytes: usize) -> Result<(), BodyError> {
        buffer.clear();
        let Connection { socket, input } = &mut *self.connection;
        input.take(self.head.bytes);
        Body { from: socket, input, buffer, max_bytes }.read(self.head.framing())?;
        if self.head.keeps_connection() && self.connection.input.unread().is_empty() {
            *self.kept = Some(self.connection);
        }
        Ok(())
    }

    /// The body as text for a log line: what arrives of it before the deadline.
    pub(crate) fn into_text(mut self, max_bytes: usize, deadline: Instant) -> String {
        self.connection.socket.set_deadline(Some(deadline));
        let mut body = Vec::new();
        // An incomplete text is better than none.
        let _ = self.read_into(&mut body, max_bytes);
        String::from_utf8_lossy(&body).into_owned()
    }

    /// Discards the body, reading it only if that keeps the connection usable.
    pub(crate) fn finish(mut self, max_bytes: usize, deadline: Instant) {
        if self.head.keeps_connection() {
            self.connection.socket.set_deadline(Some(deadline));
            // After a failure the next call connects again.
            let _ = self.read_into(&mut Vec::new(), max_bytes);
        }
    }
}

/// Reads an answer from these bytes, as if the runtime API had sent them.
#[cfg(fuzzing)]
pub(crate) fn read_any(mut bytes: &[u8]) {
    let (mut input, mut body) = (Input::new(), Vec::new());
    let Ok(head) = Head::read(&mut bytes, &mut input) else { return };
    for value in Header::ALL.map(|header| head.value_at(header)) {
        assert!(value.is_none_or(|at| at.end <= head.bytes), "a header's value lies in the head");
    }
    input.take(head.bytes);
    let mut body = Body { from: &mut bytes, input: &mut input, buffer: &mut body, max_bytes: 1000 };
    let too_long = usize::from(body.read(head.framing()).is_err());
    assert!(body.buffer.len() <= body.max_bytes + too_long, "at most max_bytes are read");
}
