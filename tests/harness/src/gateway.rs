//! A running gateway, as a process or in the test's own, and what can be seen of it.

use std::{
    fs,
    path::PathBuf,
    process::{Child, ExitStatus},
    sync::Arc,
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use scf_websocket_gateway::Running;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_websockets::ClientBuilder;

use crate::{
    Client, Reply, SOON, eventually,
    functions::TestFunctions,
    kill, processes, request,
    timeline::{records, wait_for_record},
};

/// A running gateway. Dropped, it is killed.
pub struct Gateway {
    /// Where clients connect, `ws://…/`.
    pub clients: String,
    /// The reverse push address.
    pub push: String,
    /// The page's address, if it is served.
    pub page: Option<String>,
    /// The address of the page for an API's own clients, if it is served.
    pub client_page: Option<String>,
    pub(crate) host: Host,
}

/// Where the gateway runs.
pub(crate) enum Host {
    Process { child: Child, folder: PathBuf },
    InProcess { running: Option<Running>, functions: Arc<dyn TestFunctions> },
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let panicking = std::thread::panicking();
        if let Host::Process { child, folder } = &mut self.host {
            let _ = child.kill();
            let _ = child.wait();
            if panicking {
                let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
                eprintln!("the gateway's log:\n{log}");
            }
            let _ = fs::remove_dir_all(folder);
        }
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

    /// Lets the functions that hold continue.
    pub fn release(&self) {
        match &self.host {
            Host::Process { folder, .. } => {
                fs::write(folder.join("record.released"), "").expect("a file in the test's folder");
            }
            Host::InProcess { functions, .. } => functions.release(),
        }
    }

    /// What the functions have recorded: one entry for each event.
    pub fn record(&self) -> Vec<Value> {
        match &self.host {
            Host::Process { folder, .. } => {
                let text = fs::read_to_string(folder.join("record")).unwrap_or_default();
                // The last line may be on its way.
                text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
            }
            Host::InProcess { functions, .. } => functions.record(),
        }
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

    /// The log so far. Only a gateway that is a process has one of its own.
    pub fn log(&self) -> String {
        let Host::Process { folder, .. } = &self.host else { panic!("a gateway in process has no log") };
        fs::read_to_string(folder.join("log")).unwrap_or_default()
    }

    /// The gateway in process.
    pub fn running(&self) -> &Running {
        let Host::InProcess { running, .. } = &self.host else { panic!("the gateway is a process") };
        running.as_ref().expect("not shut down yet")
    }

    /// The value of this series, with its labels as they are exposed, of a gateway in process.
    pub fn metric(&self, series: &str) -> f64 {
        let text = self.running().metrics().encode().expect("text");
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no series {series} in\n{text}"))
    }

    /// `host:port` of the admin address of a gateway that serves its page there.
    pub fn admin(&self) -> &str {
        let page = self.page.as_ref().expect("a page");
        page.trim_start_matches("http://").trim_end_matches('/')
    }

    /// The value of this series as the admin address exposes it, to whoever has this secret.
    pub async fn exposed(&self, series: &str, secret: &str) -> f64 {
        let headers = [("Authorization", format!("Bearer {secret}"))];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let exposed = request(self.admin(), "GET", "/metrics", &headers, b"").await;
        let value = exposed.body.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {series}: {exposed:?}"))
    }

    /// Waits until a series has this value.
    pub async fn wait_for_metric(&self, series: &str, wanted: f64) {
        eventually(&format!("{series} is {wanted}"), || {
            ((self.metric(series) - wanted).abs() < f64::EPSILON).then_some(())
        })
        .await;
    }

    /// Whether it is a process, with a log of its own.
    pub fn has_log(&self) -> bool {
        matches!(self.host, Host::Process { .. })
    }

    /// Shuts down a gateway in this process, and waits for all its events to end.
    pub async fn shutdown(&mut self) {
        let Host::InProcess { running, .. } = &mut self.host else { panic!("a process ends by a signal") };
        let running = running.take().expect("shut down once");
        timeout(SOON, running.shutdown()).await.expect("shut down in time");
    }

    /// Waits until the log contains this.
    pub async fn wait_for_log(&self, text: &str) {
        eventually(&format!("a line with {text:?}"), || self.log().contains(text).then_some(())).await;
    }

    /// Waits until the timeline contains a record of which this is true, and returns its newest state.
    pub async fn wait_for_record(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        wait_for_record(self.addr(), what, wanted).await
    }

    /// Waits until this is true of the timeline's records, each in its newest state, and returns them.
    pub async fn records(&self, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        records(self.addr(), wanted).await
    }

    /// The gateway's process.
    pub fn pid(&self) -> u32 {
        let Host::Process { child, .. } = &self.host else {
            panic!("a gateway in process has no process id")
        };
        child.id()
    }

    /// The processes that the gateway has started, its orphan reaper included.
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
        let Host::Process { child, .. } = &mut self.host else { panic!("no process") };
        eventually("the gateway's end", || child.try_wait().expect("a child")).await
    }
}
