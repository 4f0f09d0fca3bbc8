//! All clients, and what happens to them.

use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;

use crate::Result;
use crate::client::{Client, Happening};
use crate::expected::Expected;
use crate::target::Target;

const EVENTS_AT_ONCE: usize = 1024;
const BUFFER: usize = 64 * 1024;

pub struct Crowd {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    buffer: Vec<u8>,
    clients: Vec<Option<Client>>,
    /// The payload whose arrival is [`Happening::Received`].
    pub expected: Expected,
    /// What has happened since this was last cleared, each with the client's index.
    pub happened: Vec<(usize, Happening)>,
    /// Why a connection ended, the first one since the command began.
    pub why_ended: Option<String>,
    pub target: Option<Target>,
    /// Frames with data that were received in all.
    pub frames: u64,
    /// Bytes that were received in all, whatever they are.
    pub bytes: usize,
    /// The network that all clients share takes so many; `None`: as fast as they come.
    pub bytes_per_second: Option<f64>,
}

impl Crowd {
    pub fn new() -> Result<Self> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(EVENTS_AT_ONCE),
            buffer: vec![0; BUFFER],
            clients: Vec::new(),
            expected: Expected::default(),
            happened: Vec::new(),
            why_ended: None,
            target: None,
            frames: 0,
            bytes: 0,
            bytes_per_second: None,
        })
    }

    /// All clients that were ever added since the last `clear`, ended ones included.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    pub fn add(&mut self, client: Client) -> Result<()> {
        let index = self.clients.len();
        epoll::add(&self.epoll, &client, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
        self.clients.push(Some(client));
        Ok(())
    }

    pub fn clear(&mut self) {
        self.clients.clear();
        self.happened.clear();
        self.why_ended = None;
    }

    /// Fails if the client has ended.
    pub fn send(&mut self, index: usize, frame: &[u8]) -> Result<()> {
        let client = self.clients.get_mut(index).and_then(Option::as_mut);
        client.ok_or_else(|| format!("client {index} has ended: {:?}", self.why_ended))?.send(frame)?;
        Ok(())
    }

    /// Waits until something happens, at most until the deadline, and adds it to `happened`.
    pub fn poll(&mut self, deadline: Instant) -> Result<()> {
        let timeout = deadline.saturating_duration_since(Instant::now());
        let timeout =
            Timespec { tv_sec: timeout.as_secs().try_into()?, tv_nsec: timeout.subsec_nanos().into() };
        self.events.clear();
        epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), Some(&timeout))?;
        for event in &self.events {
            let index = usize::try_from(event.data.u64())?;
            let Some(slot) = self.clients.get_mut(index) else { continue };
            let Some(client) = slot else { continue };
            let (happened, frames) = (&mut self.happened, &mut self.frames);
            let read = client.read(&mut self.buffer, &mut self.expected, |what| {
                *frames += u64::from(matches!(what, Happening::Received | Happening::ReceivedOther));
                happened.push((index, what));
            });
            match read {
                Ok(bytes) => {
                    self.bytes += bytes;
                    if let Some(bytes_per_second) = self.bytes_per_second {
                        thread::sleep(Duration::from_secs_f64(float(bytes) / bytes_per_second));
                    }
                }
                Err(e) => {
                    *slot = None;
                    self.happened.push((index, Happening::Ended));
                    self.why_ended.get_or_insert(e.to_string());
                }
            }
        }
        Ok(())
    }

    /// Polls until `done` says so of what happened, or fails at the deadline or at the end of a connection.
    pub fn poll_until(
        &mut self,
        timeout: Duration,
        mut done: impl FnMut(usize, Happening) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + timeout;
        loop {
            self.poll(deadline)?;
            let mut is_done = false;
            for (index, happening) in self.happened.drain(..) {
                is_done |= done(index, happening);
            }
            if let Some(why) = self.why_ended.take() {
                return Err(format!("a connection has ended: {why}").into());
            }
            if is_done {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(format!("not done after {} s", timeout.as_secs_f64()).into());
            }
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "bytes far below 2^52")]
fn float(bytes: usize) -> f64 {
    bytes as f64
}
