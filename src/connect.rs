//! Making a TCP connection before a deadline, the name's look-up included.

mod look_up;

use std::io::{Error, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// No connection may take longer, however much time the call has.
const MAX_CONNECT: Duration = Duration::from_secs(5);

/// Connects to a host, with the delays off that wait for more to send.
pub(crate) fn tcp(host: &str, port: u16, deadline: Option<Instant>) -> Result<TcpStream, Error> {
    let latest = Instant::now() + MAX_CONNECT;
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

/// The addresses of a host, which may be a literal address, in brackets or not.
fn addresses(host: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, Error> {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = literal.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    look_up::look_up(host, port, deadline)
}
