//! A scripted server that controls each byte of its answers, for faults that a correct server does not produce.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Turns a hang into a failure.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A received request.
#[derive(Debug, Clone)]
pub struct Request {
    /// `POST /runtime/init/ready`
    pub line: String,
    pub body: Vec<u8>,
    /// The number of its connection, counted from 1.
    pub connection: usize,
}

/// One step of an answer.
#[derive(Debug, Clone)]
pub enum Act {
    Send(Vec<u8>),
    /// Sends byte by byte, with this pause before each.
    Trickle(Vec<u8>, Duration),
    Wait(Duration),
    /// Closes the connection.
    Close,
    /// Closes the connection when more data arrives, without reading it, so that the peer receives a reset.
    CloseAtInput,
}

impl Act {
    /// A complete answer with `Content-Length`.
    pub fn answer(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let head = format!("HTTP/1.1 {status} Whatever\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
        Self::Send([head.as_bytes(), body].concat())
    }
}

/// A running server. Its threads end with the test process.
pub struct Wire {
    pub port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Wire {
    pub fn start(script: impl FnMut(&Request) -> Vec<Act> + Send + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("a free port"), script)
    }

    pub fn on(listener: TcpListener, script: impl FnMut(&Request) -> Vec<Act> + Send + 'static) -> Self {
        let port = listener.local_addr().expect("an address").port();
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (seen, script) = (Arc::clone(&requests), Arc::new(Mutex::new(script)));
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (seen, script) = (Arc::clone(&seen), Arc::clone(&script));
                let stream = stream.expect("a connection");
                thread::spawn(move || {
                    let mut stream = stream;
                    while let Some(request) = read_request(&mut stream, number + 1) {
                        seen.lock().expect("not poisoned").push(request.clone());
                        let acts = (script.lock().expect("not poisoned"))(&request);
                        if !perform(&mut stream, acts) {
                            let _ = stream.shutdown(Shutdown::Both);
                            return;
                        }
                    }
                });
            }
        });
        Self { port, requests }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/api-wire", self.port)
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("not poisoned").clone()
    }

    /// Waits until this many requests with this line have arrived.
    pub fn await_requests(&self, line: &str, count: usize) {
        let since = Instant::now();
        while self.requests().iter().filter(|request| request.line == line).count() < count {
            assert!(since.elapsed() < TIMEOUT, "not {count} times {line} in {:?}", self.requests());
            thread::sleep(Duration::from_millis(2));
        }
    }
}

fn read_request(stream: &mut TcpStream, connection: usize) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("an ASCII head");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().expect("a length"))
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    let line = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
    Some(Request { line, body, connection })
}

/// Performs the steps; false if the connection is closed.
fn perform(stream: &mut TcpStream, acts: Vec<Act>) -> bool {
    for act in acts {
        let done = match act {
            Act::Send(bytes) => stream.write_all(&bytes),
            Act::Trickle(bytes, pause) => bytes.iter().try_for_each(|byte| {
                thread::sleep(pause);
                stream.write_all(&[*byte])
            }),
            Act::Wait(time) => {
                thread::sleep(time);
                Ok(())
            }
            Act::Close => return false,
            Act::CloseAtInput => {
                let _ = stream.peek(&mut [0]);
                return false;
            }
        };
        if done.is_err() {
            return false;
        }
    }
    true
}
