//! One request: a WebSocket until its end, or a plain request and its answer.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, tcp::OwnedReadHalf},
    time::{sleep_until, timeout},
};

use super::{
    Platform, Rules, SECRETS,
    frames::{Frames, Passed},
};

/// What is read late is counted late: by so much.
const LATENESS: Duration = Duration::from_secs(1);
const HEAD_BYTES: usize = 64 * 1024;

pub(super) async fn run(platform: &Platform, mut client: TcpStream, number: usize) {
    let Some((head, rest)) = head(&mut client).await else { return };
    let is_websocket = head.to_ascii_lowercase().contains("\r\nupgrade: websocket");
    let place = platform.place().await;
    let Ok(mut server) = TcpStream::connect(&place.instance.address).await else {
        return platform.violation(format!("invocation {number}: the instance refuses the connection"));
    };
    let _ = server.set_nodelay(true);
    let _ = client.set_nodelay(true);
    let sent = async {
        server.write_all(with_headers(&head, number, is_websocket).as_bytes()).await?;
        server.write_all(&rest).await
    };
    if sent.await.is_err() {
        return platform.violation(format!("invocation {number}: the instance ends the connection"));
    }
    if is_websocket {
        platform.count("connections");
        let mut connection = Connection::new(platform, number);
        if let Some(end) = connection.relay(client, server).await {
            platform.count(format!("ended: {end}"));
        }
    } else {
        platform.count("other requests");
        let answered = tokio::io::copy_bidirectional(&mut client, &mut server);
        let _ = timeout(platform.rules().time_limit, answered).await;
    }
}

/// A request's or answer's head with the empty line, and what came behind it.
async fn head(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut seen = Vec::new();
    loop {
        if let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = seen.split_off(end + 4);
            return Some((String::from_utf8_lossy(&seen).into_owned(), rest));
        }
        let mut buffer = [0; 4096];
        let count =
            stream.read(&mut buffer).await.ok().filter(|count| *count > 0 && seen.len() < HEAD_BYTES)?;
        seen.extend_from_slice(&buffer[..count]);
    }
}

/// The head with what the platform adds.
fn with_headers(head: &str, number: usize, is_websocket: bool) -> String {
    let head = head.trim_end_matches("\r\n");
    let [id, key, token] = SECRETS;
    // One request a connection, whose end is then its answer's.
    let close = if is_websocket { "" } else { "Connection: close\r\n" };
    format!(
        "{head}\r\n{close}X-Scf-Request-Id: invocation-{number}\r\nX-Scf-Remote-Addr: 203.0.113.{}\r\n\
         X-Scf-Secret-Id: {id}\r\nX-Scf-Secret-Key: {key}\r\nX-Scf-Session-Token: {token}\r\n\r\n",
        number % 250
    )
}

struct Connection<'p> {
    platform: &'p Platform,
    number: usize,
    begun: Instant,
    last_message: Instant,
    to_client: Rate,
    closed_by_server: bool,
    closed_by_client: bool,
}

impl<'p> Connection<'p> {
    fn new(platform: &'p Platform, number: usize) -> Self {
        let now = Instant::now();
        Self {
            platform,
            number,
            begun: now,
            last_message: now,
            to_client: Rate::new(now),
            closed_by_server: false,
            closed_by_client: false,
        }
    }

