//! The gateway as a process, with the functions of an example, and clients of it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tempfile::NamedTempFile;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_websockets::{ClientBuilder, Error, MaybeTlsStream, Message, WebSocketStream};

use super::programs;

/// Turns a hang into a failure.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A running gateway. It is killed when it is dropped.
pub struct Gateway {
    child: Child,
    clients: String,
    log: NamedTempFile,
}

impl Gateway {
    /// Starts it with this example and these variables for it.
    pub fn with_example(name: &str, env: &[(&str, &str)]) -> Self {
        let variables = env.iter().flat_map(|(name, value)| ["--env".to_owned(), format!("{name}={value}")]);
        let log = NamedTempFile::new().expect("a log file");
        let mut child = Command::new(programs::gateway())
            .args(["--listen", "127.0.0.1:0", "--bootstrap"])
            .arg(programs::example(name))
            .args(variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.reopen().expect("the log file"))
            .spawn()
            .expect("the gateway starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let clients = lines.map_while(Result::ok).find_map(|line| {
            let address = line.strip_prefix("clients")?.trim().trim_end_matches('/').to_owned();
            Some(address)
        });
        let Some(clients) = clients else {
            let _ = child.kill();
            panic!("the gateway printed no address for clients");
        };
        Self { child, clients, log }
    }

    /// Connects a client to a path, with its query.
    pub async fn connect(&self, path: &str) -> Client {
        self.try_connect(path).await.expect("the client is accepted")
    }

    pub async fn try_connect(&self, path: &str) -> Result<Client, Error> {
        let uri = format!("{}{path}", self.clients).parse().expect("a URI");
        let connecting = async { ClientBuilder::from_uri(uri).connect().await };
        let (socket, _) = timeout(TIMEOUT, connecting).await.expect("an answer in time")?;
        Ok(Client(socket))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the gateway's log:\n{}", fs::read_to_string(self.log.path()).unwrap_or_default());
        }
    }
}

/// A client of the gateway.
pub struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    pub async fn send(&mut self, text: &str) {
        let sent = timeout(TIMEOUT, self.0.send(Message::text(text.to_owned()))).await;
        sent.expect("sent in time").expect("sent");
    }

    /// The next text frame.
    pub async fn next(&mut self) -> String {
        loop {
            let message = timeout(TIMEOUT, self.0.next()).await.expect("a frame in time");
            let message = message.expect("an open connection").expect("a valid frame");
            if let Some(text) = message.as_text() {
                return text.to_owned();
            }
        }
    }

    /// Sends a line and gives the next text frame.
    pub async fn ask(&mut self, text: &str) -> String {
        self.send(text).await;
        self.next().await
    }

    pub async fn close(mut self) {
        let closed = timeout(TIMEOUT, self.0.close()).await;
        closed.expect("closed in time").expect("closed");
    }
}
