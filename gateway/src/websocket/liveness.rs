//! The heartbeat of an open connection: pings, the idle time-out, and the detection of clients that have vanished.

use std::{
    pin::pin,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::close_reason::End;
use crate::http::Activity;

/// A client that sends all the time and answers none of so many pings in a row does not read.
const MAX_UNANSWERED_PINGS: u32 = 6;

/// When the connection last carried something. Shared by reader, writer and watch, within one task.
pub(super) struct Heartbeat {
    opened: Instant,
    /// Milliseconds after `opened`.
    data_ms: AtomicU64,
    heard_ms: AtomicU64,
    /// Backpressure: the reader waits, and silence then says nothing about the client.
    not_reading: AtomicBool,
    unanswered_pings: AtomicU32,
    /// Too many events wait, one of them this connection's: no more of its frames are read.
    held: AtomicBool,
    released: Notify,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self {
            opened: Instant::now(),
            data_ms: AtomicU64::new(0),
            heard_ms: AtomicU64::new(0),
            not_reading: AtomicBool::new(false),
            unanswered_pings: AtomicU32::new(0),
            held: AtomicBool::new(false),
            released: Notify::new(),
        }
    }
}

impl Heartbeat {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A data frame went through, in either direction.
    pub(super) fn data(&self) {
        self.data_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// The client gave a sign of life.
    pub(super) fn heard(&self) {
        self.heard_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    fn last_data(&self) -> Instant {
        self.opened + Duration::from_millis(self.data_ms.load(Ordering::Relaxed))
    }

    fn silent_for(&self) -> Duration {
        let heard_ms = self.heard_ms.load(Ordering::Relaxed);
        Duration::from_millis(self.now_ms().saturating_sub(heard_ms))
    }

    /// The client has answered a ping, or had no chance to.
    pub(super) fn pong(&self) {
        self.unanswered_pings.store(0, Ordering::Relaxed);
    }

    /// How many pings in a row are unanswered, if they are too many.
    pub(super) fn too_many_unanswered(&self) -> Option<u32> {
        let unanswered = self.unanswered_pings.load(Ordering::Relaxed);
        (unanswered >= MAX_UNANSWERED_PINGS).then_some(unanswered)
    }

    /// Keeps the reader from reading further frames as long as this takes.
    pub(super) async fn hold<T>(&self, wait: impl Future<Output = T>) -> T {
        self.held.store(true, Ordering::Relaxed);
        let value = wait.await;
        self.held.store(false, Ordering::Relaxed);
        self.released.notify_one();
        value
    }

    pub(super) async fn released(&self) {
        while self.held.load(Ordering::Relaxed) {
            self.released.notified().await;
        }
    }

    /// Waits for something other than the client. What the client sends meanwhile is not read, so that its silence and
    /// unanswered pings say nothing.
    pub(super) async fn while_not_reading<T>(&self, wait: impl Future<Output = T>) -> T {
        let mut wait = pin!(wait);
        if let Some(value) = wait.as_mut().now_or_never() {
            return value;
        }
        self.not_reading.store(true, Ordering::Relaxed);
        let value = wait.await;
        self.heard();
        self.pong();
        self.not_reading.store(false, Ordering::Relaxed);
        value
    }
}

/// Finds a connection that carries no data, and one whose client gives no sign of life: pings go out, and after two
/// intervals without anything received the connection counts as lost, though TCP has reported nothing.
pub(super) async fn watch(
    heartbeat: &Heartbeat,
    activity: &Activity,
    (idle, ping_interval): (Duration, Duration),
    ping: &Notify,
) -> End {
    let interval = (idle / 2).min(ping_interval);
    let mut next_ping = Instant::now() + interval;
    loop {
        sleep_until(next_ping.min(heartbeat.last_data() + idle)).await;
        let now = Instant::now();
        if now >= heartbeat.last_data() + idle {
            return End::idle(idle);
        }
        if now < next_ping {
            continue;
        }
        // A large message is a sign of life before it is complete.
        if activity.take_received() {
            heartbeat.heard();
        }
        if heartbeat.silent_for() >= interval * 2 && !heartbeat.not_reading.load(Ordering::Relaxed) {
            return End::silent(heartbeat.silent_for());
        }
        heartbeat.unanswered_pings.fetch_add(1, Ordering::Relaxed);
        ping.notify_one();
        next_ping = now + interval;
    }
}
