//! The heartbeat of an open connection: pings, the idle time-out, and the detection of clients that have vanished.

use std::{num::NonZeroU32, time::Duration};

use tokio::time::Instant;

use super::close_reason::End;
use crate::connection::limits::Limit;

/// A client that sends all the time and answers none of so many pings in a row does not read.
const MAX_UNANSWERED_PINGS: u32 = 6;

/// When the connection last carried something.
#[derive(Debug)]
pub(super) struct Heartbeat {
    idle: Millis,
    interval: Millis,
    /// When a data frame last went through, in either direction.
    data: Instant,
    /// When bytes of the client last arrived.
    heard: Instant,
    next_ping: Instant,
    /// Backpressure: the connection is not read, and silence then says nothing about the client.
    not_reading: bool,
    unanswered_pings: u32,
    /// Until when the message that has begun to arrive must be complete.
    message_due: Option<Instant>,
    message_seconds: NonZeroU32,
}

/// A duration of at most seven weeks, in a quarter of the memory.
#[derive(Debug, Clone, Copy)]
struct Millis(u32);

impl Millis {
    fn of(duration: Duration) -> Self {
        Self(u32::try_from(duration.as_millis()).unwrap_or(u32::MAX))
    }

    fn get(self) -> Duration {
        Duration::from_millis(self.0.into())
    }
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Ping,
    End(End),
}

impl Heartbeat {
    /// Of a connection that is opened now. Pings go out often enough to find a vanished client within the idle time-out.
    pub(super) fn new(idle: Duration, ping_interval: Duration, message_seconds: NonZeroU32) -> Self {
        let (now, interval) = (Instant::now(), (idle / 2).min(ping_interval));
        Self {
            idle: Millis::of(idle),
            interval: Millis::of(interval),
            data: now,
            heard: now,
            next_ping: now + interval,
            not_reading: false,
            unanswered_pings: 0,
            message_due: None,
            message_seconds,
        }
    }

    /// Whether a message, or a frame of any kind, has begun to arrive and is not complete.
    pub(super) fn message(&mut self, is_unfinished: bool) {
        if !is_unfinished {
            self.message_due = None;
        } else if self.message_due.is_none() {
            self.message_due = Some(self.next_message_due());
        }
    }

    fn next_message_due(&self) -> Instant {
        Instant::now() + Duration::from_secs(self.message_seconds.get().into())
    }

    /// A data frame went through, in either direction.
    pub(super) fn data(&mut self, now: Instant) {
        self.data = now;
    }

    /// Bytes of the client have arrived. A large message is a sign of life before it is complete.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// The client has answered a ping, or had no chance to.
    pub(super) fn pong(&mut self) {
        self.unanswered_pings = 0;
    }

    /// How many pings in a row are unanswered, if they are too many.
    pub(super) fn too_many_unanswered(&self) -> Option<u32> {
        (self.unanswered_pings >= MAX_UNANSWERED_PINGS).then_some(self.unanswered_pings)
    }

    /// What the client sends is not read for now, so that its silence and unanswered pings say nothing.
    pub(super) fn pause(&mut self) {
        self.not_reading = true;
    }

