//! How fast data frames leave, where someone between the gateway and its clients counts them.

use std::{
    num::NonZeroU32,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

use crate::web_function::WebFunction;

/// Lets one frame after the other leave. In a box, because most connections have none.
#[derive(Debug)]
pub(in crate::websocket) struct Pace {
    frame: Duration,
    bytes_per_second: Option<NonZeroU32>,
    timer: Pin<Box<Sleep>>,
}

impl Pace {
    /// `None` where no rate is configured.
    pub(in crate::websocket) fn of(web: &WebFunction) -> Option<Box<Self>> {
        if web.frames_per_second.is_none() && web.bytes_per_second.is_none() {
            return None;
        }
        Some(Box::new(Self {
            frame: web.frames_per_second.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.get()),
            bytes_per_second: web.bytes_per_second,
            timer: Box::pin(sleep_until(Instant::now())),
        }))
    }

    /// Ready when a further frame may leave.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.timer.as_mut().poll(context)
    }

    /// A frame with so many bytes has left.
    pub(super) fn sent(&mut self, bytes: usize) {
        let of_bytes = self
            .bytes_per_second
            .map_or(Duration::ZERO, |rate| Duration::from_secs(bytes as u64) / rate.get());
        self.timer.as_mut().reset(Instant::now() + self.frame.max(of_bytes));
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn frames_leave_one_after_the_other_and_a_large_one_takes_its_time() {
        let web = WebFunction {
            frames_per_second: NonZeroU32::new(10),
            bytes_per_second: NonZeroU32::new(1000),
            ..WebFunction::default()
        };
        let mut pace = Pace::of(&web).expect("a pace");
        let begun = Instant::now();
        let mut left = Vec::new();
        for bytes in [0, 10, 500, 1000, 1] {
            poll_fn(|context| pace.poll(context)).await;
            left.push(begun.elapsed().as_millis());
            pace.sent(bytes);
        }
        assert_eq!(left, [0, 100, 200, 700, 1700]);
    }

    #[tokio::test]
    async fn without_rates_there_is_none() {
        assert!(Pace::of(&WebFunction::default()).is_none());
    }
}
