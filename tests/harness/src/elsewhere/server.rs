//! An HTTP server that answers each request on demand, also in ways that no server should.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::future::BoxFuture;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    sync::Notify,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::soon;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// Counts from 1.
    pub connection: usize,
    pub head: String,
    pub body: Vec<u8>,
}

impl Request {
    /// Method and path, as in `POST /transfer`.
    pub fn target(&self) -> &str {
        let line = self.head.lines().next().unwrap_or_default();
        line.rsplit_once(' ').map_or(line, |(target, _)| target)
    }

    /// The value of a header, empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        let values = self.head.lines().filter_map(|line| line.split_once(": "));
        values.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
}

/// How a request is answered.
#[derive(Debug, Clone)]
pub enum Reply {
    /// As it should be, over a connection that is kept.
    Whole(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// With the end of the connection.
    Cut,
    /// With a head that announces more bytes than follow.
    Half,
    /// With these bytes, then the end of the connection.
    Raw(&'static [u8]),
    /// Not at all: the client has to hang up.
    Hang,
}

impl Reply {
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200, body)
    }

    pub fn status(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Whole(status, Vec::new(), body.into())
    }

    /// With a further header.
    pub fn with(self, name: &'static str, value: impl Into<String>) -> Self {
        match self {
            Self::Whole(status, mut headers, body) => {
                headers.push((name, value.into()));
                Self::Whole(status, headers, body)
            }
            other => other,
        }
    }
}

/// Answers requests.
pub type Handler = Arc<dyn Fn(Request) -> BoxFuture<'static, Reply> + Send + Sync>;

/// Answers with the replies, one after the other; after those with status 200 and the request's body.
pub fn script(replies: impl IntoIterator<Item = Reply>) -> Handler {
    let replies: Mutex<VecDeque<Reply>> = Mutex::new(replies.into_iter().collect());
    Arc::new(move |request| {
        let next = replies.lock().expect("no panic").pop_front();
        Box::pin(async move { next.unwrap_or_else(|| Reply::ok(request.body)) })
    })
}

/// A running server. Dropped, it is gone from its address, and so are its connections.
pub struct Server {
    pub addr: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    handler: Handler,
    tls: Option<TlsAcceptor>,
    seen: Mutex<Vec<Request>>,
    connections: AtomicUsize,
    /// Clients that hung up on a reply that hangs.
    hung_up: AtomicUsize,
    changed: Notify,
}

impl Server {
    pub async fn start(handler: Handler, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self::on(listener, handler, tls)
    }

    pub fn on(listener: TcpListener, handler: Handler, tls: Option<TlsAcceptor>) -> Self {
        let addr = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            handler,
            tls,
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
            hung_up: AtomicUsize::new(0),
            changed: Notify::new(),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { addr, shared, task }
    }

    /// The requests up to now.
    pub fn seen(&self) -> Vec<Request> {
        self.shared.seen.lock().expect("no panic").clone()
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Acquire)
    }

    /// Waits until so many requests have arrived.
    pub async fn requests(&self, count: usize) {
        self.until("requests", || self.seen().len() >= count).await;
    }

    /// Waits until so many clients have hung up on a reply that hangs.
    pub async fn hung_up(&self, count: usize) {
        self.until("clients that hang up", || self.shared.hung_up.load(Ordering::Acquire) >= count).await;
    }

    async fn until(&self, what: &str, mut reached: impl FnMut() -> bool) {
        let wait = async {
            loop {
                let changed = self.shared.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if reached() {
                    return;
                }
                changed.await;
            }
        };
        soon(what, wait).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        let number = shared.connections.fetch_add(1, Ordering::AcqRel) + 1;
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            match &shared.tls {
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, number, &shared).await;
                    }
                }
                None => serve(stream, number, &shared).await,
            }
        });
    }
}

/// One request after the other, until one of the ends has had enough.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, connection: usize, shared: &Shared) {
    let mut buffer = Vec::new();
    while let Some(request) = read(&mut stream, &mut buffer, connection).await {
        shared.seen.lock().expect("no panic").push(request.clone());
        shared.changed.notify_waiters();
        let reply = (shared.handler)(request).await;
        let (bytes, kept) = match reply {
            Reply::Whole(status, headers, body) => (whole(status, &headers, &body), true),
            Reply::Cut => return,
            Reply::Half => (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"half".to_vec(), false),
            Reply::Raw(bytes) => (bytes.to_vec(), false),
            Reply::Hang => {
                // Whatever it is, it ends the waiting.
                let _ = stream.read(&mut [0; 1]).await;
                shared.hung_up.fetch_add(1, Ordering::AcqRel);
                shared.changed.notify_waiters();
                return;
            }
        };
        if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() || !kept {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

fn whole(status: u16, headers: &[(&str, String)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} On Demand\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").expect("a string");
    }
    let mut bytes = (head + "\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    connection: usize,
) -> Option<Request> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let mut request = Request { connection, head, body: Vec::new() };
            let length = request.header("content-length").parse().unwrap_or(0);
            buffer.drain(..end + 4);
            while buffer.len() < length {
                if stream.read_buf(buffer).await.ok()? == 0 {
                    return None;
                }
            }
            request.body = buffer.drain(..length).collect();
            return Some(request);
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}
