//! TCP connections, whatever becomes of them: they are counted from accept on, since each is a file of this process and
//! there are only so many.
//!
//! Those of clients, of functions that push to an address of their own, and of operators have a share of the files each,
//! so that whoever uses up one leaves the others. Of a share, an address has at most three quarters.

use std::{net::IpAddr, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    Limit, Limits,
    count::{Count, Full, Permit},
};
use crate::start::file_limit::FileShares;

/// Connections beside those that have become `WebSockets`: of clients that are about to be, of the page, of pushes where
/// clients connect.
const OTHERS: usize = 1000;

/// How many connections that are refused may wait for their peers to read why.
const LINGERING: usize = 32;

/// Whose connections an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listener {
    Clients,
    Pushes,
    Operators,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct TcpConnections {
    counts: [Count; 3],
    files: FileShares,
    limits: Mutex<Limits>,
    lingering: Arc<Semaphore>,
}

/// How many connections there may be.
struct TcpShare {
    most: usize,
    most_of_address: usize,
    /// What is met with one more in all.
    limit: Limit,
}

impl TcpConnections {
    pub(crate) fn new(limits: Limits, files: FileShares) -> Self {
        let lingering = Arc::new(Semaphore::new(LINGERING));
        Self { counts: Default::default(), files, limits: Mutex::new(limits), lingering }
    }

    /// Other limits for the connections to come.
    pub(crate) fn set_limits(&self, limits: Limits) {
        *self.limits.lock() = limits;
    }

    /// Counts a connection that was accepted, of this address unless it is a proxy's that serves many.
    pub(crate) fn admit(&self, listener: Listener, client: Option<IpAddr>) -> Result<Permit, Limit> {
        let share = self.share(listener);
        let count = &self.counts[listener as usize];
        count.admit(client, share.most, share.most_of_address).map_err(|full| share.limit(full))
    }

    /// The client of a connection has become known.
    pub(crate) fn assign(&self, permit: &mut Permit, client: IpAddr) -> Result<(), Limit> {
        let share = self.share(Listener::Clients);
        permit.assign(client, share.most_of_address).map_err(|full| share.limit(full))
    }

    /// For a connection that is refused, as long as there are few of them.
    pub(crate) fn linger(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.lingering).try_acquire_owned().ok()
    }

    fn share(&self, listener: Listener) -> TcpShare {
        let limits = self.limits.lock();
        let files = match listener {
            Listener::Clients => self.files.clients,
            Listener::Pushes => self.files.pushes,
            Listener::Operators => self.files.operators,
        };
        let wanted = limits.connections.saturating_add(OTHERS);
        let (most, limit) = match listener {
            Listener::Clients if wanted < files => (wanted, Limit::Connections(wanted)),
            _ => (files, Limit::OpenFiles(files)),
        };
        let most_of_address = limits.tcp_connections_per_ip.min(most - most / 4);
        TcpShare { most, most_of_address, limit }
    }
}

impl TcpShare {
    fn limit(&self, full: Full) -> Limit {
        match full {
            Full::InAll => self.limit,
            Full::OfAddress => Limit::TcpConnectionsPerIp(self.most_of_address),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const FILES: FileShares = FileShares { clients: 100, pushes: 8, operators: 4 };

    const ONE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
    const TWO: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)));

    fn fill(tcp: &TcpConnections, listener: Listener, client: Option<IpAddr>) -> (Vec<Permit>, Limit) {
        let mut permits = Vec::new();
        loop {
            match tcp.admit(listener, client) {
                Ok(permit) => permits.push(permit),
                Err(limit) => return (permits, limit),
            }
        }
    }

    #[test]
    fn an_address_leaves_a_quarter_of_each_share_to_the_others() {
        let tcp = TcpConnections::new(Limits::default(), FILES);
        let (one, limit) = fill(&tcp, Listener::Clients, ONE);
        assert_eq!((one.len(), limit), (75, Limit::TcpConnectionsPerIp(75)));
        let (two, limit) = fill(&tcp, Listener::Clients, TWO);
        assert_eq!((two.len(), limit), (25, Limit::OpenFiles(100)));
        for (listener, count) in [(Listener::Pushes, 6), (Listener::Operators, 3)] {
            assert_eq!(fill(&tcp, listener, ONE).0.len(), count, "{listener:?} has a share of its own");
        }
        drop(one);
        assert!(tcp.admit(Listener::Clients, ONE).is_ok());
    }

    #[test]
    fn limits_below_the_files_are_kept_and_proxies_are_no_address() {
        let limits = Limits { tcp_connections_per_ip: 5, ..Limits::default() };
        let tcp = TcpConnections::new(limits, FileShares { clients: 1 << 20, ..FILES });
        assert_eq!(fill(&tcp, Listener::Clients, ONE).1, Limit::TcpConnectionsPerIp(5));
        tcp.set_limits(Limits { connections: 3, ..Limits::unlimited() });
        let (held, limit) = fill(&tcp, Listener::Clients, None);
        assert_eq!((held.len(), limit), (1003, Limit::Connections(1003)));
    }

    #[test]
    fn a_client_counts_once_its_proxy_has_named_it() {
        let tcp = TcpConnections::new(Limits { tcp_connections_per_ip: 1, ..Limits::default() }, FILES);
        let client = IpAddr::from([198, 51, 100, 7]);
        let mut permits: Vec<_> = fill(&tcp, Listener::Clients, None).0;
        assert_eq!(tcp.assign(&mut permits[0], client), Ok(()));
        assert_eq!(tcp.assign(&mut permits[1], client), Err(Limit::TcpConnectionsPerIp(1)));
        permits.remove(0);
        assert_eq!(tcp.assign(&mut permits[0], client), Ok(()));
    }
}
