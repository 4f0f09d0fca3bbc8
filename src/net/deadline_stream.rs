//! A TCP stream with a deadline for a whole call, however many reads and writes the call takes.
//!
//! [`DeadlineStream::set_deadline`] starts a call; its reads and writes follow. The socket time-outs of the operating
//! system apply to a single read or write, so they are set to the time that is left, in steps that rarely need a
//! system call: see [`socket_timeout`].

use std::io::{Error, ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::dial;

/// After a shorter pause, probing the connection costs more than the retry that the caller makes anyway.
const PROBE_AFTER_IDLE: Duration = Duration::from_millis(500);

/// After a longer silence a connection is not used again. A NAT or a load balancer may have dropped it, which no probe shows:
/// what is sent would be lost, and the call would fail at its deadline. They do so after a minute or more.
const MAX_IDLE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct DeadlineStream {
    stream: Arc<TcpStream>,
    /// When the current call must end; `None`: it has no limit.
    deadline: Option<Instant>,
    /// The socket time-outs as they are set now.
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
    last_read: Instant,
    /// The same by the wall clock, which goes on while the machine is suspended.
    last_read_at: SystemTime,
}

impl DeadlineStream {
    /// Connects, and starts the first call.
    pub(crate) fn connect(host: &str, port: u16, deadline: Option<Instant>) -> Result<Self, Error> {
        let stream = Arc::new(dial::tcp(host, port, deadline)?);
        let (last_read, last_read_at) = (Instant::now(), SystemTime::now());
        Ok(Self { stream, deadline, read_timeout: None, write_timeout: None, last_read, last_read_at })
    }

    /// Starts a call with this deadline, or without one.
    pub(crate) fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    pub(crate) fn stream(&self) -> &Arc<TcpStream> {
        &self.stream
    }

    /// When the last bytes were read, or the connection was opened.
    pub(crate) fn last_read(&self) -> Instant {
        self.last_read
    }

    /// How long ago the peer was last heard of, by the clock that has gone on for longer.
    pub(crate) fn idle(&self) -> Duration {
        self.last_read.elapsed().max(self.last_read_at.elapsed().unwrap_or_default())
    }

    /// Whether the next call can use the connection. Probes it only after a pause, in which the peer may have closed it, and
    /// trusts it no more after a long one.
    pub(crate) fn is_open(&self) -> bool {
        let idle = self.idle();
        idle < PROBE_AFTER_IDLE || (idle < MAX_IDLE && self.is_quiet())
    }

    /// Whether the peer has neither closed the connection nor sent unsolicited bytes.
    fn is_quiet(&self) -> bool {
        if self.stream.set_nonblocking(true).is_err() {
            return false;
        }
        let peeked = self.stream.peek(&mut [0]);
        let restored = self.stream.set_nonblocking(false);
        restored.is_ok() && matches!(peeked, Err(e) if e.kind() == ErrorKind::WouldBlock)
    }

    fn apply_read_deadline(&mut self) -> Result<(), Error> {
        set_timeout(&mut self.read_timeout, self.deadline, |timeout| self.stream.set_read_timeout(timeout))
    }

    fn apply_write_deadline(&mut self) -> Result<(), Error> {
        set_timeout(&mut self.write_timeout, self.deadline, |timeout| self.stream.set_write_timeout(timeout))
    }

    fn write_with(
        &mut self,
        write: impl Fn(&mut &TcpStream) -> Result<usize, Error>,
    ) -> Result<usize, Error> {
        if self.deadline.is_some() {
            self.apply_write_deadline()?;
        }
        loop {
            match write(&mut &*self.stream) {
                Err(e) if is_timeout_or_interrupt(e.kind()) => self.apply_write_deadline()?,
                result => return result,
            }
        }
    }
}

impl Read for DeadlineStream {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Error> {
        if self.deadline.is_some() {
            self.apply_read_deadline()?;
        }
        loop {
            match (&*self.stream).read(into) {
                // The time-out of an earlier call may still be set, or may be shorter than the deadline: wait again.
                Err(e) if is_timeout_or_interrupt(e.kind()) => self.apply_read_deadline()?,
                result => {
                    (self.last_read, self.last_read_at) = (Instant::now(), SystemTime::now());
                    return result;
                }
            }
        }
    }
}

impl Write for DeadlineStream {
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

/// The error for a peer that closes the connection in the middle of a message.
pub(crate) fn connection_closed() -> Error {
    Error::new(ErrorKind::UnexpectedEof, "the connection was closed")
}

fn is_timeout_or_interrupt(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Sets a socket time-out unless it is set to that value already.
fn set_timeout(
    current: &mut Option<Duration>,
    deadline: Option<Instant>,
    set: impl FnOnce(Option<Duration>) -> Result<(), Error>,
) -> Result<(), Error> {
    let wanted = deadline.map(socket_timeout).transpose()?;
    if wanted != *current {
        set(wanted)?;
        *current = wanted;
    }
    Ok(())
}

/// A time-out that ends before the deadline, rounded down to a power of two microseconds: successive calls then need
/// the same value and no system call. A read or write that times out before the deadline waits again, for the rest.
fn socket_timeout(deadline: Instant) -> Result<Duration, Error> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Error::new(ErrorKind::TimedOut, "no answer in time"));
    }
    let left_us = u64::try_from(left.as_micros()).unwrap_or(u64::MAX);
    Ok(Duration::from_micros(1 << left_us.max(1).ilog2()))
}
