//! The header that a proxy for TCP sends before the client's bytes: PROXY protocol, version 2.
//!
//! [`read_header`] takes exactly the header off the stream. Whether a connection has to begin with one is decided by
//! [`Proxies::expect_header`](crate::client_address::Proxies::expect_header). The text form, version 1, is not
//! accepted: its length is known only at its end.

use std::{fmt, io, net::SocketAddr};

use ppp::v2::{Addresses, Command, Header, PROTOCOL_PREFIX};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The prefix, version and command, address family and protocol, and the length of the rest.
const FIXED_BYTES: usize = 16;
/// The most that a header may have behind its fixed part. Addresses take 36 bytes; the rest is for certificates'
/// names and the identifiers that clouds add.
const MAX_VARIABLE_BYTES: usize = 4096;

/// Why a connection that has to begin with a header is of no use.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProxyProtocolError {
    /// It was cut before the end of the header.
    Read(io::Error),
    /// It begins with something else.
    Missing,
    /// The header is longer than is accepted.
    TooLong(usize),
    /// The header contradicts itself.
    Malformed(String),
}

impl fmt::Display for ProxyProtocolError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => write!(formatter, "the connection ended within the PROXY protocol header: {error}"),
            Self::Missing => formatter.write_str(
                "the connection does not begin with a PROXY protocol header of version 2: let the proxy send one, or \
                 set proxy.proxy_protocol = false",
            ),
            Self::TooLong(bytes) => {
                write!(formatter, "the PROXY protocol header has {bytes} bytes, more than {MAX_VARIABLE_BYTES}")
            }
            Self::Malformed(why) => write!(formatter, "malformed PROXY protocol header: {why}"),
        }
    }
}

impl std::error::Error for ProxyProtocolError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(error) => Some(error),
            _ => None,
        }
    }
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
    use ppp::v2::{Builder, Protocol, Type, Version};

    use super::*;

    const CLIENT: &str = "198.51.100.2:4711";

    fn header(command: Command, source: &str) -> Builder {
        let addresses: (SocketAddr, SocketAddr) =
            (source.parse().expect("an address"), "10.0.0.1:443".parse().expect("an address"));
        match addresses {
            (SocketAddr::V6(_), _) => {
                let addresses = (addresses.0, "[fd00::1]:443".parse::<SocketAddr>().expect("an address"));
                Builder::with_addresses(Version::Two | command, Protocol::Stream, addresses)
            }
            _ => Builder::with_addresses(Version::Two | command, Protocol::Stream, addresses),
        }
    }

    async fn read(bytes: Vec<u8>) -> (Result<Option<SocketAddr>, ProxyProtocolError>, String) {
        let mut stream = bytes.as_slice();
        let result = read_header(&mut stream).await;
        (result, String::from_utf8_lossy(stream).into_owned())
    }

    #[tokio::test]
    async fn the_client_is_taken_from_the_header_and_its_bytes_are_left_alone() {
        for source in [CLIENT, "[2001:db8::2]:4711"] {
            let tlv = header(Command::Proxy, source).write_tlv(Type::Authority, b"example.com");
            let mut bytes = tlv.expect("a TLV").build().expect("a header");
            bytes.extend_from_slice(b"GET /chat HTTP/1.1\r\n");
            let (result, rest) = read(bytes).await;
            assert_eq!(result.expect("a header"), Some(source.parse().expect("an address")));
            assert_eq!(rest, "GET /chat HTTP/1.1\r\n");
        }
    }

    #[tokio::test]
    async fn a_header_that_arrives_byte_by_byte_is_read() {
        let bytes = header(Command::Proxy, CLIENT).build().expect("a header");
        let mut stream = tokio_test_reader(bytes);
        assert_eq!(read_header(&mut stream).await.expect("a header"), CLIENT.parse().ok());
    }

    /// A stream that hands out a byte for each read.
    fn tokio_test_reader(bytes: Vec<u8>) -> impl AsyncRead + Unpin {
        let (mut writer, reader) = tokio::io::duplex(1);
        tokio::spawn(async move {
            use tokio::io::AsyncWriteExt as _;
            writer.write_all(&bytes).await.expect("the reader is there");
        });
        reader
    }

    #[tokio::test]
    async fn a_proxy_that_speaks_for_itself_names_no_client() {
        let (result, _) = read(header(Command::Local, CLIENT).build().expect("a header")).await;
        assert_eq!(result.expect("a header"), None);
    }

    #[tokio::test]
    async fn what_is_not_a_header_is_refused() {
        let (result, _) = read(b"GET /chat HTTP/1.1\r\n\r\n".to_vec()).await;
        assert!(matches!(result, Err(ProxyProtocolError::Missing)), "{result:?}");
        let (result, _) = read(b"PROXY TCP4 198.51.100.2 10.0.0.1 4711 443\r\n".to_vec()).await;
        assert!(matches!(result, Err(ProxyProtocolError::Missing)), "{result:?}");

        let whole = header(Command::Proxy, CLIENT).build().expect("a header");
        let (result, _) = read(whole[..20].to_vec()).await;
        assert!(matches!(result, Err(ProxyProtocolError::Read(_))), "{result:?}");

        let mut long = whole.clone();
        long[14] = 0xff;
        let (result, _) = read(long).await;
        assert!(matches!(result, Err(ProxyProtocolError::TooLong(_))), "{result:?}");

        let mut version_3 = whole;
        version_3[12] = 0x31;
        let (result, _) = read(version_3).await;
        assert!(matches!(result, Err(ProxyProtocolError::Malformed(_))), "{result:?}");
    }
}
