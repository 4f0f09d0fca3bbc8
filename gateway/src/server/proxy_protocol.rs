//! The header that a proxy for TCP sends before the client's bytes: PROXY protocol, version 2.
//!
//! [`read_header`] takes exactly the header off the stream. Whether a connection has to begin with one is decided by
//! [`Proxies::expect_header`](crate::server::client_address::Proxies::expect_header). The text form, version 1, is not
//! accepted: its length is known only at its end.

use std::{io, net::SocketAddr};

use ppp::v2::{Addresses, Command, Header, PROTOCOL_PREFIX};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The prefix, version and command, address family and protocol, and the length of the rest.
const FIXED_BYTES: usize = 16;
/// The most that a header may have behind its fixed part. Addresses take 36 bytes; the rest is for certificates'
/// names and the identifiers that clouds add.
const MAX_VARIABLE_BYTES: usize = 4096;

/// Why a connection that has to begin with a header is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyProtocolError {
    /// It was cut before the end of the header.
    #[error("the connection ended within the PROXY protocol header: {0}")]
    Read(#[source] io::Error),
    /// It begins with something else.
    #[error(
        "the connection does not begin with a PROXY protocol header of version 2: let the proxy send one, or set \
         proxy.proxy_protocol = false"
    )]
    Missing,
    /// The header is longer than is accepted.
    #[error("the PROXY protocol header has {0} bytes, more than {MAX_VARIABLE_BYTES}")]
    TooLong(usize),
    /// The header contradicts itself.
    #[error("malformed PROXY protocol header: {0}")]
    Malformed(String),
}

