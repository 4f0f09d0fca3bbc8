//! What the parts that serve clients have in common.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::{calls::Functions, connections::Connections, push, tally::Tally, timeline::Timeline};

pub(crate) struct App {
    pub(crate) functions: Functions,
    pub(crate) connections: Arc<dyn Connections>,
    pub(crate) timeline: Timeline,
    /// What may wait to be sent to one client.
    pub(crate) send_queue_bytes: usize,
    /// The page pushes through it too.
    pub(crate) pushes: Arc<push::Address>,
    /// After how long without a data frame in either direction a connection is closed.
    pub(crate) idle_timeout: Duration,
    /// Turns true when the gateway shuts down.
    pub(crate) stopping: watch::Receiver<bool>,
    /// The connections that still have something to do, their closing event included.
    pub(crate) open: Tally,
    /// Whether the page and the time line are served; they show payloads.
    pub(crate) page: PageAccess,
}

/// Who may see the page and the time line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageAccess {
    Nobody,
    /// Whoever reaches the loopback address under a name that only this machine gives itself: a foreign page whose
    /// own name was made to point here must not read along.
    ThisMachine,
    Everybody,
}

impl PageAccess {
    /// Whether a request with this `Host` header may see them.
    pub(crate) fn allows(self, host: Option<&str>) -> bool {
        match self {
            Self::Nobody => false,
            Self::Everybody => true,
            Self::ThisMachine => host.is_some_and(|host| {
                // A colon within brackets is none before a port.
                let name = host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
                let name = name.map_or(host, |(name, _port)| name);
                name == "localhost" || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_name_for_this_machine_is_not_enough() {
        for host in ["localhost:9000", "127.0.0.1:9000", "[::1]:9000", "127.0.0.1", "[::1]", "localhost"] {
            assert!(PageAccess::ThisMachine.allows(Some(host)), "{host}");
        }
        assert!(!PageAccess::ThisMachine.allows(Some("rebound.example:9000")));
        assert!(!PageAccess::ThisMachine.allows(None));
        assert!(PageAccess::Everybody.allows(Some("gateway.example")));
        assert!(!PageAccess::Nobody.allows(Some("localhost:9000")));
    }
}
