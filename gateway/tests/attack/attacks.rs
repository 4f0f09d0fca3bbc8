//! The attacks. Each goes on until its process is killed, or for half a minute.

use std::{net::SocketAddr, time::Duration};

use futures_util::future::{BoxFuture, join_all};
use tokio::{
    io::AsyncWriteExt as _,
    time::{sleep, timeout},
};

use crate::raw::{self, CONTINUATION, FINAL, TEXT};

const LONGEST: Duration = Duration::from_secs(30);
/// An attacker that is refused comes again.
const AGAIN: Duration = Duration::from_millis(10);

pub struct Attack {
    pub name: &'static str,
    how: fn(Target) -> BoxFuture<'static, ()>,
    /// By how many megabytes the gateway may grow.
    pub grows_mb: usize,
    /// How many lines of log it may cost.
    pub log_lines: usize,
}

/// Where the gateway is attacked.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    clients: SocketAddr,
    push: SocketAddr,
}

impl Target {
    pub fn parse(clients: &str, push: &str) -> Self {
        let addr = |text: &str| text.parse().expect("an address");
        Self { clients: addr(clients), push: addr(push) }
    }
}

/// A hundred handshakes a second of an address, with two lines each, and those of the other client.
const CONNECTING: usize = 1500;
/// Likewise, and what its functions print: a line for each client, and 500 in ten seconds for frames.
const PRINTING: usize = 3000;
const QUIET: usize = 200;

/// All of them: name, what is done, megabytes, lines.
pub const ATTACKS: [Attack; 13] = [
    attack("idle-connections", |to| Box::pin(many(2000, move || hold(to.clients, b""))), 100, QUIET),
    attack("plain-gets", |to| Box::pin(many(1000, move || hold(to.clients, GET))), 100, QUIET),
    attack("large-heads", |to| Box::pin(many(400, move || head(to.clients))), 100, QUIET),
    attack("idle-look-ups", |to| Box::pin(many(2000, move || hold(to.push, LOOK_UP))), 100, QUIET),
    attack("slow-bodies", |to| Box::pin(many(500, move || drip(to.push))), 100, QUIET),
    attack("large-bodies", |to| Box::pin(many(50, move || body(to.clients))), 150, QUIET),
    attack("continuations", |to| Box::pin(many(4, move || continuations(to.clients))), 50, CONNECTING),
    // Twice `unfinished_bytes`, as docs/in-production.md says, and a quarter of it.
    attack("unfinished-messages", |to| Box::pin(many(100, move || unfinished(to.clients))), 700, CONNECTING),
    attack("long-errors", |to| Box::pin(many(8, move || long_error(to.clients))), 250, QUIET),
    attack("leaving", |to| Box::pin(many(20, move || leaving(to.clients))), 100, PRINTING),
    attack("failing-backend", |to| Box::pin(many(50, move || again(to.clients, "/failing"))), 50, QUIET),
    attack("handshakes", |to| Box::pin(many(50, move || again(to.clients, "/echo"))), 50, CONNECTING),
    attack("malformed-handshakes", |to| Box::pin(many(50, move || malformed(to.clients))), 50, QUIET),
];

const fn attack(
    name: &'static str,
    how: fn(Target) -> BoxFuture<'static, ()>,
    grows_mb: usize,
    log_lines: usize,
) -> Attack {
    Attack { name, how, grows_mb, log_lines }
}

pub fn named(name: &str) -> &'static Attack {
    ATTACKS.iter().find(|attack| attack.name == name).unwrap_or_else(|| panic!("there is no attack {name}"))
}

impl Attack {
    pub async fn run(&self, target: Target) {
        let _ = timeout(LONGEST, (self.how)(target)).await;
    }
}

/// So many attackers at once, each of which begins again when it is thrown out.
async fn many<F: Future<Output = Option<()>>>(count: usize, attacker: impl Fn() -> F) {
    let forever = || async {
        loop {
            attacker().await;
            sleep(AGAIN).await;
        }
    };
    join_all((0..count).map(|_| forever())).await;
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: attack\r\n\r\n";
const LOOK_UP: &[u8] = b"GET /api-local?secConnectionID=x HTTP/1.1\r\nHost: attack\r\n\r\n";

/// Sends this and holds the connection.
async fn hold(to: SocketAddr, bytes: &[u8]) -> Option<()> {
    let mut stream = raw::connect(to).await?;
    stream.write_all(bytes).await.ok()?;
    raw::drain(stream).await;
    Some(())
}

/// A head that does not end.
async fn head(to: SocketAddr) -> Option<()> {
    let mut stream = raw::connect(to).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nCookie: ").await.ok()?;
    stream.write_all(&vec![b'x'; 380_000]).await.ok()?;
    raw::drain(stream).await;
    Some(())
}

/// A push whose body comes a byte at a time.
async fn drip(to: SocketAddr) -> Option<()> {
    let mut stream = raw::connect(to).await?;
    let head = "POST /api-local HTTP/1.1\r\nHost: attack\r\nContent-Length: 1000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.ok()?;
    loop {
        stream.write_all(b" ").await.ok()?;
        sleep(Duration::from_secs(1)).await;
    }
}

/// A body that nobody has asked for, where clients connect.
async fn body(to: SocketAddr) -> Option<()> {
    let mut stream = raw::connect(to).await?;
    let head = "POST /api-local HTTP/1.1\r\nHost: attack\r\nContent-Length: 8000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(&vec![b' '; 8_000_000]).await.ok()?;
    raw::answer(&mut stream).await?;
    Some(())
}

/// A message of fragments without end and without content.
async fn continuations(to: SocketAddr) -> Option<()> {
    let mut stream = raw::open(to, "/echo").await?;
    stream.write_all(&raw::frame(TEXT, b"")).await.ok()?;
    let fragments = raw::frame(CONTINUATION, b"").repeat(10_000);
    loop {
        stream.write_all(&fragments).await.ok()?;
    }
}

/// A message that lacks its last byte.
async fn unfinished(to: SocketAddr) -> Option<()> {
    const BYTES: usize = 6 << 20;
    let mut stream = raw::open(to, "/echo").await?;
    stream.write_all(&raw::frame_head(TEXT | FINAL, BYTES as u64)).await.ok()?;
    stream.write_all(&vec![b'x'; BYTES - 1]).await.ok()?;
    raw::drain(stream).await;
    Some(())
}

/// A frame of 5 MB that the function quotes in its error.
async fn long_error(to: SocketAddr) -> Option<()> {
    let mut stream = raw::open(to, "/quoting").await?;
    stream.write_all(&raw::frame(TEXT | FINAL, &vec![b'x'; 5_000_000])).await.ok()?;
    raw::drain(stream).await;
    Some(())
}

/// Leaves while its frames are still echoed.
async fn leaving(to: SocketAddr) -> Option<()> {
    let mut stream = raw::open(to, "/bootstrap").await?;
    stream.write_all(&raw::frame(TEXT | FINAL, b"x").repeat(90)).await.ok()
}

/// Connects and leaves.
async fn again(to: SocketAddr, path: &str) -> Option<()> {
    raw::open(to, path).await?;
    Some(())
}

async fn malformed(to: SocketAddr) -> Option<()> {
    let mut stream = raw::connect(to).await?;
    stream.write_all(raw::handshake("/echo", 8).as_bytes()).await.ok()?;
    raw::answer(&mut stream).await?;
    Some(())
}
