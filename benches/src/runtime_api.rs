//! A runtime API that clocks: it serves one function at a time, on the caller's thread, and does nothing that
//! the contract does not ask for, since its own share is in every figure.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::Outcome;

/// A function that is silent for longer is broken.
const PATIENCE: Duration = Duration::from_mins(1);

/// A function may open a second connection without a word on the first; it is looked for this often.
const GLANCE: Duration = Duration::from_millis(200);

const ACCEPTED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// Whose paths and headers are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Scf,
    Aws,
}

/// What a function calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Ready,
    Next,
    Response,
    Error,
}

pub struct RuntimeApi {
    listener: TcpListener,
    speaking: Option<TcpStream>,
    silent: Vec<TcpStream>,
    request: Vec<u8>,
    filled: usize,
    body_at: usize,
    accepted_at: Option<Instant>,
}

impl RuntimeApi {
    pub fn open() -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        Ok(Self {
            listener,
            speaking: None,
            silent: Vec::new(),
            request: vec![0; 64 * 1024],
            filled: 0,
            body_at: 0,
            accepted_at: None,
        })
    }

    pub fn port(&self) -> Outcome<u16> {
        Ok(self.listener.local_addr()?.port())
    }

    /// When the connection that speaks was accepted.
    pub fn accepted_at(&self) -> Option<Instant> {
        self.accepted_at
    }

    /// Hangs up on a function that has ended, and on what it may have left in the queue.
    pub fn forget(&mut self) -> Outcome<()> {
        self.speaking = None;
        self.silent.clear();
        self.accepted_at = None;
        while self.waits_to_be_accepted(Duration::ZERO)? {
            self.listener.accept()?;
        }
        Ok(())
    }

    /// Reads the next request to its end.
    pub fn await_call(&mut self) -> Outcome<Call> {
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

    /// The next request, which must be this one.
    pub fn expect(&mut self, expected: Call) -> Outcome<()> {
        match self.await_call()? {
            call if call == expected => Ok(()),
            call => {
                let body = String::from_utf8_lossy(self.body());
                Err(format!("{call:?} was called instead of {expected:?}, with {body:?}").into())
            }
        }
    }

    /// The body of the request that was read last.
    pub fn body(&self) -> &[u8] {
        &self.request[self.body_at..self.filled]
    }

    /// Answers `ready`, `response` or `error`.
    pub fn accept_it(&mut self) -> Outcome<()> {
        self.answer(ACCEPTED)
    }

    /// Answers `next`.
    pub fn offer(&mut self, offer: &Offer) -> Outcome<()> {
        self.answer(&offer.bytes)
    }

    fn answer(&mut self, bytes: &[u8]) -> Outcome<()> {
        let stream = self.speaking.as_mut().ok_or("there is no connection to answer on")?;
        Ok(stream.write_all(bytes)?)
    }

    /// The length of the body, as soon as the whole head is there.
    fn length(&mut self) -> Outcome<Option<usize>> {
        let there = &self.request[..self.filled];
        let Some(end) = there.windows(END_OF_HEAD.len()).position(|w| w == END_OF_HEAD) else {
            return Ok(None);
        };
        self.body_at = end + END_OF_HEAD.len();
        if there.starts_with(b"GET ") {
            return Ok(Some(0));
        }
        let length = there[..end].split(|byte| *byte == b'\n').find_map(content_length);
        length.map(Some).ok_or_else(|| "a request has no content-length".into())
    }

    fn read_body(&mut self, length: usize) -> Outcome<()> {
        let end = self.body_at + length;
        if self.filled < end {
            if self.request.len() < end {
                self.request.resize(end, 0);
            }
            let stream = self.speaking.as_mut().ok_or("the connection is gone")?;
            stream.read_exact(&mut self.request[self.filled..end])?;
            self.filled = end;
        }
        if self.filled > end { Err("a request came before the last one's answer".into()) } else { Ok(()) }
    }

    fn call(&self) -> Outcome<Call> {
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
        Err(format!("there is no {:?}", String::from_utf8_lossy(line)).into())
    }

    fn read_some(&mut self) -> Outcome<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let Some(stream) = &mut self.speaking else {
                self.accept_within(PATIENCE)?;
                continue;
            };
            match stream.read(&mut self.request[self.filled..]) {
                Ok(0) => self.speaking = None,
                Ok(read) => {
                    self.filled += read;
                    return Ok(());
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => self.look_elsewhere()?,
                Err(e) => return Err(e.into()),
            }
        }
        Err("the function is silent".into())
    }

    fn look_elsewhere(&mut self) -> Outcome<()> {
        if self.waits_to_be_accepted(Duration::ZERO)? {
            self.silent.extend(self.speaking.take());
            self.accept_within(GLANCE)?;
        } else if !self.silent.is_empty() {
            let next = self.silent.remove(0);
            self.silent.extend(self.speaking.replace(next));
        }
        Ok(())
    }

    fn accept_within(&mut self, patience: Duration) -> Outcome<()> {
        if !self.waits_to_be_accepted(patience)? {
            return Err("the function does not connect".into());
        }
        let (stream, _) = self.listener.accept()?;
        self.accepted_at = Some(Instant::now());
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(GLANCE))?;
        self.speaking = Some(stream);
        Ok(())
    }

    fn waits_to_be_accepted(&self, patience: Duration) -> Outcome<bool> {
        let patience = Timespec::try_from(patience)?;
        let mut fds = [PollFd::new(&self.listener, PollFlags::IN)];
        Ok(poll(&mut fds, Some(&patience))? > 0)
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

/// An event as `next` is answered with it, head and body in one piece.
pub struct Offer {
    bytes: Vec<u8>,
    number_at: usize,
}

impl Offer {
    const NUMBER_DIGITS: usize = 12;

    pub fn new(dialect: Dialect, event: &[u8], time_limit: Duration) -> Self {
        Self::numbered(dialect, event, time_limit, 0)
    }

    /// With this number at the end of its request id.
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
