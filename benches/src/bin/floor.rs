//! The floor: the minimum cost of a function that answers events over HTTP.
//!
//! One socket, one write and one read per call; nothing is parsed, checked or logged. With `--echo` it returns each
//! event, whatever its size, and therefore parses `Content-Length`.

use std::io::{Error, ErrorKind, IoSlice, Read, Result, Write};
use std::net::TcpStream;

const READY: &[u8] = b"POST /runtime/init/ready HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1\r\n\r\n ";
const NEXT: &[u8] = b"GET /runtime/invocation/next HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";
const RESPONSE: &[u8] = concat!(
    "POST /runtime/invocation/response HTTP/1.1\r\nhost: 127.0.0.1\r\n",
    "content-type: application/json\r\ncontent-length: 175\r\n\r\n",
    r#"{"errNo":0,"errMsg":"ok","websocket":{"action":"connecting","#,
    r#""secConnectionID":"xawexasdfewezdfsdfeasdfffa==","#,
    r#""secWebSocketProtocol":"chat,binary","secWebSocketExtensions":""}}"#
)
.as_bytes();

fn main() -> Result<()> {
    let variable = |name| std::env::var(name).map_err(Error::other);
    let address = format!("{}:{}", variable("SCF_RUNTIME_API")?, variable("SCF_RUNTIME_API_PORT")?);
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    if std::env::args().nth(1).as_deref() == Some("--echo") { echo(stream) } else { answer(stream) }
}

fn answer(mut stream: TcpStream) -> Result<()> {
    let mut buffer = [0; 4096];
    let mut exchange = |request: &[u8]| {
        stream.write_all(request)?;
        at_least_one(stream.read(&mut buffer)?)
    };
    exchange(READY)?;
    loop {
        exchange(NEXT)?;
        exchange(RESPONSE)?;
    }
}

fn echo(mut stream: TcpStream) -> Result<()> {
    let mut buffer = vec![0; 8 * 1024 * 1024];
    stream.write_all(READY)?;
    at_least_one(stream.read(&mut buffer)?)?;
    loop {
        stream.write_all(NEXT)?;
        let (body, end) = read_event(&mut stream, &mut buffer)?;
        let length = end - body;
        let head = format!(
            "POST /runtime/invocation/response HTTP/1.1\r\nhost: h\r\ncontent-length: {length}\r\n\r\n"
        );
        let mut slices = [IoSlice::new(head.as_bytes()), IoSlice::new(&buffer[body..end])];
        write_all(&mut stream, &mut slices)?;
        at_least_one(stream.read(&mut buffer)?)?;
    }
}

/// Reads an event and returns its start and end in the buffer.
fn read_event(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<(usize, usize)> {
    let mut read = stream.read(buffer)?;
    at_least_one(read)?;
    let malformed = || Error::from(ErrorKind::InvalidData);
    let body = buffer[..read].windows(4).position(|w| w == b"\r\n\r\n").ok_or_else(malformed)? + 4;
    let head = str::from_utf8(&buffer[..body]).map_err(Error::other)?;
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).ok_or_else(malformed)?;
    let end = body + length.parse::<usize>().map_err(Error::other)?;
    while read < end {
        let more = stream.read(&mut buffer[read..])?;
        at_least_one(more)?;
        read += more;
    }
    Ok((body, end))
}

fn write_all(stream: &mut TcpStream, mut slices: &mut [IoSlice<'_>]) -> Result<()> {
    while !slices.is_empty() {
        let written = stream.write_vectored(slices)?;
        IoSlice::advance_slices(&mut slices, written);
    }
    Ok(())
}

fn at_least_one(bytes: usize) -> Result<()> {
    if bytes == 0 { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}
