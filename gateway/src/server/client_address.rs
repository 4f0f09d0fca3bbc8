//! Which address a client has: that of its connection, or what a trusted proxy says.
//!
//! A proxy appends the address it was called from to `X-Forwarded-For`. So the list is read from its end: the first
//! address that is not a trusted proxy's is the client's. What stands before it was sent by that client, which may
//! write anything there. Behind an untrusted address the header is not read at all.
//!
//! `X-Real-IP` and `Forwarded` are never read. The first holds a single address and no chain, and a proxy that is not
//! set up to overwrite it passes on what the client sent; nginx and Caddy both send `X-Forwarded-For` for the second.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// The proxies in front of the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proxies {
    /// The networks whose word counts.
    pub trusted: Vec<IpNet>,
    /// Whether their connections begin with a PROXY protocol header of version 2. It is required then, because a
    /// header that is optional could be sent by the client of a proxy that sends none.
    pub proxy_protocol: bool,
}

impl Proxies {
    /// Whether this address belongs to a trusted proxy.
    #[must_use]
    pub fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// Whether a connection from this address has to begin with a PROXY protocol header.
    #[must_use]
    pub(crate) fn expect_header(&self, peer: IpAddr) -> bool {
        self.proxy_protocol && self.trust(peer)
    }

    /// The client's address. `peer` is where the connection comes from, by the PROXY protocol if that is in use.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trust(client) {
            return client;
        }
        let lines: Vec<_> = headers.get_all(X_FORWARDED_FOR).into_iter().collect();
        for line in lines.into_iter().rev() {
            // What cannot be read may hide the client's address: everything before it is unknown.
            let Ok(line) = line.to_str() else { return client };
            for hop in line.rsplit(',') {
                let Some(hop) = parse_hop(hop.trim()) else { return client };
                client = hop;
                if !self.trust(client) {
                    return client;
                }
            }
        }
        client
    }
}

/// Whether a request seems to come through a proxy that is not trusted: one on this machine or in a private network
/// that sends `X-Forwarded-For`. All of its clients count as one address then, and meet the limits of an address
/// together, which is seldom meant. The error is the sentence for the log.
pub(crate) fn check_for_unlisted_proxy(
    proxies: &Proxies,
    peer: IpAddr,
    headers: &HeaderMap,
) -> Result<(), String> {
    let peer = peer.to_canonical();
    let near = match peer {
        IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    };
    if !near || proxies.trust(peer) || !headers.contains_key(X_FORWARDED_FOR) {
        return Ok(());
    }
    Err(format!(
        "{peer} sends X-Forwarded-For but is not in proxy.trusted: all clients behind it count as this one address"
    ))
}

