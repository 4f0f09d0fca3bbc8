//! The functions of the nodes, over HTTP: accept every client, and remember who came and who left when.

use std::collections::HashMap;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Result;
use crate::http::read_head;

const ANSWER: &str = r#"{"errNo":0,"errMsg":"ok"}"#;

#[derive(Clone)]
pub struct Functions {
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    accepted: Vec<String>,
    /// When the first closing event of each connection came.
    closed: HashMap<String, Instant>,
    /// Closing events of connections that had one.
    repeated: usize,
}

impl Functions {
    /// Serves until the bench ends, a thread for each connection.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let functions = Self { address: listener.local_addr()?, seen: Arc::default() };
        let seen = Arc::clone(&functions.seen);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&seen);
                // A node that is killed breaks its connections. An event that is lost is missed in the counts.
                thread::spawn(move || drop(serve(stream, &seen)));
            }
        });
        Ok(functions)
    }

    /// The connections that were accepted so far.
    pub fn accepted(&self) -> Vec<String> {
        self.lock().accepted.clone()
    }

    /// Waits until all of these connections have had a closing event. Returns when each came, in order.
    pub fn await_closed(&self, connections: &[String], timeout: Duration) -> Result<Vec<Instant>> {
        let deadline = Instant::now() + timeout;
        loop {
            let mut times: Vec<Instant> = {
                let seen = self.lock();
                connections.iter().filter_map(|connection| seen.closed.get(connection)).copied().collect()
            };
            if times.len() == connections.len() {
                times.sort_unstable();
                return Ok(times);
            }
            if Instant::now() > deadline {
                let (closed, all) = (times.len(), connections.len());
                return Err(format!("{closed} of {all} closing events after {} s", timeout.as_secs()).into());
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn repeated(&self) -> usize {
        self.lock().repeated
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn serve(stream: TcpStream, seen: &Mutex<Seen>) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{ANSWER}", ANSWER.len());
    let mut body = Vec::new();
    while let Some(head) = read_head(&mut reader)? {
        let arrived = Instant::now();
        body.resize(head.length, 0);
        reader.read_exact(&mut body)?;
        let event: Value = serde_json::from_slice(&body)?;
        seen.lock().unwrap_or_else(PoisonError::into_inner).record(&event["websocket"], arrived);
        reader.get_mut().write_all(answer.as_bytes())?;
    }
    Ok(())
}

impl Seen {
    fn record(&mut self, event: &Value, arrived: Instant) {
        let Some(connection) = event["secConnectionID"].as_str().map(str::to_owned) else { return };
        match event["action"].as_str() {
            Some("connecting") => self.accepted.push(connection),
            Some("closing") if self.closed.contains_key(&connection) => self.repeated += 1,
            Some("closing") => drop(self.closed.insert(connection, arrived)),
            _ => {}
        }
    }
}
