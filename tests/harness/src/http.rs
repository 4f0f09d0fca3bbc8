//! HTTP requests, byte by byte.

use std::io;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::SOON;

/// An HTTP answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// After how many seconds another attempt makes sense.
    pub fn retry_after(&self) -> Option<u64> {
        let head = self.head.to_ascii_lowercase();
        head.lines().find_map(|line| line.strip_prefix("retry-after: ")?.trim().parse().ok())
    }

    /// The `errNo` of a body in the reverse push address's shape, whose sentence is not empty.
    pub fn err_no(&self) -> i64 {
        let body = self.json();
        assert!(body["errMsg"].as_str().is_some_and(|sentence| !sentence.is_empty()), "{self:?}");
        body["errNo"].as_i64().unwrap_or_else(|| panic!("no errNo: {self:?}"))
    }
}

/// One HTTP request on a connection of its own. Every 503 must have `Retry-After`.
pub async fn request(addr: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let answer = timeout(SOON, try_request(addr, method, path, headers, body)).await;
    let reply = answer.expect("an answer in time").expect("an answer");
    assert!(
        reply.status != 503 || reply.retry_after().is_some(),
        "503 without a time to try again: {reply:?}"
    );
    reply
}

/// Likewise, to an address that may not answer.
pub async fn try_request(
    addr: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Reply> {
    use std::fmt::Write as _;
    let mut connection = TcpStream::connect(addr).await?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nContent-Length: {}\r\n", body.len());
    let host = [("Host", addr)].into_iter().filter(|_| !headers.iter().any(|(name, _)| *name == "Host"));
    for (name, value) in host.chain(headers.iter().copied()) {
        write!(head, "{name}: {value}\r\n").expect("a string");
    }
    head += "\r\n";
    connection.write_all(head.as_bytes()).await?;
    connection.write_all(body).await?;
    answer(&mut connection, method != "HEAD").await
}

async fn answer(connection: &mut TcpStream, with_body: bool) -> io::Result<Reply> {
    let mut seen = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let text = String::from_utf8_lossy(&seen).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().ok()).flatten()
            });
            if !with_body || body.len() >= length.unwrap_or(0) {
                let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
                return Ok(Reply { status, head: head.to_owned(), body: body.to_owned() });
            }
        }
        let count = connection.read(&mut buffer).await?;
        if count == 0 {
            return Err(io::Error::other(format!("the connection ended before the answer: {text}")));
        }
        seen.extend_from_slice(&buffer[..count]);
    }
}