/// An address as proxies write it: alone, with a port, or in brackets.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let bare = || text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    bare().or_else(with_port).or_else(in_brackets).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn client(trusted: &[&str], peer: &str, forwarded: &[&[u8]]) -> String {
        let trusted = trusted.iter().map(|network| network.parse().expect("a network")).collect();
        let proxies = Proxies { trusted, proxy_protocol: false };
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_bytes(line).expect("a header's value"));
        }
        // This header is never read, even from a trusted proxy.
        headers.insert("x-real-ip", HeaderValue::from_static("6.6.6.6"));
        headers.insert("forwarded", HeaderValue::from_static("for=6.6.6.6"));
        proxies.client(peer.parse().expect("an address"), &headers).to_string()
    }

    const PROXIES: &[&str] = &["10.0.0.0/8", "fd00::/8"];

    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_sends() {
        assert_eq!(client(PROXIES, "203.0.113.7", &[b"1.1.1.1"]), "203.0.113.7");
        assert_eq!(client(PROXIES, "203.0.113.7", &[b"10.0.0.1", b"127.0.0.1"]), "203.0.113.7");
        assert_eq!(client(&[], "127.0.0.1", &[b"1.1.1.1"]), "127.0.0.1");
    }

    #[test]
    fn the_rightmost_untrusted_hop_is_the_client() {
        assert_eq!(client(PROXIES, "10.0.0.1", &[b"198.51.100.2"]), "198.51.100.2");
        assert_eq!(client(PROXIES, "10.0.0.1", &[b"198.51.100.2, 10.0.0.9"]), "198.51.100.2");
        assert_eq!(client(PROXIES, "fd00::1", &[b"2001:db8::2,fd00::3"]), "2001:db8::2");
        assert_eq!(client(PROXIES, "10.0.0.1", &[b"198.51.100.2", b"10.0.0.9, 10.0.0.8"]), "198.51.100.2");
    }

    #[test]
    fn what_the_client_wrote_before_its_own_address_is_not_believed() {
        assert_eq!(client(PROXIES, "10.0.0.1", &[b"1.1.1.1, 198.51.100.2"]), "198.51.100.2");
        assert_eq!(client(PROXIES, "10.0.0.1", &[b"10.0.0.5, 198.51.100.2"]), "198.51.100.2");
        assert_eq!(client(PROXIES, "10.0.0.1", &[b"1.1.1.1", b"198.51.100.2"]), "198.51.100.2");
    }

    #[test]
    fn an_unreadable_hop_ends_the_chain_at_the_proxy_that_reported_it() {
        assert_eq!(client(PROXIES, "10.0.0.1", &[b"1.1.1.1, unknown, 10.0.0.9"]), "10.0.0.9");
        assert_eq!(client(PROXIES, "10.0.0.1", &[b"1.1.1.1, \xff"]), "10.0.0.1");
        assert_eq!(client(PROXIES, "10.0.0.1", &[b""]), "10.0.0.1");
        assert_eq!(client(PROXIES, "10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn addresses_are_read_as_proxies_write_them() {
        assert_eq!(client(PROXIES, "10.0.0.1", &[b"198.51.100.2:4711"]), "198.51.100.2");
        assert_eq!(client(PROXIES, "10.0.0.1", &[b"[2001:db8::2]:4711"]), "2001:db8::2");
        assert_eq!(client(PROXIES, "10.0.0.1", &[b"[2001:db8::2]"]), "2001:db8::2");
        assert_eq!(client(PROXIES, "::ffff:10.0.0.1", &[b"::ffff:198.51.100.2"]), "198.51.100.2");
    }

    #[test]
    fn a_chain_of_trusted_hops_alone_begins_with_the_client() {
        assert_eq!(client(PROXIES, "10.0.0.1", &[b"10.1.1.1, 10.0.0.9"]), "10.1.1.1");
    }

    #[test]
    fn a_proxy_that_was_left_out_of_the_configuration_is_noticed() {
        let proxies =
            Proxies { trusted: vec!["10.0.0.0/8".parse().expect("a network")], proxy_protocol: false };
        let mut headers = HeaderMap::new();
        let check = |peer: &str, headers: &HeaderMap| {
            check_for_unlisted_proxy(&proxies, peer.parse().expect("an address"), headers)
        };
        assert_eq!(check("192.168.0.1", &headers), Ok(()));
        headers.insert(X_FORWARDED_FOR, HeaderValue::from_static("198.51.100.2"));
        for unlisted in ["192.168.0.1", "127.0.0.1", "::1", "fd00::1"] {
            let noticed = check(unlisted, &headers).expect_err(unlisted);
            assert!(noticed.starts_with(unlisted) && noticed.contains("proxy.trusted"), "{noticed}");
        }
        // A listed one, and a client of the internet, which may send what it likes.
        for fine in ["10.0.0.1", "203.0.113.7", "2001:db8::1"] {
            assert_eq!(check(fine, &headers), Ok(()), "{fine}");
        }
    }

    #[test]
    fn only_trusted_peers_send_a_proxy_protocol_header() {
        let trusted = vec!["10.0.0.0/8".parse().expect("a network")];
        let [inside, outside] =
            ["10.0.0.1", "203.0.113.7"].map(|address| address.parse().expect("an address"));
        let proxies = Proxies { trusted, proxy_protocol: true };
        assert!(proxies.expect_header(inside));
        assert!(!proxies.expect_header(outside));
        assert!(!Proxies { proxy_protocol: false, ..proxies }.expect_header(inside));
    }
}
