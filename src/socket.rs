//! A TCP connection each of whose reads and writes ends at the deadline of the call, however little comes at a time.
//!
//! A call [`begins`](Socket::begin) with its deadline and then reads and writes. The system's own time-outs hold for
//! one read or write, so they are set to what is left, but mostly without a system call: see [`limit_until`].

use std::io::{Error, ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::connect;

/// After a shorter gap, looking whether the peer is there costs more than the retry that whoever asks has anyway.
const PROBE_AFTER_IDLE: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(crate) struct Socket {
    stream: Arc<TcpStream>,
    /// When the call at hand must have ended; `None`: it may last for ever.
    deadline: Option<Instant>,
    /// The system's time-outs as they are set.
    read_limit: Option<Duration>,
    write_limit: Option<Duration>,
    last_read: Instant,
}

impl Socket {
    /// Connects, and begins the first call.
    pub(crate) fn connect(host: &str, port: u16, deadline: Option<Instant>) -> Result<Self, Error> {
        let stream = Arc::new(connect::tcp(host, port, deadline)?);
        Ok(Self { stream, deadline, read_limit: None, write_limit: None, last_read: Instant::now() })
    }

    /// From now on this deadline holds; without one, whatever comes is waited for.
    pub(crate) fn begin(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    pub(crate) fn stream(&self) -> &Arc<TcpStream> {
        &self.stream
    }

    /// Whether the next call may use it. It is looked at only if it has idled: its peer may have gone meanwhile.
    pub(crate) fn is_open(&self) -> bool {
        self.last_read.elapsed() < PROBE_AFTER_IDLE || self.is_quiet()
    }

    /// Whether the peer has neither closed nor sent what nobody asked for.
    fn is_quiet(&self) -> bool {
        if self.stream.set_nonblocking(true).is_err() {
            return false;
        }
        let peeked = self.stream.peek(&mut [0]);
        let restored = self.stream.set_nonblocking(false);
        restored.is_ok() && matches!(peeked, Err(e) if e.kind() == ErrorKind::WouldBlock)
    }

    fn limit_reading(&mut self) -> Result<(), Error> {
        limit(&mut self.read_limit, self.deadline, |limit| self.stream.set_read_timeout(limit))
    }

    fn limit_writing(&mut self) -> Result<(), Error> {
        limit(&mut self.write_limit, self.deadline, |limit| self.stream.set_write_timeout(limit))
    }

    fn write_with(
        &mut self,
        write: impl Fn(&mut &TcpStream) -> Result<usize, Error>,
    ) -> Result<usize, Error> {
        if self.deadline.is_some() {
            self.limit_writing()?;
        }
        loop {
            match write(&mut &*self.stream) {
                Err(e) if is_wake_up(e.kind()) => self.limit_writing()?,
                result => return result,
            }
        }
    }
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Error> {
        if self.deadline.is_some() {
            self.limit_reading()?;
        }
        loop {
            match (&*self.stream).read(into) {
                // An earlier call's time-out is no fault of this one: the wait goes on, under its own.
                Err(e) if is_wake_up(e.kind()) => self.limit_reading()?,
                result => {
                    self.last_read = Instant::now();
                    return result;
                }
            }
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        self.write_with(|stream| stream.write(bytes))
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> Result<usize, Error> {
        self.write_with(|stream| stream.write_vectored(parts))
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// What a read that found the end of the connection means to whoever needs more.
pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::UnexpectedEof, "the connection was closed")
}

fn is_wake_up(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Sets a time-out of the system where it is not set so already.
fn limit(
    now: &mut Option<Duration>,
    deadline: Option<Instant>,
    set: impl FnOnce(Option<Duration>) -> Result<(), Error>,
) -> Result<(), Error> {
    let wanted = deadline.map(limit_until).transpose()?;
    if wanted != *now {
        set(wanted)?;
        *now = wanted;
    }
    Ok(())
}

/// A time-out that ends by the deadline: a power of two, so that one call after the other finds the time-out set as
/// it needs it. Whoever is woken before the deadline waits again, for half as long or less.
fn limit_until(deadline: Instant) -> Result<Duration, Error> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Error::new(ErrorKind::TimedOut, "no answer in time"));
    }
    let left_us = u64::try_from(left.as_micros()).unwrap_or(u64::MAX);
    Ok(Duration::from_micros(1 << left_us.max(1).ilog2()))
}
