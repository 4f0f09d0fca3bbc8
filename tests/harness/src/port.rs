//! Ports for servers that cannot be asked to choose one, and ports that refuse connections.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process,
    sync::atomic::{AtomicU16, Ordering},
};

use socket2::{Domain, Socket, Type};

/// A port of this machine that refuses connections and belongs to the test until it is dropped.
pub struct ReservedPort {
    socket: Socket,
    number: u16,
}

impl ReservedPort {
    #[expect(clippy::new_without_default, reason = "each one is another port")]
    pub fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
        let address = socket.local_addr().expect("bound").as_socket().expect("an IP address");
        Self { socket, number: address.port() }
    }

    pub fn number(&self) -> u16 {
        self.number
    }

    /// Accepts connections from now on.
    pub fn listen(self) -> TcpListener {
        self.socket.listen(128).expect("listening");
        self.socket.into()
    }
}

/// A port to try, below the range from which the system chooses. The server that binds it says whether it is free.
pub(crate) fn candidate() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 10_000;
    /// The distance between test programs, whose process ids are often neighbours.
    const DISTANCE: u64 = 3_989;
    let start = u64::from(process::id()) * DISTANCE % u64::from(COUNT);
    let start = u16::try_from(start).expect("below COUNT");
    FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT
}
