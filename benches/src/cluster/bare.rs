//! Redis without gateways: what no node can do better.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::nodes::Nodes;
use crate::Result;
use crate::table::float;
use crate::trial::median;

const TIMEOUT: Duration = Duration::from_secs(10);
const MESSAGES: usize = 2_000;
/// About as long as what a node sends to another one for a short frame.
const MESSAGE: &str = "0123456789012345678901234567890123456789012345678901234567890123";
const PIPELINES: usize = 200;
/// In a pipeline, as of a node that looks whether the others have their leases.
const LOOKS: usize = 100;

/// Seconds from a `PUBLISH` to the arrival at its subscriber.
pub fn message(nodes: &Nodes) -> Result<f64> {
    let mut subscriber = connect(nodes)?;
    subscriber.write_all(b"SUBSCRIBE scf-ws-bench\r\n")?;
    read(&mut subscriber, "*3\r\n$9\r\nsubscribe\r\n$12\r\nscf-ws-bench\r\n:1\r\n")?;
    let mut publisher = connect(nodes)?;
    let command = format!("PUBLISH scf-ws-bench {MESSAGE}\r\n");
    let received =
        format!("*3\r\n$7\r\nmessage\r\n$12\r\nscf-ws-bench\r\n${}\r\n{MESSAGE}\r\n", MESSAGE.len());
    let mut taken = Vec::new();
    for _ in 0..MESSAGES {
        let begun = Instant::now();
        publisher.write_all(command.as_bytes())?;
        read(&mut subscriber, &received)?;
        taken.push(begun.elapsed().as_secs_f64());
        read(&mut publisher, ":1\r\n")?;
    }
    median(taken).ok_or_else(|| "nothing was command".into())
}

/// CPU seconds of Redis to say whether a node has its lease.
pub fn look(nodes: &Nodes) -> Result<f64> {
    let mut stream = connect(nodes)?;
    let asked = "EXISTS {scf-ws}:node:bench\r\n".repeat(LOOKS);
    let answered = ":0\r\n".repeat(LOOKS);
    let before = nodes.redis_time()?;
    for _ in 0..PIPELINES {
        stream.write_all(asked.as_bytes())?;
        read(&mut stream, &answered)?;
    }
    let used = nodes.redis_time()?.saturating_sub(before).as_secs_f64();
    Ok(used / float((PIPELINES * LOOKS) as u64))
}

fn connect(nodes: &Nodes) -> Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", nodes.redis.port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    Ok(stream)
}

fn read(stream: &mut TcpStream, expected: &str) -> Result<()> {
    let mut answer = vec![0; expected.len()];
    stream.read_exact(&mut answer)?;
    if answer == expected.as_bytes() {
        return Ok(());
    }
    Err(format!("redis-server answered {:?}", String::from_utf8_lossy(&answer)).into())
}
