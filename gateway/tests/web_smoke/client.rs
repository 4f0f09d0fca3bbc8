//! A person in the chat: connects again whenever the connection ends, enters the same room, and says something now and then.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use scf_websocket_test_harness::web_platform::Platform;
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_websockets::{ClientBuilder, CloseCode, MaybeTlsStream, Message, WebSocketStream};

/// In one room nobody receives more than the platform's rate for long.
const PER_ROOM: usize = 10;
/// The number of a silent client's room, and its own.
const ALONE: usize = 1000;
const BETWEEN_LINES: Duration = Duration::from_secs(2);
const HANDSHAKE: Duration = Duration::from_secs(15);
/// How a push from outside begins, which clients of the chat would take for a notice. Its number follows.
pub const PUSHED: &str = "* pushed ";

/// One connection of a client. It is the path on which it is opened, which the gateway's log repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LifeId {
    pub client: usize,
    pub number: usize,
}

impl fmt::Display for LifeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "/{}-{}", self.client, self.number)
    }
}

/// A connection from the client's side.
#[derive(Debug, Clone, Default)]
pub struct Life {
    pub room: usize,
    pub asked: Option<Instant>,
    /// When it was in its room.
    pub entered: Option<Instant>,
    /// When the close frame, the end of the TCP connection or the refusal was seen.
    pub ended: Option<Instant>,
    /// Why, as the client sees it.
    pub how: String,
    /// When it sent each of its frames, lines of the chat included.
    pub frames: Vec<Instant>,
    /// What it said, and as which of its frames.
    pub said: Vec<(String, usize)>,
    /// Every line received that someone said, and when.
    pub heard: Vec<(String, Instant)>,
    /// What was pushed from outside and received.
    pub pushed: Vec<String>,
}

/// All connections that were opened, and the attempts that were refused.
#[derive(Debug, Default)]
pub struct Journal(Mutex<BTreeMap<LifeId, Life>>);

impl Journal {
    pub fn lives(&self) -> BTreeMap<LifeId, Life> {
        self.0.lock().expect("not poisoned").clone()
    }

    fn on<T>(&self, id: LifeId, note: impl FnOnce(&mut Life) -> T) -> T {
        note(self.0.lock().expect("not poisoned").entry(id).or_default())
    }
}

/// How a client leaves before its connection is closed, if it does.
#[derive(Debug, Clone, Copy)]
pub enum Leaves {
    Never,
    /// It says nothing and hears nothing, in a room of its own.
    Silent,
    InOrder,
    WithoutAWord,
}

/// How long a client stays that leaves, and how long it is away.
const STAYS: Duration = Duration::from_secs(5);
const AWAY: Duration = Duration::from_secs(4);

