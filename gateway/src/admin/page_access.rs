//! Who may see the page and the timeline, which show payloads.

use std::net::IpAddr;

/// Who may see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageAccess {
    Disabled,
    /// Clients that reach the loopback address. The Host header must be `localhost` or an IP literal, which prevents
    /// DNS rebinding.
    ThisMachine,
    AllHosts,
}

impl PageAccess {
    /// Whether a request with this `Host` header may see them.
    pub(crate) fn allows(self, host: Option<&str>) -> bool {
        match self {
            Self::Disabled => false,
            Self::AllHosts => true,
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
        assert!(PageAccess::AllHosts.allows(Some("gateway.example")));
        assert!(!PageAccess::Disabled.allows(Some("localhost:9000")));
    }
}
