//! The heartbeat of an open connection: pings, the idle time-out, and the detection of clients that have vanished.

use std::time::Duration;

use tokio::time::Instant;

use super::close_reason::End;

/// A client that sends all the time and answers none of so many pings in a row does not read.
const MAX_UNANSWERED_PINGS: u32 = 6;

/// When the connection last carried something.
#[derive(Debug)]
pub(super) struct Heartbeat {
    idle: Duration,
    interval: Duration,
    /// When a data frame last went through, in either direction.
    data: Instant,
    /// When bytes of the client last arrived.
    heard: Instant,
    next_ping: Instant,
    /// Backpressure: the connection is not read, and silence then says nothing about the client.
    not_reading: bool,
    unanswered_pings: u32,
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
    pub(super) fn new(idle: Duration, ping_interval: Duration) -> Self {
        let (now, interval) = (Instant::now(), (idle / 2).min(ping_interval));
        Self {
            idle,
            interval,
            data: now,
            heard: now,
            next_ping: now + interval,
            not_reading: false,
            unanswered_pings: 0,
        }
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
            self.pong();
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.not_reading
    }

    /// When something is due at the earliest.
    pub(super) fn next(&self) -> Instant {
        self.next_ping.min(self.data + self.idle)
    }

    /// Finds a connection that carries no data, and one whose client gives no sign of life: pings go out, and after two
    /// intervals without anything received the connection counts as lost, though TCP has reported nothing.
    pub(super) fn look(&mut self, now: Instant) -> Due {
        if now >= self.data + self.idle {
            return Due::End(End::idle(self.idle));
        }
        if now < self.next_ping {
            return Due::Nothing;
        }
        let silent = now.saturating_duration_since(self.heard);
        if silent >= self.interval * 2 && !self.not_reading {
            return Due::End(End::silent(silent));
        }
        self.unanswered_pings += 1;
        self.next_ping = now + self.interval;
        Due::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::websocket::CloseReason;

    const IDLE: Duration = Duration::from_mins(10);
    const INTERVAL: Duration = Duration::from_secs(20);

    fn ended(due: Due) -> Option<CloseReason> {
        if let Due::End(end) = due { Some(end.reason) } else { None }
    }

    #[tokio::test(start_paused = true)]
    async fn pings_go_out_until_nothing_is_heard_for_two_intervals() {
        let mut heartbeat = Heartbeat::new(IDLE, INTERVAL);
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
        let mut heartbeat = Heartbeat::new(IDLE, INTERVAL);
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
        let mut heartbeat = Heartbeat::new(idle, INTERVAL);
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
}
