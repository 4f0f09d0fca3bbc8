//! A runtime API for measurements: it serves one function at a time on the caller's thread, and does only what the
//! contract requires, since its own time is part of every figure.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::Result;

/// A function that makes no request for longer has failed.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);

/// How often to check the other connections: a function may open a second one without using the first.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

const ACCEPTED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// Whose paths and headers are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Scf,
    Aws,
}

/// An endpoint of the runtime API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Ready,
    Next,
    Response,
    Error,
}

pub struct RuntimeApi {
    listener: TcpListener,
    active: Option<TcpStream>,
    idle: Vec<TcpStream>,
    request: Vec<u8>,
    filled: usize,
    body_at: usize,
    accepted_at: Option<Instant>,
}

impl RuntimeApi {
    pub fn open() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        Ok(Self {
            listener,
            active: None,
            idle: Vec::new(),
            request: vec![0; 64 * 1024],
            filled: 0,
            body_at: 0,
            accepted_at: None,
        })
    }

    pub fn port(&self) -> Result<u16> {
        Ok(self.listener.local_addr()?.port())
    }

    /// When the active connection was accepted.
    pub fn accepted_at(&self) -> Option<Instant> {
        self.accepted_at
    }

    /// Closes the connections of a function that has ended, including those not yet accepted.
    pub fn reset(&mut self) -> Result<()> {
        self.active = None;
        self.idle.clear();
        self.accepted_at = None;
        while self.has_pending_connection(Duration::ZERO)? {
            self.listener.accept()?;
        }
        Ok(())
    }

    /// Reads the next request.
    pub fn await_call(&mut self) -> Result<Call> {
        self.filled = 0;
        loop {
            if let Some(length) = self.length()? {
                self.read_body(length)?;
                return self.call();
            }
            if self.filled == self.request.len() {
                return Err("a request's head is longer than the buffer".into());
            }
            self.read_some()?;
        }
    }

    /// Reads the next request, which must be this one.
    pub fn expect(&mut self, expected: Call) -> Result<()> {
        match self.await_call()? {
            call if call == expected => Ok(()),
            call => {
                let body = String::from_utf8_lossy(self.body());
                Err(format!("{call:?} was called instead of {expected:?}, with {body:?}").into())
            }
        }
    }

    /// The body of the last request.
    pub fn body(&self) -> &[u8] {
        &self.request[self.body_at..self.filled]
    }

    /// Answers `ready`, `response` or `error`.
    pub fn acknowledge(&mut self) -> Result<()> {
        self.answer(ACCEPTED)
    }

    /// Answers `next`.
    pub fn offer(&mut self, offer: &Offer) -> Result<()> {
        self.answer(&offer.bytes)
    }

    fn answer(&mut self, bytes: &[u8]) -> Result<()> {
        let stream = self.active.as_mut().ok_or("no connection to answer on")?;
        Ok(stream.write_all(bytes)?)
    }

    /// The length of the body, once the head is complete.
    fn length(&mut self) -> Result<Option<usize>> {
        let received = &self.request[..self.filled];
        let Some(end) = received.windows(END_OF_HEAD.len()).position(|w| w == END_OF_HEAD) else {
            return Ok(None);
        };
        self.body_at = end + END_OF_HEAD.len();
        if received.starts_with(b"GET ") {
            return Ok(Some(0));
        }
        let length = received[..end].split(|byte| *byte == b'\n').find_map(content_length);
        length.map(Some).ok_or_else(|| "a request has no content-length".into())
    }

    fn read_body(&mut self, length: usize) -> Result<()> {
        let end = self.body_at + length;
        if self.filled < end {
            if self.request.len() < end {
                self.request.resize(end, 0);
            }
            let stream = self.active.as_mut().ok_or("the connection is closed")?;
            stream.read_exact(&mut self.request[self.filled..end])?;
            self.filled = end;
        }
        if self.filled > end {
            Err("a request arrived before the previous one was answered".into())
        } else {
            Ok(())
        }
    }

    fn call(&self) -> Result<Call> {
        let line = self.request.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let path = line.strip_suffix(b" HTTP/1.1").unwrap_or(line);
        for (end, call) in [
            ("/next", Call::Next),
            ("/response", Call::Response),
            ("/ready", Call::Ready),
            ("/error", Call::Error),
        ] {
            if path.ends_with(end.as_bytes()) {
                return Ok(call);
            }
        }
        Err(format!("unknown request {:?}", String::from_utf8_lossy(line)).into())
    }

    fn read_some(&mut self) -> Result<()> {
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        while Instant::now() < deadline {
            let Some(stream) = &mut self.active else {
                self.accept_within(REQUEST_TIMEOUT)?;
                continue;
            };
            match stream.read(&mut self.request[self.filled..]) {
                Ok(0) => self.active = None,
                Ok(read) => {
                    self.filled += read;
                    return Ok(());
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => self.switch_connection()?,
                Err(e) => return Err(e.into()),
            }
        }
        Err("the function made no request within the time-out".into())
    }

    fn switch_connection(&mut self) -> Result<()> {
        if self.has_pending_connection(Duration::ZERO)? {
            self.idle.extend(self.active.take());
            self.accept_within(POLL_INTERVAL)?;
        } else if !self.idle.is_empty() {
            let next = self.idle.remove(0);
            self.idle.extend(self.active.replace(next));
        }
        Ok(())
    }

    fn accept_within(&mut self, timeout: Duration) -> Result<()> {
        if !self.has_pending_connection(timeout)? {
            return Err("the function did not connect within the time-out".into());
        }
        let (stream, _) = self.listener.accept()?;
        self.accepted_at = Some(Instant::now());
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(POLL_INTERVAL))?;
        self.active = Some(stream);
        Ok(())
    }

    fn has_pending_connection(&self, timeout: Duration) -> Result<bool> {
        let timeout = Timespec::try_from(timeout)?;
        let mut fds = [PollFd::new(&self.listener, PollFlags::IN)];
        Ok(poll(&mut fds, Some(&timeout))? > 0)
    }
}

