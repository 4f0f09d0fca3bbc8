//! Connects a TCP stream before a deadline, which includes resolving the host name.

use std::io::{Error, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::look_up::look_up;

/// Limits connecting even if the call has more time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects to the first address of the host that accepts, with Nagle's algorithm off.
pub(crate) fn tcp(host: &str, port: u16, deadline: Option<Instant>) -> Result<TcpStream, Error> {
    let latest = Instant::now() + CONNECT_TIMEOUT;
    let deadline = deadline.map_or(latest, |deadline| deadline.min(latest));
    let mut last = Error::new(ErrorKind::NotFound, format!("the host name {host} has no address"));
    for address in addresses(host, port, deadline)? {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::new(
                ErrorKind::TimedOut,
                format!("connecting to {host}:{port} took too long"),
            ));
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(e) => last = Error::new(e.kind(), format!("connecting to {address} failed: {e}")),
        }
    }
    Err(last)
}

/// The addresses of a host, which may be an IP address, in brackets or not.
fn addresses(host: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, Error> {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = literal.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    look_up(host, port, deadline)
}