    /// Passes everything on until the invocation's end, whose status it returns; `None` if the handshake was refused.
    async fn relay(&mut self, client: TcpStream, mut server: TcpStream) -> Option<&'static str> {
        let limit = sleep_until((self.begun + self.platform.rules().time_limit).into());
        let answered = tokio::select! {
            answered = head(&mut server) => answered,
            () = limit => None,
        };
        let Some((answer, rest)) = answered else {
            self.violation("439: the instance does not answer the handshake");
            return Some("439");
        };
        let (mut from_client, mut to_client) = client.into_split();
        to_client.write_all(answer.as_bytes()).await.ok()?;
        if !answer.starts_with("HTTP/1.1 101") {
            self.platform.count(format!("refused: {}", answer.lines().next().unwrap_or_default()));
            let _ = to_client.write_all(&rest).await;
            let _ = timeout(Duration::from_secs(2), tokio::io::copy(&mut server, &mut to_client)).await;
            return None;
        }
        let (mut from_server, mut to_server) = server.into_split();
        let (mut client_frames, mut server_frames) = (Frames::default(), Frames::default());
        self.of_server(&server_frames.feed(&rest));
        to_client.write_all(&rest).await.ok()?;
        loop {
            // Both have sent their close frame: the invocation is over, whatever the instance still has to do.
            if self.closed_by_client && self.closed_by_server {
                return Some("closed");
            }
            let rules = self.platform.rules();
            let (limit, idle) = (self.begun + rules.time_limit, self.last_message + rules.idle);
            tokio::select! {
                read = read(&mut from_server) => match read {
                    Some(bytes) => {
                        self.of_server(&server_frames.feed(&bytes));
                        // A client that is gone is noticed by its own direction.
                        let _ = to_client.write_all(&bytes).await;
                    }
                    None if self.closed_by_server => return Some("closed"),
                    None => {
                        self.violation("439: the instance ended the connection without a close frame");
                        return Some("439");
                    }
                },
                read = read(&mut from_client) => match read {
                    Some(bytes) => {
                        self.of_client(&client_frames.feed(&bytes));
                        let _ = to_server.write_all(&bytes).await;
                    }
                    None if self.closed_by_server => return Some("closed"),
                    None => return Some("456: the client has gone"),
                },
                () = sleep_until(limit.into()) => {
                    self.violation("433: open until the time limit");
                    return Some("433");
                }
                () = sleep_until(idle.into()) => {
                    self.violation("455: open until the idle time");
                    return Some("455");
                }
            }
        }
    }

    fn of_server(&mut self, passed: &[Passed]) {
        for frame in passed {
            match frame {
                Passed::Message(bytes) => {
                    self.last_message = Instant::now();
                    let rules = self.platform.rules();
                    if *bytes > rules.message_bytes {
                        self.violation(&format!("439: a message of {bytes} bytes to the client"));
                    }
                    if let Some(what) = self.to_client.add(*bytes, rules) {
                        self.violation(&what);
                    }
                }
                Passed::Close(code) => {
                    self.closed_by_server = true;
                    let code = code.unwrap_or(1005);
                    self.platform.count(format!("close code {code} of the gateway"));
                    if ![1000, 1010, 1011].contains(&code) {
                        self.violation(&format!("439: the close code {code}"));
                    }
                }
                Passed::Control => {}
            }
        }
    }

    fn of_client(&mut self, passed: &[Passed]) {
        for frame in passed {
            match frame {
                Passed::Message(_) => self.last_message = Instant::now(),
                Passed::Close(_) => self.closed_by_client = true,
                Passed::Control => {}
            }
        }
    }

    fn violation(&self, what: &str) {
        let after = self.begun.elapsed().as_secs_f64();
        self.platform.violation(format!("invocation {}, {after:.1} s old: {what}", self.number));
    }
}

/// When the platform has let through what was sent so far: by the number of the messages, and by their bytes.
#[derive(Debug)]
struct Rate {
    messages: Instant,
    bytes: Instant,
}

impl Rate {
    fn new(at: Instant) -> Self {
        Self { messages: at, bytes: at }
    }

    fn add(&mut self, bytes: u64, rules: &Rules) -> Option<String> {
        let now = Instant::now();
        let early = self.messages.max(self.bytes).saturating_duration_since(now);
        let second = Duration::from_secs(1);
        self.messages = self.messages.max(now) + second / rules.messages_per_second;
        self.bytes = self.bytes.max(now) + Duration::from_secs(bytes) / rules.bytes_per_second;
        (early > LATENESS).then(|| {
            format!("a message of {bytes} bytes to the client, {early:?} before the earlier ones are through")
        })
    }
}

/// What has arrived; `None` at the end.
async fn read(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 16 * 1024];
    let count = from.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
    buffer.truncate(count);
    Some(buffer)
}