fn content_length(line: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let (name, value) = line.split_at_checked(NAME.len())?;
    if !name.eq_ignore_ascii_case(NAME) {
        return None;
    }
    str::from_utf8(value).ok()?.trim().parse().ok()
}

/// The answer to `next`: head and event in one buffer.
pub struct Offer {
    bytes: Vec<u8>,
    number_at: usize,
}

impl Offer {
    const NUMBER_DIGITS: usize = 12;

    pub fn new(dialect: Dialect, event: &[u8], time_limit: Duration) -> Self {
        Self::numbered(dialect, event, time_limit, 0)
    }

    /// An offer whose request id ends with this number.
    pub fn numbered(dialect: Dialect, event: &[u8], time_limit: Duration, number: u32) -> Self {
        let number = format!("{number:0width$}", width = Self::NUMBER_DIGITS);
        let (id_header, other_headers) = match dialect {
            Dialect::Scf => (
                "Request_id",
                format!("Memory_limit_in_mb: 128\r\nTime_limit_in_ms: {}\r\n", time_limit.as_millis()),
            ),
            Dialect::Aws => (
                "Lambda-Runtime-Aws-Request-Id",
                // A deadline, in milliseconds since the epoch, that no run of the bench reaches.
                "Lambda-Runtime-Deadline-Ms: 4102444800000\r\n\
                 Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-central-1:1:function:bench\r\n"
                    .to_owned(),
            ),
        };
        let before = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{other_headers}{id_header}: c6af9ac6-7b61-11e6-9a41-",
            event.len()
        );
        let head = format!("{before}{number}\r\n\r\n");
        Self { bytes: [head.as_bytes(), event].concat(), number_at: before.len() }
    }

    /// The same event under the next request id.
    pub fn advance(&mut self) {
        for digit in self.bytes[self.number_at..][..Self::NUMBER_DIGITS].iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                return;
            }
            *digit = b'0';
        }
    }
}