impl Leaves {
    pub fn of(client: usize) -> Self {
        match client % 4 {
            _ if client % PER_ROOM == PER_ROOM - 1 => Self::Silent,
            2 => Self::InOrder,
            3 => Self::WithoutAWord,
            _ => Self::Never,
        }
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub async fn live(client: usize, platform: Platform, journal: Arc<Journal>, is_over: watch::Receiver<bool>) {
    for number in 0.. {
        let id = LifeId { client, number };
        let uri = format!("ws://{}{id}", platform.address()).parse().expect("an address");
        journal.on(id, |life| life.asked = Some(Instant::now()));
        let refused = match timeout(HANDSHAKE, ClientBuilder::from_uri(uri).connect()).await {
            Ok(Ok((socket, _))) => {
                Connection { id, socket, journal: &journal, is_over: is_over.clone() }.talk().await;
                None
            }
            Ok(Err(refused)) => Some(refused.to_string()),
            Err(_) => Some("no answer".to_owned()),
        };
        if let Some(refused) = refused {
            journal.on(id, |life| {
                life.ended = Some(Instant::now());
                life.how = format!("not opened: {refused}");
            });
        }
        if *is_over.borrow() {
            return;
        }
        if matches!(Leaves::of(client), Leaves::InOrder | Leaves::WithoutAWord) {
            sleep(AWAY).await;
        }
        // As examples/reconnecting.js, with what is random there.
        sleep(Duration::from_millis(250 + u64::try_from(client * 37 % 250).expect("small"))).await;
    }
}

struct Connection<'j> {
    id: LifeId,
    socket: Socket,
    journal: &'j Journal,
    is_over: watch::Receiver<bool>,
}

impl Connection<'_> {
    async fn talk(mut self) {
        let leaves = Leaves::of(self.id.client);
        let is_silent = matches!(leaves, Leaves::Silent);
        let room = if is_silent { ALONE + self.id.client } else { self.id.client / PER_ROOM };
        self.journal.on(self.id, |life| life.room = room);
        let name = format!("c{}", self.id.client);
        self.send(&name).await;
        let mut number = 0;
        let first = BETWEEN_LINES / 100 * u32::try_from(self.id.client * 37 % 100).expect("below 100");
        let mut speaks = Instant::now() + first;
        let mut retries = None;
        let leaves_at = Instant::now() + STAYS;
        loop {
            let entered = self.journal.on(self.id, |life| life.entered.is_some());
            tokio::select! {
                () = tokio::time::sleep_until(speaks), if entered && !is_silent && !*self.is_over.borrow() => {
                    let line = format!("{}-{}-{number}", self.id.client, self.id.number);
                    number += 1;
                    speaks = Instant::now() + BETWEEN_LINES;
                    self.journal.on(self.id, |life| life.said.push((line.clone(), life.frames.len())));
                    self.send(&line).await;
                }
                () = tokio::time::sleep_until(leaves_at), if matches!(leaves, Leaves::InOrder | Leaves::WithoutAWord) => {
                    if let Leaves::InOrder = leaves {
                        return self.close().await;
                    }
                    return self.ended("cut by the client".to_owned());
                }
                // The lost connection may still have the name.
                () = tokio::time::sleep_until(retries.unwrap_or(speaks)), if retries.is_some() => {
                    retries = None;
                    self.send(&name).await;
                }
                message = self.socket.next() => match message {
                    Some(Ok(message)) => {
                        if let Some((code, reason)) = message.as_close() {
                            return self.ended(format!("{} {reason}", u16::from(code)));
                        }
                        let Some(text) = message.as_text() else { continue };
                        if let Some(pushed) = text.strip_prefix(PUSHED) {
                            let number = pushed.split(' ').next().unwrap_or_default().to_owned();
                            self.journal.on(self.id, |life| life.pushed.push(number));
                        } else if text.ends_with(" is taken") {
                            retries = Some(Instant::now() + Duration::from_millis(500));
                        } else if text.contains("* welcome to lobby, ") {
                            self.send(&format!("/join r{room}")).await;
                        } else if text.contains(&format!("* welcome to r{room}, ")) {
                            self.journal.on(self.id, |life| life.entered = Some(Instant::now()));
                        } else if let Some((_, said)) = text.split_once(": ").filter(|_| !text.starts_with("* ")) {
                            self.journal.on(self.id, |life| life.heard.push((said.to_owned(), Instant::now())));
                        }
                    }
                    Some(Err(error)) => return self.ended(format!("broken: {error}")),
                    None => return self.ended("ended without a close frame".to_owned()),
                },
                changed = self.is_over.changed() => {
                    if changed.is_err() || *self.is_over.borrow() {
                        return self.close().await;
                    }
                }
            }
        }
    }

    async fn send(&mut self, text: &str) {
        self.journal.on(self.id, |life| life.frames.push(Instant::now()));
        // An end is found by the reader.
        let _ = self.socket.send(Message::text(text.to_owned())).await;
    }

    fn ended(&self, how: String) {
        self.journal.on(self.id, |life| {
            life.ended = Some(Instant::now());
            life.how = how;
        });
    }

    async fn close(mut self) {
        self.ended("closed by the client".to_owned());
        let _ = self.socket.send(Message::close(Some(CloseCode::NORMAL_CLOSURE), "")).await;
        let _ = timeout(HANDSHAKE, async { while let Some(Ok(_)) = self.socket.next().await {} }).await;
    }
}
