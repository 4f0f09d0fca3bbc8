//! Opening connections, from many source addresses: one has too few ports.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use rustix::net::{AddressFamily, SocketType, bind, connect as connect_socket, socket};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

use crate::client::{Client, Happening, NONCE, Stream};
use crate::crowd::Crowd;
use crate::target::Target;
use crate::{Result, TIMEOUT};

/// Source addresses are 127.0.0.2 to 127.0.0.33.
const SOURCE_ADDRESSES: usize = 32;

pub fn target(crowd: &mut Crowd, address: &str, path: &str, certificate: Option<&str>) -> Result<Value> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {NONCE}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    let tls = certificate.map(tls_config).transpose()?;
    crowd.target = Some(Target { address: address.parse()?, request: request.into(), extension: None, tls });
    Ok(json!({}))
}

/// The handshake fails where the server does not take it.
pub fn offer(crowd: &mut Crowd, extension: &str) -> Result<Value> {
    let target = crowd.target.as_mut().ok_or("offer before target")?;
    let end = target.request.len() - 2;
    let header = format!("Sec-WebSocket-Extensions: {extension}\r\n");
    target.request.splice(end..end, header.into_bytes());
    target.extension = Some(extension.into());
    Ok(json!({}))
}

fn tls_config(certificate: &str) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&fs::read(certificate)?)?)?;
    Ok(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}

/// Opens as many connections more, with at most so many handshakes in flight.
pub fn connect(crowd: &mut Crowd, count: usize, in_flight: usize) -> Result<Value> {
    let begun = Instant::now();
    let (mut started, mut opened) = (0, 0);
    while opened < count {
        while started < count && started - opened < in_flight {
            let client = start(crowd.target.as_ref().ok_or("connect before target")?, crowd.len())?;
            crowd.add(client)?;
            started += 1;
        }
        crowd
            .poll_until(TIMEOUT, |_, happening| {
                opened += usize::from(happening == Happening::Opened);
                true
            })
            .map_err(|e| format!("{opened} of {count} connections are open: {e}"))?;
    }
    Ok(json!({ "seconds": begun.elapsed().as_secs_f64() }))
}

fn start(target: &Target, number: usize) -> Result<Client> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    let source = u8::try_from(2 + number % SOURCE_ADDRESSES)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, source), 0))?;
    connect_socket(&socket, &SocketAddr::V4(target.address))?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    let stream = match &target.tls {
        None => Stream::Plain(stream),
        Some(config) => Stream::Tls(Box::new(shake_hands(config, stream)?)),
    };
    set_nonblocking(&stream)?;
    let mut client = Client::new(stream, target.extension.clone());
    client.send(&target.request)?;
    Ok(client)
}

fn shake_hands(
    config: &Arc<ClientConfig>,
    stream: TcpStream,
) -> Result<StreamOwned<ClientConnection, TcpStream>> {
    let connection = ClientConnection::new(Arc::clone(config), ServerName::try_from("localhost")?)?;
    let mut stream = StreamOwned::new(connection, stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

fn set_nonblocking(stream: &Stream) -> std::io::Result<()> {
    match stream {
        Stream::Plain(stream) => stream.set_nonblocking(true),
        Stream::Tls(stream) => stream.sock.set_nonblocking(true),
    }
}
