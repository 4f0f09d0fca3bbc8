//! What the clients have seen, as they saw it.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    time::Instant,
};

use crate::{logged, runs::RunId};

/// One connection of a client: its clients are numbered, and so are a client's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LifeId {
    pub client: usize,
    pub number: usize,
}

/// The path on which the connection is opened; the gateway's log repeats it.
impl fmt::Display for LifeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "/{}-{}", self.client, self.number)
    }
}

/// A frame, by the connection that sent it and its number there. Its text is the whole frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId {
    pub life: LifeId,
    pub number: usize,
}

impl fmt::Display for FrameId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}-{}", self.life.client, self.life.number, self.number)
    }
}

impl LifeId {
    /// The connection of this path.
    pub fn parse(path: &str) -> Option<Self> {
        let (client, number) = path.strip_prefix('/')?.split_once('-')?;
        Some(Self { client: client.parse().ok()?, number: number.parse().ok()? })
    }
}

impl FrameId {
    /// The frame of this text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('-').map(|number| number.parse().ok());
        let (client, life, number) = (numbers.next()??, numbers.next()??, numbers.next()??);
        let life = LifeId { client, number: life };
        numbers.next().is_none().then_some(Self { life, number })
    }
}

/// A connection from the client's side.
#[derive(Debug)]
pub struct Life {
    /// The gateway's process.
    pub run: RunId,
    /// The handshake was over by then.
    pub opened: Instant,
    /// From then on the client may have missed something; `None`: it is still open.
    pub ended: Option<Instant>,
    /// Whether the client itself has cut the line, so that what it sent last may not have arrived.
    pub cut: bool,
    /// When the frames of this connection were sent.
    pub sent: Vec<Instant>,
    /// What was received, and when, in order.
    pub received: Vec<(FrameId, Instant)>,
    /// Likewise, of the pushes that no client has caused.
    pub pushed: Vec<(usize, Instant)>,
    /// What was received and is no frame of this test.
    pub foreign: Vec<String>,
}

/// All connections that were opened, and why others were not.
#[derive(Debug, Clone, Default)]
pub struct Journal(Arc<Mutex<Pages>>);

#[derive(Debug, Default)]
pub struct Pages {
    pub lives: BTreeMap<LifeId, Life>,
    /// Refused handshakes, by their answer.
    pub refused: BTreeMap<String, usize>,
}

impl Journal {
    pub fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().expect("not poisoned")
    }

    pub fn opened(&self, id: LifeId, run: RunId) {
        let life = Life {
            run,
            opened: Instant::now(),
            ended: None,
            cut: false,
            sent: Vec::new(),
            received: Vec::new(),
            pushed: Vec::new(),
            foreign: Vec::new(),
        };
        self.pages().lives.insert(id, life);
    }

    pub fn refused(&self, why: String) {
        *self.pages().refused.entry(why).or_default() += 1;
    }

    pub fn received(&self, id: LifeId, text: &str) {
        self.on(id, |life| match (FrameId::parse(text), logged::push_number(text)) {
            (Some(frame), _) => life.received.push((frame, Instant::now())),
            (None, Some(number)) => life.pushed.push((number, Instant::now())),
            (None, None) => life.foreign.push(text.to_owned()),
        });
    }

    /// Notes that a frame is about to be sent, and gives its name.
    pub fn sends(&self, id: LifeId) -> FrameId {
        self.on(id, |life| {
            life.sent.push(Instant::now());
            FrameId { life: id, number: life.sent.len() - 1 }
        })
    }

    /// The first end counts.
    pub fn ended(&self, id: LifeId, cut: bool) {
        self.on(id, |life| {
            life.cut |= cut && life.ended.is_none();
            life.ended.get_or_insert_with(Instant::now);
        });
    }

    /// Whether this connection is open as far as its client knows.
    pub fn is_open(&self, id: LifeId) -> bool {
        self.pages().lives.get(&id).is_some_and(|life| life.ended.is_none())
    }

    fn on<T>(&self, id: LifeId, note: impl FnOnce(&mut Life) -> T) -> T {
        note(self.pages().lives.get_mut(&id).expect("a connection is opened first"))
    }
}
