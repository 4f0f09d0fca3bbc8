//! The gateway's process with the functions of an example, and its clients.

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

/// A running gateway, killed on drop.
pub struct Gateway {
    child: Child,
    client_url: String,
    log: NamedTempFile,
}

impl Gateway {
    /// Starts the gateway with the functions of this example and variables for them.
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
        let client_url = lines.map_while(Result::ok).find_map(|line| {
            let address = line.strip_prefix("clients")?.trim().trim_end_matches('/').to_owned();
            Some(address)
        });
        let Some(client_url) = client_url else {
            let _ = child.kill();
            panic!("the gateway printed no address for clients");
        };
        Self { child, client_url, log }
    }

    /// Connects a client to this path, which may include a query.
    pub async fn connect(&self, path: &str) -> Client {
        self.try_connect(path).await.expect("the client is accepted")
    }

    pub async fn try_connect(&self, path: &str) -> Result<Client, Error> {
        let uri = format!("{}{path}", self.client_url).parse().expect("a URI");
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

    /// Sends a text frame and returns the next one.
    pub async fn ask(&mut self, text: &str) -> String {
        self.send(text).await;
        self.next().await
    }

    pub async fn close(mut self) {
        let closed = timeout(TIMEOUT, self.0.close()).await;
        closed.expect("closed in time").expect("closed");
    }
}
