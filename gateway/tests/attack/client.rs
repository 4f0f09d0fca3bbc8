//! The other client: how long its echoes take, and whether a further one is accepted.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use scf_websocket_test_harness::Gateway;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_websockets::{ClientBuilder, MaybeTlsStream, Message, WebSocketStream};

/// Below the default of `frames_per_second`.
const BETWEEN_ECHOES: Duration = Duration::from_millis(15);
const BETWEEN_HANDSHAKES: Duration = Duration::from_millis(100);
/// An echo or a handshake that takes longer is lost.
const LOST: Duration = Duration::from_secs(2);

pub type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Connects as everybody does; `None` if that is refused, or takes too long.
pub async fn connect(gateway: &Gateway) -> Option<Client> {
    let uri = format!("{}/echo", gateway.clients.trim_end_matches('/')).parse().expect("an address");
    let connected = timeout(LOST, ClientBuilder::from_uri(uri).connect()).await;
    connected.ok()?.ok().map(|(client, _)| client)
}

/// Further clients, one after the other: how many came, and how many of them were refused.
pub async fn handshakes(gateway: &Gateway, during: Duration) -> (usize, usize) {
    let (end, mut came, mut refused) = (Instant::now() + during, 0, 0);
    while Instant::now() < end {
        came += 1;
        match connect(gateway).await {
            Some(mut client) => _ = timeout(LOST, client.close()).await,
            None => refused += 1,
        }
        sleep(BETWEEN_HANDSHAKES).await;
    }
    (came, refused)
}

/// How long echoes took, the shortest first.
pub struct Echoes(Vec<Duration>);

impl Echoes {
    pub async fn of(client: &mut Client, during: Duration) -> Self {
        let begun = Instant::now();
        let mut took = Vec::new();
        let mut next = begun;
        while begun.elapsed() < during {
            sleep_until(next).await;
            let sent = Instant::now();
            next = sent + BETWEEN_ECHOES;
            took.push(echo(client, &took.len().to_string()).await.map_or(LOST, |()| sent.elapsed()));
        }
        took.sort_unstable();
        Self(took)
    }

    pub fn median(&self) -> Duration {
        self.0[self.0.len() / 2]
    }

    pub fn worst(&self) -> Duration {
        self.0[self.0.len() - 1]
    }
}

/// `None` if it is lost, as when the connection is.
async fn echo(client: &mut Client, text: &str) -> Option<()> {
    let exchange = async {
        client.send(Message::text(text.to_owned())).await.ok()?;
        while let Some(Ok(message)) = client.next().await {
            // A late echo of an earlier text is not this one's.
            if message.as_text() == Some(text) {
                return Some(());
            }
        }
        // Each lost echo takes its time.
        sleep(LOST).await;
        None
    };
    timeout(LOST, exchange).await.ok()?
}
