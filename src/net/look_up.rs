//! Looking up a host name before a deadline.
//!
//! The system's resolver asks for IPv6 and IPv4 addresses together. Some name servers answer the question for IPv6
//! addresses with REFUSED or SERVFAIL, or not at all. glibc then takes the IPv4 addresses alone; musl waits until its own
//! time-out of 5 s and finds nothing, which is longer than a function has. So if the resolver fails or is slow, the name
//! is looked up for IPv4 alone as well, and the first success counts.
//!
//! A look-up that hangs outlives the event that it was for, so that there are only so many at once.

use std::io::{Error, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use dns_lookup::{AddrFamily, AddrInfoHints, SockType, getaddrinfo};

/// Longer than a name server nearby takes to answer.
const HEDGE_DELAY: Duration = Duration::from_millis(100);

/// Each takes a thread until the resolver gives up.
const MOST_AT_ONCE: usize = 8;

static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

/// Where the system's resolver finds its name servers.
const RESOLVER_CONFIGURATION: &str = "/etc/resolv.conf";

type Found = Result<Vec<SocketAddr>, Error>;

/// The addresses of a host name, in the order in which to try them.
pub(super) fn look_up(host: &str, port: u16, deadline: Instant) -> Found {
    let (sender, receiver) = mpsc::channel();
    look_up_aside(host, port, sender.clone(), both_families)?;
    if let Some(Ok(found)) = next(&receiver, deadline.min(Instant::now() + HEDGE_DELAY)) {
        return Ok(found);
    }
    let mut failure = look_up_aside(host, port, sender, ipv4).err();
    while let Some(found) = next(&receiver, deadline) {
        match found {
            Ok(found) => return Ok(found),
            Err(e) => failure = Some(e),
        }
    }
    Err(explained(host, failure))
}

/// The system's resolver knows no deadline, so it runs on a thread that may be left behind.
fn look_up_aside(
    host: &str,
    port: u16,
    results: Sender<Found>,
    resolve: fn(&str, u16) -> Found,
) -> Result<(), Error> {
    let one_more = |count| (count < MOST_AT_ONCE).then_some(count + 1);
    if UNDER_WAY.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_err() {
        let text = format!(
            "looking up {host} has to wait: the name server has not answered {MOST_AT_ONCE} look-ups yet"
        );
        return Err(Error::new(ErrorKind::ResourceBusy, text));
    }
    let host = host.to_owned();
    let thread = thread::Builder::new().name("look-up".into()).spawn(move || {
        let found = resolve(&host, port);
        UNDER_WAY.fetch_sub(1, Ordering::Relaxed);
        // The receiver is gone once another look-up has succeeded or the deadline has passed.
        let _ = results.send(found);
    });
    if thread.is_err() {
        UNDER_WAY.fetch_sub(1, Ordering::Relaxed);
    }
    thread.map(drop)
}

/// The next result; `None` after the deadline or when every look-up has ended.
fn next(results: &Receiver<Found>, deadline: Instant) -> Option<Found> {
    let left = deadline.saturating_duration_since(Instant::now());
    results.recv_timeout(left).ok()
}

fn both_families(host: &str, port: u16) -> Found {
    (host, port).to_socket_addrs().map(Iterator::collect)
}

fn ipv4(host: &str, port: u16) -> Found {
    let hints = AddrInfoHints {
        address: AddrFamily::Inet.into(),
        socktype: SockType::Stream.into(),
        ..AddrInfoHints::default()
    };
    let entries = getaddrinfo(Some(host), None, Some(hints))?;
    entries.map(|entry| entry.map(|entry| SocketAddr::new(entry.sockaddr.ip(), port))).collect()
}

fn explained(host: &str, failure: Option<Error>) -> Error {
    let mut text = match &failure {
        Some(e) => format!("looking up the host name {host} failed: {e}"),
        None => format!("looking up the host name {host} took too long"),
    };
    if !Path::new(RESOLVER_CONFIGURATION).exists() {
        text += "; there is no ";
        text += RESOLVER_CONFIGURATION;
        text += " to name a DNS server";
    }
    Error::new(failure.map_or(ErrorKind::TimedOut, |e| e.kind()), text)
}
