//! One frame to all clients: from the frame or request that causes it to the last client's receipt.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use serde_json::{Value, json};

use crate::client::Happening;
use crate::crowd::Crowd;
use crate::{Result, TIMEOUT, frame};

/// The first client sends the payload, and the server sends it to all.
pub fn by_frame(crowd: &mut Crowd, payload: &str) -> Result<Value> {
    let sent = frame::masked(frame::TEXT, payload.as_bytes());
    crowd.expected = payload.into();
    let begun = Instant::now();
    crowd.send(0, &sent)?;
    received_by_all(crowd, begun)
}

/// A publish request whose body makes the server send the payload to all.
pub fn by_request(crowd: &mut Crowd, address: &str, path: &str, payload: &str, body: &str) -> Result<Value> {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    crowd.expected = payload.into();
    let mut stream = TcpStream::connect(address.parse::<SocketAddr>()?)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let begun = Instant::now();
    stream.write_all(request.as_bytes())?;
    let result = received_by_all(crowd, begun);
    let mut answer = [0; 64];
    let read = stream.read(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    if !answer.starts_with("HTTP/1.1 20") {
        return Err(format!("the publish request was answered with {answer:?}").into());
    }
    result
}

fn received_by_all(crowd: &mut Crowd, begun: Instant) -> Result<Value> {
    let all = crowd.len();
    let mut has_received = vec![false; all];
    let (mut received, mut others) = (0, 0);
    let mut first = None;
    let before = crowd.bytes;
    crowd
        .poll_until(TIMEOUT, |index, happening| {
            match happening {
                Happening::Received if !std::mem::replace(&mut has_received[index], true) => received += 1,
                Happening::Received | Happening::ReceivedOther => others += 1,
                _ => return false,
            }
            first.get_or_insert_with(|| begun.elapsed());
            received == all
        })
        .map_err(|e| format!("{received} of {all} clients have received the frame: {e}"))?;
    let seconds = begun.elapsed().as_secs_f64();
    if others > 0 {
        return Err(format!("{others} frames were received that were not sent to these clients").into());
    }
    Ok(
        json!({ "seconds": seconds, "bytes": crowd.bytes - before, "first_seconds": first.unwrap_or_default().as_secs_f64() }),
    )
}
