//! What the tests share: the gateway as a process, clients of another implementation than its own, and a look into
//! its log, its time line and what the functions have recorded.

// Each test file uses its part of it.
#![allow(dead_code)]

use std::{
    env,
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_websockets::{ClientBuilder, CloseCode, MaybeTlsStream, Message, WebSocketStream};

/// For whatever must happen soon, on a machine that may be busy.
pub const SOON: Duration = Duration::from_secs(10);

/// A gateway about to be started.
pub struct Setup {
    command: Command,
    folder: PathBuf,
}

/// A running gateway. Dropped, it is killed hard.
pub struct Gateway {
    child: Child,
    folder: PathBuf,
    pub clients: String,
    pub push: String,
    pub page: Option<String>,
}

/// Functions that do as they are told, see the file.
pub fn echo() -> Setup {
    Setup::new("echo.py")
}

/// Functions that are processes of this file among the tests' runtimes.
pub fn runtime(file: &str) -> Setup {
    Setup::new(file)
}

/// Functions that misbehave in this way, in this role only if one is named.
pub fn misbehaving(way: &str, role: Option<&str>) -> Setup {
    let setup = Setup::new("misbehave.py").env("MISBEHAVE", way);
    match role {
        Some(role) => setup.env("MISBEHAVE_ROLE", role),
        None => setup,
    }
}

/// Limits that functions which misbehave in this way run into, and those that behave do not, even on a busy machine.
pub fn limits(way: &str) -> [&'static str; 4] {
    let (init, time) = match way {
        "never ready" => ("2000", "30000"),
        "answers late" | "never asks" => ("30000", "1000"),
        _ => ("30000", "30000"),
    };
    ["--init-timeout", init, "--timeout", time]
}

/// Functions that are processes of the program that `BOOTSTRAP` names, which the caller wants to try.
pub fn bootstrap() -> Setup {
    let path = env::var_os("BOOTSTRAP");
    Setup::of(&PathBuf::from(path.expect("BOOTSTRAP names the program to try; `make` builds and names it")))
}

impl Setup {
    fn new(runtime: &str) -> Self {
        Self::of(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/runtimes").join(runtime))
    }

    fn of(program: &Path) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("gateway-test-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for the test");
        let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
        command.arg("--bootstrap").arg(program);
        // A python3 that is no wrapper script, if there is one, starts sooner.
        let path = env::var("PATH").unwrap_or_default();
        command.env_clear().env("PATH", format!("/usr/bin:/bin:{path}")).env("HOME", &folder);
        let record = format!("RECORD={}", folder.join("record").display());
        command.arg("--env").arg(record);
        Self { command, folder }
    }

    /// Further arguments.
    pub fn args(mut self, args: &[&str]) -> Self {
        self.command.args(args);
        self
    }

    /// A variable for the functions.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.arg("--env").arg(format!("{name}={value}"));
        self
    }

    /// A variable of the gateway's own environment.
    pub fn own_env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts it and waits for its addresses.
    pub fn start(mut self) -> Gateway {
        let log = File::create(self.folder.join("log")).expect("a log file");
        if !self.command.get_args().any(|argument| argument == "--listen") {
            self.command.args(["--listen", "127.0.0.1:0"]);
        }
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = self.command.spawn().expect("the gateway starts");
        let stdout = child.stdout.take().expect("its output is a pipe");
        let mut page = None;
        let mut clients = None;
        for line in BufReader::new(stdout).lines() {
            let line = line.expect("text");
            let (name, address) = line.split_once(' ').expect("a name and an address");
            let address = address.trim().to_owned();
            match name {
                "page" => page = Some(address),
                "clients" => clients = Some(address),
                "push" => {
                    let clients = clients.expect("the clients' address comes before");
                    return Gateway { child, folder: self.folder, clients, push: address, page };
                }
                other => panic!("an unknown address: {other}"),
            }
        }
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        panic!("the gateway gave no addresses:\n{log}");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the gateway's log:\n{}", self.log());
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Gateway {
    /// Opens a connection on this path, which begins with `/`.
    pub async fn connect(&self, path: &str) -> Client {
        self.connect_with(path, &[]).await.expect("the connection is accepted").0
    }

    /// Likewise, with further headers.
    pub async fn connect_with(
        &self,
        path: &str,
        headers: &[(HeaderName, &str)],
    ) -> Result<(Client, HeaderMap), tokio_websockets::Error> {
        let uri = format!("{}{path}", self.clients.trim_end_matches('/')).parse().expect("an address");
        let mut builder = ClientBuilder::from_uri(uri);
        for (name, value) in headers {
            builder = builder.add_header(name.clone(), HeaderValue::from_str(value).expect("a value"))?;
        }
        let (socket, response) = timeout(SOON, builder.connect()).await.expect("an answer in time")?;
        Ok((Client { socket }, response.headers().clone()))
    }

    /// `host:port` of the clients' address.
    pub fn addr(&self) -> &str {
        self.clients.trim_start_matches("ws://").trim_end_matches('/')
    }

    /// Sends a request that asks for an upgrade, with these headers instead of the usual ones of the same names, and
    /// returns the refusal.
    pub async fn ask(&self, path: &str, instead: &[(&str, &str)]) -> Reply {
        let usual = [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let kept = usual.into_iter().filter(|(name, _)| !instead.iter().any(|(other, _)| name == other));
        let headers: Vec<_> = kept.chain(instead.iter().copied()).collect();
        request(self.addr(), "GET", path, &headers, b"").await
    }

    /// Posts a body to the reverse push address.
    pub async fn push(&self, body: &[u8]) -> Reply {
        let rest = self.push.trim_start_matches("http://");
        let (addr, path) = rest.split_once('/').expect("an address with a path");
        request(addr, "POST", &format!("/{path}"), &[("Connection", "close")], body).await
    }

    /// Pushes the inside of `"websocket"`.
    pub async fn push_json(&self, websocket: Value) -> Reply {
        self.push(json!({ "websocket": websocket }).to_string().as_bytes()).await
    }

    /// Lets the functions that hold go on.
    pub fn release(&self) {
        fs::write(self.folder.join("record.released"), "").expect("a file in the test's folder");
    }

    /// What the functions have recorded: one entry an event.
    pub fn record(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.join("record")).unwrap_or_default();
        // The last line may be on its way.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The events of this role.
    pub fn events(&self, role: &str) -> Vec<Value> {
        self.record()
            .into_iter()
            .filter(|entry| entry["role"] == role)
            .map(|entry| entry["event"].clone())
            .collect()
    }

    /// Waits until this role has had that many events and returns them.
    pub async fn wait_for_events(&self, role: &str, count: usize) -> Vec<Value> {
        eventually(&format!("{count} events of {role}"), || {
            let events = self.events(role);
            (events.len() >= count).then_some(events)
        })
        .await
    }

    /// The `gateway_ms` of the traced invocations of this role, what the gateway itself took, once there are so many.
    pub async fn gateway_ms(&self, role: &str, count: usize) -> Vec<f64> {
        let traced = format!("trace role={role} ");
        eventually(&format!("{count} traced invocations of {role}"), || {
            let log = self.log();
            let lines = log.lines().filter(|line| line.contains(&traced));
            let times: Vec<f64> =
                lines.filter_map(|line| line.rsplit_once("gateway_ms=")?.1.trim().parse().ok()).collect();
            (times.len() >= count).then_some(times)
        })
        .await
    }

    /// The log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Waits until the log contains this.
    pub async fn wait_for_log(&self, text: &str) {
        eventually(&format!("a line with {text:?}"), || self.log().contains(text).then_some(())).await;
    }

    /// Waits until the time line contains a record of which this is true, and returns its newest state.
    pub async fn wait_for_record(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut found = None;
        let read = self.read_timeline(|record| {
            let is_wanted = wanted(&record);
            found = is_wanted.then_some(record);
            is_wanted
        });
        let in_time = timeout(SOON, read).await.is_ok();
        found.filter(|_| in_time).unwrap_or_else(|| panic!("no record in the time line: {what}"))
    }

    /// Waits until this is true of the time line's records, each in its newest state, and returns them.
    pub async fn records(&self, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let mut records = std::collections::BTreeMap::new();
        let mut all = Vec::new();
        let read = self.read_timeline(|record| {
            if let Some(id) = record["id"].as_u64() {
                records.insert(id, record);
            }
            all = records.values().cloned().collect();
            wanted(&all)
        });
        let in_time = timeout(SOON, read).await.is_ok();
        assert!(in_time, "the time line has other records: {all:?}");
        all
    }

    /// Reads the time line until the closure has seen enough.
    async fn read_timeline(&self, mut enough: impl FnMut(Value) -> bool) {
        let mut line = TcpStream::connect(self.addr()).await.expect("the address answers");
        let head = format!("GET /timeline HTTP/1.1\r\nHost: {}\r\n\r\n", self.addr());
        line.write_all(head.as_bytes()).await.expect("a request");
        let mut seen = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = line.read(&mut buffer).await.expect("events");
            assert_ne!(count, 0, "the time line ended");
            seen.extend_from_slice(&buffer[..count]);
            while let Some(end) = seen.iter().position(|byte| *byte == b'\n') {
                let rest = seen.split_off(end + 1);
                let data = std::mem::replace(&mut seen, rest);
                let record = data.strip_prefix(b"data: ").map(serde_json::from_slice::<Value>);
                if let Some(Ok(record)) = record
                    && enough(record)
                {
                    return;
                }
            }
        }
    }

    /// The gateway's process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The processes that the gateway has started, its guard included.
    pub fn children(&self) -> Vec<u32> {
        processes(|stat| stat.parent == self.pid())
    }

    /// The function processes of this role, which its functions have recorded.
    pub fn pids(&self, role: &str) -> Vec<u64> {
        let mut pids: Vec<u64> = self
            .record()
            .iter()
            .filter(|entry| entry["role"] == role)
            .filter_map(|entry| entry["pid"].as_u64())
            .collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// Sends it a signal: `TERM`, `INT`, `KILL`.
    pub fn signal(&self, signal: &str) {
        kill(self.pid(), signal);
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        eventually("the gateway's end", || child.try_wait().expect("a child")).await
    }
}

/// Sends a process a signal.
pub fn kill(pid: u32, signal: &str) {
    let status = Command::new("kill").args(["-s", signal, &pid.to_string()]).status().expect("kill");
    assert!(status.success(), "kill -s {signal} {pid}");
}

pub struct Stat {
    pub parent: u32,
    pub zombie: bool,
}

/// Living processes that this is true of.
pub fn processes(wanted: impl Fn(&Stat) -> bool) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| stat(*pid).is_some_and(|stat| wanted(&stat))).collect()
}

/// Whether a process lives.
pub fn lives(pid: u32) -> bool {
    stat(pid).is_some_and(|stat| !stat.zombie)
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may contain anything; what follows it does not.
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    let zombie = fields.next()? == "Z";
    Some(Stat { parent: fields.next()?.parse().ok()?, zombie })
}

/// Waits until the closure returns something.
pub async fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(begun.elapsed() < SOON, "did not happen: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// A client of the gateway.
pub struct Client {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    pub async fn send(&mut self, message: Message) {
        timeout(SOON, self.socket.send(message)).await.expect("sent in time").expect("sent");
    }

    pub async fn send_text(&mut self, text: &str) {
        self.send(Message::text(text.to_owned())).await;
    }

    /// The next data frame or close frame.
    pub async fn next(&mut self) -> Message {
        loop {
            let message = timeout(SOON, self.socket.next()).await.expect("a frame in time");
            let message = message.expect("the line is open").expect("a sound frame");
            if !message.is_ping() && !message.is_pong() {
                return message;
            }
        }
    }

    pub async fn next_text(&mut self) -> String {
        let message = self.next().await;
        message.as_text().unwrap_or_else(|| panic!("a text frame, not {message:?}")).to_owned()
    }

    /// Reads on to the close frame, past whatever comes before it.
    pub async fn closed(&mut self) -> (CloseCode, String) {
        loop {
            if let Some((code, reason)) = self.next().await.as_close() {
                return (code, reason.to_owned());
            }
        }
    }

    /// Reads on to the close frame for a failed transfer, and returns its text without the request id, which the log
    /// has too, on a line with the cause.
    pub async fn failed(&mut self, gateway: &Gateway) -> String {
        let (code, reason) = self.closed().await;
        assert_eq!(code, CloseCode::INTERNAL_SERVER_ERROR, "{reason}");
        let (text, request_id) = reason.split_once(" (request ").expect("a request id");
        let request_id = request_id.strip_suffix(')').expect("a request id");
        assert_eq!(request_id.len(), 36, "{reason}");
        gateway.wait_for_log(&format!("{text} (request {request_id}, connection ")).await;
        text.to_owned()
    }

    /// Closes with 1000 and waits for the gateway's reply.
    pub async fn close(mut self) {
        self.send(Message::close(Some(CloseCode::NORMAL_CLOSURE), "")).await;
        assert_eq!(self.closed().await.0, CloseCode::NORMAL_CLOSURE);
    }

    /// The connection's id, from the echoed answer of a `push` command to nobody.
    pub async fn id(&mut self, gateway: &Gateway) -> String {
        let mark = format!("mark {:p}", &raw const *self);
        self.send_text(&mark).await;
        assert_eq!(self.next_text().await, mark);
        let events = gateway.events("transfer");
        let event =
            events.iter().find(|event| event["websocket"]["data"] == mark.as_str()).expect("recorded");
        event["websocket"]["secConnectionID"].as_str().expect("an id").to_owned()
    }
}

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

    /// The `errNo` of a body in the reverse push address's shape, whose sentence is not empty.
    pub fn err_no(&self) -> i64 {
        let body = self.json();
        assert!(body["errMsg"].as_str().is_some_and(|sentence| !sentence.is_empty()), "{self:?}");
        body["errNo"].as_i64().unwrap_or_else(|| panic!("no errNo: {self:?}"))
    }
}

/// One HTTP request on a line of its own.
pub async fn request(addr: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    use std::fmt::Write as _;
    let mut line = TcpStream::connect(addr).await.expect("the address answers");
    let mut head = format!("{method} {path} HTTP/1.1\r\nContent-Length: {}\r\n", body.len());
    let host = [("Host", addr)].into_iter().filter(|_| !headers.iter().any(|(name, _)| *name == "Host"));
    for (name, value) in host.chain(headers.iter().copied()) {
        write!(head, "{name}: {value}\r\n").expect("a string");
    }
    head += "\r\n";
    line.write_all(head.as_bytes()).await.expect("a request");
    line.write_all(body).await.expect("a body");
    timeout(SOON, answer(&mut line, method != "HEAD")).await.expect("an answer in time")
}

async fn answer(line: &mut TcpStream, with_body: bool) -> Reply {
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
                return Reply { status, head: head.to_owned(), body: body.to_owned() };
            }
        }
        let count = line.read(&mut buffer).await.expect("an answer");
        assert_ne!(count, 0, "the line ended before the answer: {text}");
        seen.extend_from_slice(&buffer[..count]);
    }
}
