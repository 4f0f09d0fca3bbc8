//! A push address with a fixed latency: it answers each push after five milliseconds.

use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::Result;
use crate::http::read_head;

pub const DELAY: Duration = Duration::from_millis(5);

const BODY: &str = r#"{"errNo":0,"errMsg":"ok"}"#;

pub struct PushAddress {
    pub host_and_port: String,
    pushes: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

impl PushAddress {
    /// Serves until the bench ends, with one thread per connection and keep-alive as the client requests.
    pub fn open() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let host_and_port = listener.local_addr()?.to_string();
        let (pushes, connections) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let address =
            Self { host_and_port, pushes: Arc::clone(&pushes), connections: Arc::clone(&connections) };
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                connections.fetch_add(1, Ordering::Relaxed);
                let pushes = Arc::clone(&pushes);
                // A broken connection shows as missing pushes in the count.
                thread::spawn(move || drop(serve(stream, &pushes)));
            }
        });
        Ok(address)
    }

    /// The numbers of pushes and connections since the last call.
    pub fn take_counts(&self) -> (usize, usize) {
        (self.pushes.swap(0, Ordering::Relaxed), self.connections.swap(0, Ordering::Relaxed))
    }
}

fn serve(stream: TcpStream, pushes: &AtomicUsize) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut body = Vec::new();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len());
    while let Some(push) = read_head(&mut reader)? {
        body.resize(push.length, 0);
        reader.read_exact(&mut body)?;
        thread::sleep(DELAY);
        pushes.fetch_add(1, Ordering::Relaxed);
        reader.get_mut().write_all(answer.as_bytes())?;
        if push.is_last {
            break;
        }
    }
    Ok(())
}
