//! The sockets that a gateway listens on: its own, or those of the process before it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

use super::{hand_over::Sockets, start_error::StartError};

/// How many connections may wait to be accepted, as after a restart, when all clients come back at once; one more waits a
/// second before it tries again. The system's own limit, `net.core.somaxconn`, is most often the same.
const BACKLOG: u32 = 4096;

/// Listens on an address, or goes on with the socket that listens there already. Another handle of it is kept for the
/// process that comes after this one. The address that is returned has the port that was chosen for 0.
pub(super) fn listen(
    name: &str,
    addr: SocketAddr,
    inherited: &mut Sockets,
    kept: &mut Sockets,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let inherited = inherited.take_listener(name, addr);
    let listener = || {
        if let Some(socket) = inherited {
            socket.set_nonblocking(true)?;
            return TcpListener::from_std(socket);
        }
        let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A gateway that starts again need not wait until the connections of the last one are forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        socket.listen(BACKLOG)
    };
    let listening = listener().and_then(|listener| {
        kept.add(name, &listener)?;
        let addr = listener.local_addr()?;
        Ok((listener, addr))
    });
    listening.map_err(|error| StartError::Listen { addr, error })
}

/// The address under which a process of this machine reaches what listens there.
pub(super) fn reachable(mut addr: SocketAddr) -> SocketAddr {
    if addr.ip().is_unspecified() {
        let loopback = match addr.ip() {
            IpAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
        };
        addr.set_ip(loopback);
    }
    addr
}
