//! The client of the runtime API: one server, one kept connection, one write and usually one read a call.
//!
//! [`LeanClient::get`] and [`LeanClient::post`] send a request and read the `head` of its answer;
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
    /// `host:port`, as the `Host` header holds it.
    authority: String,
    observer: Option<Arc<dyn WaitObserver>>,
    kept: Option<Connection>,
}

/// Learns what the client waits for, so that a signal can interrupt the wait without losing an answer.
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
    kept: &'c mut Option<Connection>,
    connection: Connection,
    head: Head,
}

impl LeanClient {
    pub(crate) fn new(host: &str, port: u16, observer: Option<Arc<dyn WaitObserver>>) -> Self {
        Self { host: host.to_owned(), port, authority: format!("{host}:{port}"), observer, kept: None }
    }

    /// Sends a `GET` and waits for the head of its answer without a time limit.
    pub(crate) fn get(&mut self, path: &str) -> Result<LeanReply<'_>, Error> {
        let head = ["GET ", path, " HTTP/1.1\r\nhost: ", &self.authority, "\r\n\r\n"].concat();
        self.call(None, head, b"")
    }

    /// Sends a `POST` with a body and waits for the head of its answer until the deadline.
    pub(crate) fn post(
        &mut self,
        path: &str,
        content_type: &str,
        body: &[u8],
        deadline: Instant,
    ) -> Result<LeanReply<'_>, Error> {
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

    fn call(&mut self, deadline: Option<Instant>, head: String, body: &[u8]) -> Result<LeanReply<'_>, Error> {
        let mut connection = match self.kept.take().filter(|kept| kept.socket.is_open()) {
            Some(kept) => kept,
            None => Connection::open(&self.host, self.port, deadline)?,
        };
        let Connection { socket, input } = &mut connection;
        socket.set_deadline(deadline);
        if let Some(observer) = &self.observer {
            observer.waits_on(socket.stream());
        }
        send(socket, head.into_bytes(), body)?;
        input.fill(socket)?;
        if let Some(observer) = &self.observer {
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
fn send(socket: &mut DeadlineStream, mut head: Vec<u8>, body: &[u8]) -> Result<(), Error> {
    if body.len() <= MAX_COPIED_BYTES {
        head.extend_from_slice(body);
        return socket.write_all(&head);
    }
    let written = socket.write_vectored(&[IoSlice::new(&head), IoSlice::new(body)])?;
    socket.write_all(&head[written.min(head.len())..])?;
    socket.write_all(&body[written.saturating_sub(head.len())..])
}

impl LeanReply<'_> {
    pub(crate) fn status(&self) -> u16 {
        self.head.status
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
        let Connection { socket, input } = &mut self.connection;
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
