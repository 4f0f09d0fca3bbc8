//! What waits to be written to one client.
//!
//! [`SendQueue::push`] never waits: a frame that exceeds the limit ends the queue, because a client that does not read
//! must not block those that push. [`SendQueue::next`] passes the frames to the connection, the only consumer.
//!
//! It is our own because it is bounded by bytes, and because an empty one allocates nothing: a tokio channel holds a
//! block of 32 messages from the start, for each of thousands of idle connections.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{contract::Frame, metrics::Gauge};

/// What a frame counts beyond its own bytes, so that empty ones are bounded too.
const FRAME_OVERHEAD_BYTES: usize = 64;

/// The queue; see the module.
#[derive(Debug)]
pub(super) struct SendQueue {
    limit_bytes: usize,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Frame>,
    waiting_bytes: usize,
    gauge: Gauge,
    end: Option<QueueEnd>,
}

/// Why no further frame is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueueEnd {
    /// A function closes the connection, behind the frames that wait.
    ClosedByFunction,
    /// A frame exceeded the limit. Those that waited are discarded.
    Full,
    /// The connection has ended.
    Gone,
}

impl SendQueue {
    /// Frames of together `limit_bytes` may wait; a larger one may wait alone.
    /// The gauge shows what waits in all queues.
    pub(super) fn new(limit_bytes: usize, gauge: Gauge) -> Self {
        let state = State { gauge, ..State::default() };
        Self { limit_bytes, state: Mutex::new(state), changed: Notify::new() }
    }

    /// Queues a frame, or says why none is taken any more.
    pub(super) fn push(&self, frame: Frame) -> Result<(), QueueEnd> {
        let mut state = self.state.lock();
        if let Some(end) = state.end {
            return Err(end);
        }
        let waiting_bytes = state.waiting_bytes.saturating_add(cost(&frame));
        if waiting_bytes > self.limit_bytes && !state.frames.is_empty() {
            state.discard(QueueEnd::Full);
            drop(state);
            self.changed.notify_one();
            return Err(QueueEnd::Full);
        }
        state.set_waiting(waiting_bytes);
        state.frames.push_back(frame);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Ends the queue behind the frames that wait.
    pub(super) fn close(&self) -> Result<(), QueueEnd> {
        let mut state = self.state.lock();
        if let Some(end) = state.end {
            return Err(end);
        }
        state.end = Some(QueueEnd::ClosedByFunction);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// The connection has ended: discards what waits.
    pub(super) fn abandon(&self) {
        self.state.lock().discard(QueueEnd::Gone);
    }

    /// Waits for the next frame, or for the queue's end. Dropping the future loses nothing.
    pub(super) async fn next(&self) -> Result<Frame, QueueEnd> {
        loop {
            if let Some(next) = self.state.lock().take() {
                return next;
            }
            self.changed.notified().await;
        }
    }

    /// The next frame if one waits already.
    pub(super) fn next_waiting(&self) -> Option<Frame> {
        self.state.lock().take()?.ok()
    }

    /// How many bytes wait, with the overhead of each frame.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.state.lock().waiting_bytes
    }

    pub(super) fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    /// Why no further frame is taken; `None` as long as frames are.
    pub(super) fn end(&self) -> Option<QueueEnd> {
        self.state.lock().end
    }

    /// Waits until a frame has exceeded the limit.
    pub(super) async fn full(&self) {
        while self.state.lock().end != Some(QueueEnd::Full) {
            self.changed.notified().await;
        }
    }
}

impl State {
    fn take(&mut self) -> Option<Result<Frame, QueueEnd>> {
        let Some(frame) = self.frames.pop_front() else { return self.end.map(Err) };
        self.set_waiting(self.waiting_bytes - cost(&frame));
        if self.frames.is_empty() {
            self.frames = VecDeque::new();
        }
        Some(Ok(frame))
    }

    fn set_waiting(&mut self, bytes: usize) {
        let difference = signed(bytes) - signed(self.waiting_bytes);
        self.gauge.inc_by(difference);
        self.waiting_bytes = bytes;
    }

    fn discard(&mut self, end: QueueEnd) {
        self.frames = VecDeque::new();
        self.set_waiting(0);
        self.end = Some(end);
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn cost(frame: &Frame) -> usize {
    frame.len().saturating_add(FRAME_OVERHEAD_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gauge_shows_what_waits_in_all_queues() {
        let gauge = Gauge::default();
        let [one, two] = [(); 2].map(|()| SendQueue::new(1000, gauge.clone()));
        one.push(frame(100)).expect("capacity");
        two.push(frame(100)).expect("capacity");
        assert_eq!(gauge.get(), 328);
        assert!(one.next_waiting().is_some());
        assert_eq!(gauge.get(), 164);
        two.abandon();
        assert_eq!(gauge.get(), 0);
    }

    fn frame(bytes: usize) -> Frame {
        Frame::text("x".repeat(bytes))
    }

    #[tokio::test]
    async fn a_frame_that_exceeds_the_limit_ends_it() {
        let queue = SendQueue::new(1000, Gauge::default());
        assert_eq!(queue.push(frame(400)), Ok(()));
        assert_eq!(queue.push(frame(400)), Ok(()));
        assert_eq!(queue.push(frame(400)), Err(QueueEnd::Full));
        assert_eq!(queue.push(frame(0)), Err(QueueEnd::Full), "and it stays ended");
        queue.full().await;
        assert_eq!(queue.next().await, Err(QueueEnd::Full), "what waited is discarded");
    }

    #[tokio::test]
    async fn a_larger_frame_may_wait_alone() {
        let queue = SendQueue::new(1000, Gauge::default());
        assert_eq!(queue.push(frame(5000)), Ok(()));
        assert_eq!(queue.next().await, Ok(frame(5000)));
        assert_eq!(queue.push(frame(0)), Ok(()));
        assert_eq!(queue.push(frame(5000)), Err(QueueEnd::Full), "not behind another");
    }

    #[tokio::test]
    async fn empty_frames_are_bounded_too() {
        let queue = SendQueue::new(1000, Gauge::default());
        let taken = (0..1000).take_while(|_| queue.push(frame(0)).is_ok()).count();
        assert_eq!(taken, 1000 / FRAME_OVERHEAD_BYTES);
    }

    #[tokio::test]
    async fn a_close_comes_behind_the_frames_and_nothing_behind_it() {
        let queue = SendQueue::new(1000, Gauge::default());
        assert_eq!(queue.push(frame(1)), Ok(()));
        assert_eq!(queue.close(), Ok(()));
        assert_eq!(queue.push(frame(1)), Err(QueueEnd::ClosedByFunction));
        assert_eq!(queue.next().await, Ok(frame(1)));
        assert_eq!(queue.next().await, Err(QueueEnd::ClosedByFunction));
        queue.abandon();
        assert_eq!(queue.close(), Err(QueueEnd::Gone));
    }
}
