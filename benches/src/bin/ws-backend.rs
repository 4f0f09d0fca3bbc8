//! The application behind the peers: accepts every connection.
//!
//! `/authorize` answers nchan's authorization requests. Two paths speak Pushpin's WebSocket-over-HTTP: `/room`
//! subscribes a connection to the channel `room`, `/echo` returns each frame. Prints its address; ends with its input.

use std::io::{Error, ErrorKind, Read, Result};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The length is in hexadecimal.
const SUBSCRIBE: &[u8] = b"OPEN\r\nTEXT 27\r\nc:{\"type\":\"subscribe\",\"channel\":\"room\"}\r\n";

fn main() -> Result<()> {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_io().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(serve(stream));
        }
    })
}

async fn serve(mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    loop {
        let head = loop {
            if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            more(&mut stream, &mut buffer).await?;
        };
        let text = String::from_utf8_lossy(&buffer[..head]).into_owned();
        let length = header(&text, "content-length").map_or(Ok(0), str::parse).map_err(Error::other)?;
        while buffer.len() < head + length {
            more(&mut stream, &mut buffer).await?;
        }
        let path = text.split(' ').nth(1).unwrap_or_default();
        let answer = answer(path, &buffer[head..head + length]);
        stream.write_all(&answer).await?;
        buffer.drain(..head + length);
    }
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<()> {
    if stream.read_buf(buffer).await? == 0 { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

fn header<'t>(head: &'t str, name: &str) -> Option<&'t str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

fn answer(path: &str, events: &[u8]) -> Vec<u8> {
    let body = match path {
        "/echo" => events,
        "/room" if events.starts_with(b"OPEN") => SUBSCRIBE,
        _ => b"",
    };
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/websocket-events\r\n\
         Sec-WebSocket-Extensions: grip; message-prefix=\"\"\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}
