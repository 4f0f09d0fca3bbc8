//! Pushes over kept connections, one after the other or several at a time.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::nodes::PUSH_PATH;
use crate::Result;
use crate::http::read_head;

/// Longer than any push takes that succeeds.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A connection to a push address.
pub struct Pusher {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

impl Pusher {
    pub fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self { stream: BufReader::new(stream), address })
    }

    /// Fails unless every connection of the push has it.
    pub fn push(&mut self, body: &str) -> Result<Duration> {
        let request = format!(
            "POST {PUSH_PATH} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let begun = Instant::now();
        self.stream.get_mut().write_all(request.as_bytes())?;
        let head = read_head(&mut self.stream)?.ok_or("the push address has closed the connection")?;
        let mut answer = vec![0; head.length];
        self.stream.read_exact(&mut answer)?;
        let taken = begun.elapsed();
        check(&head.first_line, &answer)?;
        Ok(taken)
    }
}

fn check(status: &str, answer: &[u8]) -> Result<()> {
    let parsed: Value = serde_json::from_slice(answer)?;
    let all_have_it = parsed["failed"].as_array().is_none_or(Vec::is_empty);
    if status.starts_with("http/1.1 200") && parsed["errNo"] == 0 && all_have_it {
        return Ok(());
    }
    let answer: String = String::from_utf8_lossy(answer).chars().take(300).collect();
    Err(format!("a push was answered with {status}: {answer}").into())
}

/// Pushes in a time, with some of them in flight all the time.
#[derive(Clone, Copy)]
pub struct Flow {
    pub pushes: u64,
    pub elapsed: Duration,
}

/// Each of so many connections pushes the bodies in turn, one after the other.
pub fn flow(address: SocketAddr, bodies: &[String], in_flight: usize, duration: Duration) -> Result<Flow> {
    let begun = Instant::now();
    let end = begun + duration;
    let one = |first: usize| -> Result<u64, String> {
        let mut pusher = Pusher::connect(address).map_err(|e| e.to_string())?;
        let mut answered = 0;
        for body in bodies.iter().cycle().skip(first) {
            if Instant::now() >= end {
                break;
            }
            pusher.push(body).map_err(|e| e.to_string())?;
            answered += 1;
        }
        Ok(answered)
    };
    let pushes: Result<u64, String> = thread::scope(|scope| {
        let step = (bodies.len() / in_flight).max(1);
        let threads: Vec<_> = (0..in_flight).map(|number| scope.spawn(move || one(number * step))).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked".to_owned())?).sum()
    });
    Ok(Flow { pushes: pushes?, elapsed: begun.elapsed() })
}

pub fn single(connection: &str, payload: &str) -> String {
    format!(
        r#"{{"websocket":{{"action":"data send","secConnectionID":"{connection}","dataType":"text","data":"{payload}"}}}}"#
    )
}

pub fn batch(connections: &[String], payload: &str) -> String {
    format!(
        r#"{{"websocket":{{"action":"data send","secConnectionIDs":["{}"],"dataType":"text","data":"{payload}"}}}}"#,
        connections.join("\",\"")
    )
}
