//! The clients: each connects, sends now and then, notes what it gets, and connects again when it was thrown out.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_websockets::{ClientBuilder, CloseCode, Error, Message};

use crate::{
    journal::{Journal, LifeId},
    runs::{RunId, Runs},
};

/// A handshake waits for a function that may be paused.
const HANDSHAKE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Frames are sent.
    Sending,
    /// No more are sent; what is under way arrives.
    Settling,
    /// The clients leave.
    Over,
}

/// What chaos has a client do with its connection.
#[derive(Debug, Clone, Copy)]
pub enum Order {
    Close,
    Cut,
}

/// Starts the clients; gives where to send them orders, and their tasks.
pub fn start(
    (count, between_frames): (usize, Duration),
    runs: &Runs,
    journal: &Journal,
    phases: &watch::Receiver<Phase>,
) -> (Vec<mpsc::UnboundedSender<Order>>, Vec<JoinHandle<()>>) {
    let client = |number| {
        let (orders, ordered) = mpsc::unbounded_channel();
        let client = Client {
            number,
            between_frames,
            runs: runs.clone(),
            journal: journal.clone(),
            phases: phases.clone(),
            ordered,
        };
        (orders, tokio::spawn(client.live()))
    };
    (0..count).map(client).unzip()
}

struct Client {
    number: usize,
    /// How often it sends a frame.
    between_frames: Duration,
    runs: Runs,
    journal: Journal,
    phases: watch::Receiver<Phase>,
    ordered: mpsc::UnboundedReceiver<Order>,
}

impl Client {
    async fn live(mut self) {
        for number in 0.. {
            if *self.phases.borrow() != Phase::Sending {
                return;
            }
            if let Some((run, address)) = self.runs.find(self.number + number) {
                self.connection(LifeId { client: self.number, number }, run, &address).await;
            }
            // Not all at once, and at other times each time.
            sleep(Duration::from_millis(200 + u64::try_from(self.number).expect("small") * 7 % 900)).await;
        }
    }

    async fn connection(&mut self, id: LifeId, run: RunId, address: &str) {
        let uri = format!("{address}{id}").parse().expect("an address");
        let builder = ClientBuilder::from_uri(uri);
        let mut socket = match timeout(HANDSHAKE, builder.connect()).await {
            Ok(Ok((socket, _))) => socket,
            Ok(Err(Error::Upgrade(refusal))) => return self.journal.refused(refusal.to_string()),
            Ok(Err(other)) => return self.journal.refused(other.to_string()),
            Err(_) => return self.journal.refused(format!("no answer within {} s", HANDSHAKE.as_secs())),
        };
        self.journal.opened(id, run);
        let first = self.between_frames.mul_f64(fraction(id));
        let mut sends = Instant::now() + first;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(sends), if *self.phases.borrow() == Phase::Sending => {
                    let frame = self.journal.sends(id);
                    sends = Instant::now() + self.between_frames;
                    if socket.send(Message::text(frame.to_string())).await.is_err() {
                        return self.journal.ended(id, false);
                    }
                }
                message = socket.next() => match message {
                    Some(Ok(message)) => match message.as_text() {
                        Some(text) => self.journal.received(id, text),
                        None if message.is_close() => return self.journal.ended(id, false),
                        None => {}
                    },
                    Some(Err(_)) | None => return self.journal.ended(id, false),
                },
                order = self.ordered.recv() => match order {
                    Some(Order::Cut) => return self.journal.ended(id, true),
                    Some(Order::Close) | None => break,
                },
                changed = self.phases.changed() => {
                    if changed.is_err() || *self.phases.borrow() == Phase::Over {
                        break;
                    }
                }
            }
        }
        self.journal.ended(id, false);
        let _ = socket.send(Message::close(Some(CloseCode::NORMAL_CLOSURE), "")).await;
        // To the gateway's own close frame, so that nothing sent before is lost with the line.
        let _ = timeout(Duration::from_secs(10), async {
            while let Some(Ok(message)) = socket.next().await {
                if let Some(text) = message.as_text() {
                    self.journal.received(id, text);
                }
            }
        })
        .await;
    }
}

/// Spreads the clients' first frames over the time between two.
fn fraction(id: LifeId) -> f64 {
    let spread = (id.client * 37 + id.number * 11) % 100;
    f64::from(u32::try_from(spread).expect("below 100")) / 100.0
}