/// Reads the header: the address of the client that the proxy serves, or `None` if the proxy speaks for itself, as for
/// a health check, or does not know. Waits for as long as the header takes; a time-out is the caller's.
pub async fn read_header(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<Option<SocketAddr>, ProxyProtocolError> {
    let mut header = vec![0; FIXED_BYTES];
    stream.read_exact(&mut header).await.map_err(ProxyProtocolError::Read)?;
    if !header.starts_with(PROTOCOL_PREFIX) {
        return Err(ProxyProtocolError::Missing);
    }
    let variable = usize::from(u16::from_be_bytes([header[14], header[15]]));
    if variable > MAX_VARIABLE_BYTES {
        return Err(ProxyProtocolError::TooLong(variable));
    }
    header.resize(FIXED_BYTES + variable, 0);
    stream.read_exact(&mut header[FIXED_BYTES..]).await.map_err(ProxyProtocolError::Read)?;
    let parsed = Header::try_from(header.as_slice())
        .map_err(|error| ProxyProtocolError::Malformed(error.to_string()))?;
    Ok(client(&parsed))
}

fn client(header: &Header<'_>) -> Option<SocketAddr> {
    if header.command == Command::Local {
        return None;
    }
    match header.addresses {
        Addresses::IPv4(addresses) => Some((addresses.source_address, addresses.source_port).into()),
        Addresses::IPv6(addresses) => Some((addresses.source_address, addresses.source_port).into()),
        Addresses::Unspecified | Addresses::Unix(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use tokio::io::AsyncWriteExt as _;

    use super::*;

    const CLIENT: &str = "198.51.100.2:4711";

    /// Written by the protocol's specification, not by the library that reads it.
    fn header(command: u8, family: u8, addresses: &[u8], extensions: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len() + extensions.len()).expect("a short header");
        let fixed = [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[0x20 | command, family], &length.to_be_bytes()];
        [fixed.concat().as_slice(), addresses, extensions].concat()
    }

    const PROXY: u8 = 1;
    const LOCAL: u8 = 0;
    const TCP_OVER_IPV4: u8 = 0x11;
    const TCP_OVER_IPV6: u8 = 0x21;
    /// Source and destination, then the ports of both.
    const IPV4: [u8; 12] = [198, 51, 100, 2, 10, 0, 0, 1, 0x12, 0x67, 0x01, 0xbb];

    fn ipv6() -> Vec<u8> {
        let [source, destination] =
            ["2001:db8::2", "fd00::1"].map(|text| text.parse::<Ipv6Addr>().expect("an address").octets());
        [source.as_slice(), &destination, &[0x12, 0x67, 0x01, 0xbb]].concat()
    }

    async fn read(bytes: Vec<u8>) -> (Result<Option<SocketAddr>, ProxyProtocolError>, String) {
        let mut stream = bytes.as_slice();
        let result = read_header(&mut stream).await;
        (result, String::from_utf8_lossy(stream).into_owned())
    }

    #[tokio::test]
    async fn the_client_is_taken_from_the_header_and_its_bytes_are_left_alone() {
        let authority = b"\x02\x00\x0bexample.com";
        let headers = [
            (header(PROXY, TCP_OVER_IPV4, &IPV4, b""), CLIENT),
            (header(PROXY, TCP_OVER_IPV4, &IPV4, authority), CLIENT),
            (header(PROXY, TCP_OVER_IPV6, &ipv6(), authority), "[2001:db8::2]:4711"),
        ];
        for (mut bytes, client) in headers {
            bytes.extend_from_slice(b"GET /chat HTTP/1.1\r\n");
            let (result, rest) = read(bytes).await;
            assert_eq!(result.expect("a header"), client.parse().ok());
            assert_eq!(rest, "GET /chat HTTP/1.1\r\n");
        }
    }

    #[tokio::test]
    async fn a_header_that_arrives_byte_by_byte_is_read() {
        let (mut writer, mut reader) = tokio::io::duplex(1);
        let bytes = header(PROXY, TCP_OVER_IPV4, &IPV4, b"");
        let (written, read) = tokio::join!(writer.write_all(&bytes), read_header(&mut reader));
        written.expect("a reader");
        assert_eq!(read.expect("a header"), CLIENT.parse().ok());
    }

    #[tokio::test]
    async fn a_proxy_that_speaks_for_itself_or_of_a_stranger_family_names_no_client() {
        let unix = [0; 216];
        for bytes in [
            header(LOCAL, 0x00, b"", b""),
            header(LOCAL, TCP_OVER_IPV4, &IPV4, b""),
            header(PROXY, 0x00, b"", b""),
            header(PROXY, 0x31, &unix, b""),
        ] {
            assert_eq!(read(bytes).await.0.expect("a header"), None);
        }
    }

    #[tokio::test]
    async fn what_is_not_a_header_is_refused() {
        let (result, _) = read(b"GET /chat HTTP/1.1\r\n\r\n".to_vec()).await;
        assert!(matches!(result, Err(ProxyProtocolError::Missing)), "{result:?}");
        let (result, _) = read(b"PROXY TCP4 198.51.100.2 10.0.0.1 4711 443\r\n".to_vec()).await;
        assert!(matches!(result, Err(ProxyProtocolError::Missing)), "{result:?}");

        let whole = header(PROXY, TCP_OVER_IPV4, &IPV4, b"");
        for length in 0..whole.len() {
            let (result, _) = read(whole[..length].to_vec()).await;
            assert!(matches!(result, Err(ProxyProtocolError::Read(_))), "{length} bytes: {result:?}");
        }
        let (result, _) = read(header(PROXY, TCP_OVER_IPV4, &IPV4, &[4; 5000])).await;
        assert!(matches!(result, Err(ProxyProtocolError::TooLong(5012))), "{result:?}");
        let mut version_3 = whole;
        version_3[12] = 0x31;
        for bytes in
            [version_3, header(PROXY, TCP_OVER_IPV4, &IPV4[..6], b""), header(7, TCP_OVER_IPV4, &IPV4, b"")]
        {
            let (result, _) = read(bytes).await;
            assert!(matches!(result, Err(ProxyProtocolError::Malformed(_))), "{result:?}");
        }
    }
}
