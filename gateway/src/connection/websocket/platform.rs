//! What the platform of a web function allows one connection: until when, and how fast its data frames leave.

use std::{
    num::NonZeroU32,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

use crate::connection::web_function::WebFunction;

/// See the module. In a box, because most connections have none.
#[derive(Debug)]
pub(super) struct PlatformLimits {
    closes_at: Instant,
    /// `None`: frames leave as they come.
    pace: Option<SendPace>,
}

#[derive(Debug)]
struct SendPace {
    frame: Duration,
    bytes_per_second: Option<NonZeroU32>,
    timer: Pin<Box<Sleep>>,
}

impl PlatformLimits {
    /// Of a connection that was asked for at this time.
    pub(super) fn new(web: &WebFunction, asked: std::time::Instant) -> Self {
        let is_paced = web.frames_per_second.is_some() || web.bytes_per_second.is_some();
        let pace = is_paced.then(|| SendPace {
            frame: web.frames_per_second.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.get()),
            bytes_per_second: web.bytes_per_second,
            timer: Box::pin(sleep_until(Instant::now())),
        });
        Self { closes_at: web.closes_at(asked).into(), pace }
    }

    /// When the connection is closed at the latest.
    pub(super) fn closes_at(&self) -> Instant {
        self.closes_at
    }

    pub(super) fn is_paced(&self) -> bool {
        self.pace.is_some()
    }

    /// Ready when a further frame may leave.
    pub(super) fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.pace.as_mut().map_or(Poll::Ready(()), |pace| pace.timer.as_mut().poll(context))
    }

    /// A frame with so many bytes has left.
    pub(super) fn sent(&mut self, bytes: usize) {
        if let Some(pace) = &mut self.pace {
            let seconds = Duration::from_secs(bytes as u64);
            let of_bytes = pace.bytes_per_second.map_or(Duration::ZERO, |rate| seconds / rate.get());
            pace.timer.as_mut().reset(Instant::now() + pace.frame.max(of_bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn left(web: &WebFunction, frames: &[usize]) -> Vec<u128> {
        let mut limits = PlatformLimits::new(web, std::time::Instant::now());
        let begun = Instant::now();
        let mut left = Vec::new();
        for bytes in frames {
            poll_fn(|context| limits.poll_turn(context)).await;
            left.push(begun.elapsed().as_millis());
            limits.sent(*bytes);
        }
        left
    }

    #[tokio::test(start_paused = true)]
    async fn frames_leave_one_after_the_other_and_a_large_one_takes_its_time() {
        let web = WebFunction {
            frames_per_second: NonZeroU32::new(10),
            bytes_per_second: NonZeroU32::new(1000),
            ..WebFunction::default()
        };
        assert_eq!(left(&web, &[0, 10, 500, 1000, 1]).await, [0, 100, 200, 700, 1700]);
    }

    #[tokio::test(start_paused = true)]
    async fn without_rates_they_leave_as_they_come() {
        assert_eq!(left(&WebFunction::default(), &[1_000_000; 3]).await, [0; 3]);
    }
}