    /// The connection is read.
    pub(super) fn resume(&mut self) {
        if std::mem::take(&mut self.not_reading) {
            self.heard = Instant::now();
            self.message_due = self.message_due.map(|_| self.next_message_due());
            self.pong();
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.not_reading
    }

    /// When something is due at the earliest.
    pub(super) fn next(&self) -> Instant {
        let next = self.next_ping.min(self.data + self.idle.get());
        self.message_due.filter(|_| !self.not_reading).map_or(next, |due| next.min(due))
    }

    /// Finds a connection that carries no data, and one whose client gives no sign of life: pings go out, and after two
    /// intervals without anything received the connection counts as lost, though TCP has reported nothing.
    pub(super) fn look(&mut self, now: Instant) -> Due {
        if now >= self.data + self.idle.get() {
            return Due::End(End::idle(self.idle.get()));
        }
        if self.message_due.is_some_and(|due| now >= due && !self.not_reading) {
            return Due::End(End::limit(Limit::MessageSeconds(self.message_seconds)));
        }
        if now < self.next_ping {
            return Due::Nothing;
        }
        let silent = now.saturating_duration_since(self.heard);
        if silent >= self.interval.get() * 2 && !self.not_reading {
            return Due::End(End::silent(silent));
        }
        self.unanswered_pings += 1;
        self.next_ping = now + self.interval.get();
        Due::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::websocket::close_reason::CloseReason;

    const IDLE: Duration = Duration::from_mins(10);
    const INTERVAL: Duration = Duration::from_secs(20);

    const MESSAGE_SECONDS: NonZeroU32 = NonZeroU32::MIN.saturating_add(29);

    fn heartbeat(idle: Duration) -> Heartbeat {
        Heartbeat::new(idle, INTERVAL, MESSAGE_SECONDS)
    }

    fn ended(due: Due) -> Option<CloseReason> {
        if let Due::End(end) = due { Some(end.reason) } else { None }
    }

    #[tokio::test(start_paused = true)]
    async fn pings_go_out_until_nothing_is_heard_for_two_intervals() {
        let mut heartbeat = heartbeat(IDLE);
        let opened = Instant::now();
        assert_eq!(heartbeat.next(), opened + INTERVAL);
        assert_eq!(heartbeat.look(opened), Due::Nothing);
        assert_eq!(heartbeat.look(opened + INTERVAL), Due::Ping);
        assert_eq!(ended(heartbeat.look(opened + INTERVAL * 2)), Some(CloseReason::Unresponsive));
        heartbeat.heard(opened + INTERVAL);
        assert_eq!(heartbeat.look(opened + INTERVAL * 2), Due::Ping);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_says_nothing_while_the_connection_is_not_read() {
        let mut heartbeat = heartbeat(IDLE);
        let opened = Instant::now();
        heartbeat.pause();
        for pings in 1..10 {
            assert_eq!(heartbeat.look(opened + INTERVAL * pings), Due::Ping);
        }
        assert_eq!(heartbeat.too_many_unanswered(), Some(9));
        tokio::time::advance(INTERVAL * 9).await;
        heartbeat.resume();
        assert_eq!(heartbeat.too_many_unanswered(), None);
        assert_eq!(heartbeat.look(opened + INTERVAL * 10), Due::Ping);
    }

    #[tokio::test(start_paused = true)]
    async fn data_postpones_the_idle_time_out_and_pings_come_twice_within_it() {
        let idle = Duration::from_secs(4);
        let mut heartbeat = heartbeat(idle);
        let opened = Instant::now();
        assert_eq!(heartbeat.next(), opened + idle / 2);
        assert_eq!(heartbeat.look(heartbeat.next()), Due::Ping);
        heartbeat.heard(opened + idle / 2);
        heartbeat.data(opened + Duration::from_secs(3));
        assert_eq!(heartbeat.look(opened + idle), Due::Ping);
        let end = opened + Duration::from_secs(7);
        heartbeat.heard(end);
        assert_eq!(ended(heartbeat.look(end)), Some(CloseReason::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_has_its_time_unless_the_connection_is_not_read() {
        let mut heartbeat = heartbeat(IDLE);
        let opened = Instant::now();
        let due = opened + Duration::from_secs(30);
        heartbeat.heard(due);
        heartbeat.message(true);
        tokio::time::advance(Duration::from_secs(10)).await;
        heartbeat.message(true);
        assert_eq!(heartbeat.look(opened + INTERVAL), Due::Ping);
        assert_eq!(heartbeat.next(), due);
        assert_eq!(ended(heartbeat.look(due)), Some(CloseReason::MessageTimedOut));
        heartbeat.pause();
        assert_eq!(heartbeat.look(due), Due::Nothing);
        heartbeat.resume();
        assert_eq!(heartbeat.look(due), Due::Nothing);
        heartbeat.heard(opened + INTERVAL * 2);
        assert_eq!(ended(heartbeat.look(opened + INTERVAL * 2)), Some(CloseReason::MessageTimedOut));
        heartbeat.message(false);
        assert_eq!(heartbeat.look(opened + INTERVAL * 2), Due::Ping);
    }
}
