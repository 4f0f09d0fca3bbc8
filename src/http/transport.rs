//! The bytes under ureq: a TCP stream that sends late and looks at its peer seldom.
//!
//! ureq's own transport sends head and body of a request apart and probes a kept connection with four
//! system calls at each use. This one gathers output until input is awaited, keeps the call's deadline at
//! each read and write, mostly without a system call for it, and probes a connection only after it has idled
//! long enough for its peer to have gone: a shorter gap costs a retry, which every caller has anyway.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Error, Timeout};

use super::Line;
use crate::connect;

/// Size of the input and of the output buffer, and the output that is gathered before it is sent.
pub(super) const BUFFER_BYTES: usize = 16 * 1024;

/// A connection that idled this long is looked at before it is used.
const PROBE_AFTER_IDLE: Duration = Duration::from_millis(500);

/// The connector of an agent: TCP, under TLS in a build with that feature.
pub(super) fn connector(line: Arc<Line>) -> impl Connector {
    let tcp = LeanConnector(line);
    #[cfg(feature = "tls")]
    let tcp = tcp.chain(ureq::unversioned::transport::RustlsConnector::default());
    tcp
}

/// A resolver that leaves the look-up to the connector: ureq asks its resolver at each call, the connector only
/// when there is no kept connection.
#[derive(Debug)]
pub(super) struct AtConnect;

impl Resolver for AtConnect {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}

#[derive(Debug)]
struct LeanConnector(Arc<Line>);

impl Connector for LeanConnector {
    type Out = LeanTransport;

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<LeanTransport>, Error> {
        let deadline = {
            let mut call = self.0.call();
            call.on_kept_connection = false;
            call.deadline
        };
        let uri = details.uri;
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let stream = connect::tcp(uri.host().unwrap_or_default(), port, deadline)?;
        Ok(Some(LeanTransport {
            stream: Arc::new(stream),
            read_limit: None,
            write_limit: None,
            buffers: LazyBuffers::new(BUFFER_BYTES, BUFFER_BYTES),
            unsent: Vec::new(),
            line: Arc::clone(&self.0),
            used: Instant::now(),
        }))
    }
}

#[derive(Debug)]
struct LeanTransport {
    stream: Arc<TcpStream>,
    /// The socket's time-outs as they are set.
    read_limit: Option<Duration>,
    write_limit: Option<Duration>,
    buffers: LazyBuffers,
    unsent: Vec<u8>,
    line: Arc<Line>,
    used: Instant,
}

impl LeanTransport {
    fn flush(&mut self) -> Result<(), Error> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let deadline = self.line.call().deadline;
        let mut sent = 0;
        while sent < self.unsent.len() {
            // At each turn: a peer that takes little at a time must not stretch the call.
            if deadline.is_some() {
                self.limit_writing(deadline)?;
            }
            match (&*self.stream).write(&self.unsent[sent..]) {
                Ok(0) => return Err(std::io::Error::from(ErrorKind::WriteZero).into()),
                Ok(written) => sent += written,
                // An earlier call's time-out is no fault of this one: the wait goes on, under its own.
                Err(e) if is_wake_up(e.kind()) => self.limit_writing(deadline)?,
                Err(e) => return Err(e.into()),
            }
        }
        self.unsent.clear();
        Ok(())
    }

    fn read(&mut self) -> Result<usize, Error> {
        let deadline = self.line.call().deadline;
        if deadline.is_some() {
            self.limit_reading(deadline)?;
        }
        loop {
            match (&*self.stream).read(self.buffers.input_append_buf()) {
                Ok(read) => return Ok(read),
                // As for writing.
                Err(e) if is_wake_up(e.kind()) => self.limit_reading(deadline)?,
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn limit_reading(&mut self, deadline: Option<Instant>) -> Result<(), Error> {
        limit(&mut self.read_limit, deadline, |limit| self.stream.set_read_timeout(limit))
    }

    fn limit_writing(&mut self, deadline: Option<Instant>) -> Result<(), Error> {
        limit(&mut self.write_limit, deadline, |limit| self.stream.set_write_timeout(limit))
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
}

impl Transport for LeanTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), Error> {
        self.unsent.extend_from_slice(&self.buffers.output()[..amount]);
        if self.unsent.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
        let line = Arc::clone(&self.line);
        if let Some(waiter) = &line.waiter {
            waiter.awaits(&self.stream);
        }
        self.flush()?;
        let read = self.read()?;
        if read == 0 {
            return Err(closed().into());
        }
        if let Some(waiter) = &line.waiter {
            waiter.arrived();
        }
        line.call().answered = true;
        self.buffers.input_appended(read);
        self.used = Instant::now();
        Ok(true)
    }

    fn is_open(&mut self) -> bool {
        self.used.elapsed() < PROBE_AFTER_IDLE || self.is_quiet()
    }
}

fn closed() -> std::io::Error {
    std::io::Error::new(ErrorKind::UnexpectedEof, "the connection was closed")
}

fn is_wake_up(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Sets a time-out of the socket where it is not set so already.
fn limit(
    now: &mut Option<Duration>,
    deadline: Option<Instant>,
    set: impl FnOnce(Option<Duration>) -> std::io::Result<()>,
) -> Result<(), Error> {
    let wanted = deadline.map(limit_until).transpose()?;
    if wanted != *now {
        set(wanted)?;
        *now = wanted;
    }
    Ok(())
}

/// A time-out that ends by the deadline: a power of two, so that one call after the other finds the socket's
/// time-out set as it needs it. Whoever is woken before the deadline waits again, for half as long or less.
fn limit_until(deadline: Instant) -> Result<Duration, Error> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Error::Timeout(Timeout::Global));
    }
    let left_us = u64::try_from(left.as_micros()).unwrap_or(u64::MAX);
    Ok(Duration::from_micros(1 << left_us.max(1).ilog2()))
}
