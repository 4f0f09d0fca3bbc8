use std::net::IpAddr;

use ppp::v2::{Builder, Command, Protocol, Version};
use rustls::{pki_types::ServerName, version::TLS13};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;
use crate::server::tls::authority::{Authority, NAME};

const PROXY: &str = "10.0.0.1:1000";
const STRANGER: &str = "203.0.113.7:1000";
const CLIENT: &str = "198.51.100.2:4711";

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn transport(tls: Option<Tls>) -> Transport {
    let trusted = vec![IpAddr::from([10, 0, 0, 1]).into()];
    let proxies = Arc::new(Proxies { trusted, proxy_protocol: true });
    Transport::new(proxies, tls.map(Arc::new), &Timeouts::default(), Arc::default())
}

fn header() -> Vec<u8> {
    let addresses = (address(CLIENT), address("10.0.0.1:443"));
    let header = Builder::with_addresses(Version::Two | Command::Proxy, Protocol::Stream, addresses);
    header.build().expect("a header")
}

fn tls_handshakes(transport: &Transport, outcome: &str) -> bool {
    let exposed = transport.metrics.encode().expect("text");
    exposed.contains(&format!("scf_gateway_tls_handshakes_total{{outcome=\"{outcome}\"}} 1\n"))
}

async fn opened(
    transport: &Transport,
    mut accepted: DuplexStream,
    from: &str,
) -> Result<ReadyConnection<DuplexStream>, TransportError> {
    let peer = transport.peer(&mut accepted, address(from)).await?;
    transport.secure(accepted, peer).await
}

/// Opens a connection on which the client has sent this.
async fn open(
    transport: &Transport,
    from: &str,
    sent: &[u8],
) -> Result<ReadyConnection<DuplexStream>, TransportError> {
    let (mut client, accepted) = duplex(64 * 1024);
    client.write_all(sent).await.expect("room");
    let opened = opened(transport, accepted, from).await;
    drop(client);
    opened
}

async fn rest(opened: ReadyConnection<DuplexStream>) -> Vec<u8> {
    let mut rest = Vec::new();
    let mut stream = opened.stream;
    stream.read_to_end(&mut rest).await.expect("the rest");
    rest
}

#[tokio::test]
async fn a_header_counts_if_a_trusted_proxy_sends_it() {
    let transport = transport(None);
    let sent = [header().as_slice(), b"GET /"].concat();
    let opened = open(&transport, PROXY, &sent).await.expect("a connection");
    assert_eq!(opened.peer, address(CLIENT));
    assert_eq!(rest(opened).await, b"GET /");

    let opened = open(&transport, STRANGER, b"GET /").await.expect("a connection");
    assert_eq!(opened.peer, address(STRANGER));
    // A spoofed header is left where it is, and is no HTTP.
    let opened = open(&transport, STRANGER, &sent).await.expect("a connection");
    assert_eq!(opened.peer, address(STRANGER));
    assert_eq!(rest(opened).await, sent);

    let missing = open(&transport, PROXY, b"GET /chat HTTP/1.1\r\n").await;
    assert!(
        matches!(missing, Err(TransportError::ProxyProtocol(ProxyProtocolError::Missing))),
        "{missing:?}"
    );
}

#[tokio::test]
async fn the_header_stands_before_tls() {
    let authority = Authority::new();
    authority.install(&authority.issue(2000, 3000));
    let transport = transport(Some(Tls::load(authority.files()).expect("a certificate")));
    let (mut near, accepted) = duplex(64 * 1024);
    near.write_all(&header()).await.expect("room");
    let connector = authority.client(&[&TLS13]);
    let client = connector.connect(ServerName::try_from(NAME).expect("a name"), near);
    let (opened, client) = tokio::join!(opened(&transport, accepted, PROXY), client);
    let (mut opened, mut client) = (opened.expect("a connection"), client.expect("a connection"));
    assert_eq!(opened.peer, address(CLIENT));
    client.write_all(b"GET /").await.expect("room");
    client.flush().await.expect("room");
    let mut received = [0; 5];
    opened.stream.read_exact(&mut received).await.expect("bytes");
    assert_eq!(&received, b"GET /");
    assert!(tls_handshakes(&transport, "full"));
}

#[tokio::test]
async fn a_client_without_tls_fails_the_handshake() {
    let authority = Authority::new();
    authority.install(&authority.issue(2000, 3000));
    let transport = transport(Some(Tls::load(authority.files()).expect("a certificate")));
    let failed = open(&transport, STRANGER, b"GET /chat HTTP/1.1\r\n\r\n").await;
    assert!(matches!(failed, Err(TransportError::Tls(_))), "{failed:?}");
    assert!(tls_handshakes(&transport, "failed"));
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_given_up() {
    let authority = Authority::new();
    authority.install(&authority.issue(2000, 3000));
    let transport = transport(Some(Tls::load(authority.files()).expect("a certificate")));
    let header = open(&transport, PROXY, &header()[..5]).await;
    assert!(matches!(header, Err(TransportError::ProxyProtocolTimeout(_))), "{header:?}");
    let tls = open(&transport, STRANGER, b"\x16\x03\x01").await.expect_err("no handshake");
    assert_eq!(tls.to_string(), "the TLS handshake took longer than 10 s (timeouts.tls_handshake_seconds)");
    assert!(tls_handshakes(&transport, "timed_out"));
}
