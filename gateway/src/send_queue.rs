//! What waits to be written to one client.
//!
//! [`SendQueue::push`] never waits: a frame that finds no room is the end of the queue, because a client that does not
//! read must not hold up whoever pushes. [`SendQueue::next`] hands the frames to the connection, one consumer only.
//! An empty queue has allocated nothing.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::contract::Frame;

/// What a frame costs beside its own bytes, so that empty ones are bounded too.
const FRAME_OVERHEAD_BYTES: usize = 64;

/// The queue; see the module.
#[derive(Debug)]
pub(crate) struct SendQueue {
    limit_bytes: usize,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Frame>,
    waiting_bytes: usize,
    end: Option<QueueEnd>,
}

/// Why no further frame is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueueEnd {
    /// A function closes the connection, behind the frames that wait.
    ClosedByFunction,
    /// A frame found no room. Those that waited are discarded.
    Full,
    /// The connection has ended.
    Gone,
}

impl SendQueue {
    /// Frames of together `limit_bytes` may wait; a larger one may wait alone.
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, state: Mutex::default(), changed: Notify::new() }
    }

    /// Queues a frame, or says why none is taken any more.
    pub(crate) fn push(&self, frame: Frame) -> Result<(), QueueEnd> {
        let mut state = self.state();
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
        state.waiting_bytes = waiting_bytes;
        state.frames.push_back(frame);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Ends the queue behind the frames that wait.
    pub(crate) fn close(&self) -> Result<(), QueueEnd> {
        let mut state = self.state();
        if let Some(end) = state.end {
            return Err(end);
        }
        state.end = Some(QueueEnd::ClosedByFunction);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// The connection has ended: discards what waits.
    pub(crate) fn abandon(&self) {
        self.state().discard(QueueEnd::Gone);
    }

    /// Waits for the next frame, or for the queue's end. Dropping the future loses nothing.
    pub(crate) async fn next(&self) -> Result<Frame, QueueEnd> {
        loop {
            if let Some(next) = self.state().take() {
                return next;
            }
            self.changed.notified().await;
        }
    }

    /// The next frame if one waits already.
    pub(crate) fn next_waiting(&self) -> Option<Frame> {
        self.state().take()?.ok()
    }

    /// Waits until a frame has found no room.
    pub(crate) async fn full(&self) {
        while self.state().end != Some(QueueEnd::Full) {
            self.changed.notified().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves nothing half done behind this one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self) -> Option<Result<Frame, QueueEnd>> {
        let Some(frame) = self.frames.pop_front() else { return self.end.map(Err) };
        self.waiting_bytes -= cost(&frame);
        if self.frames.is_empty() {
            self.frames = VecDeque::new();
        }
        Some(Ok(frame))
    }

    fn discard(&mut self, end: QueueEnd) {
        self.frames = VecDeque::new();
        self.waiting_bytes = 0;
        self.end = Some(end);
    }
}

fn cost(frame: &Frame) -> usize {
    frame.len().saturating_add(FRAME_OVERHEAD_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(bytes: usize) -> Frame {
        Frame::Text("x".repeat(bytes))
    }

    #[tokio::test]
    async fn a_frame_that_finds_no_room_ends_it() {
        let queue = SendQueue::new(1000);
        assert_eq!(queue.push(frame(400)), Ok(()));
        assert_eq!(queue.push(frame(400)), Ok(()));
        assert_eq!(queue.push(frame(400)), Err(QueueEnd::Full));
        assert_eq!(queue.push(frame(0)), Err(QueueEnd::Full), "and it stays ended");
        queue.full().await;
        assert_eq!(queue.next().await, Err(QueueEnd::Full), "what waited is discarded");
    }

    #[tokio::test]
    async fn a_larger_frame_may_wait_alone() {
        let queue = SendQueue::new(1000);
        assert_eq!(queue.push(frame(5000)), Ok(()));
        assert_eq!(queue.next().await, Ok(frame(5000)));
        assert_eq!(queue.push(frame(0)), Ok(()));
        assert_eq!(queue.push(frame(5000)), Err(QueueEnd::Full), "not behind another");
    }

    #[tokio::test]
    async fn empty_frames_are_bounded_too() {
        let queue = SendQueue::new(1000);
        let taken = (0..1000).take_while(|_| queue.push(frame(0)).is_ok()).count();
        assert_eq!(taken, 1000 / FRAME_OVERHEAD_BYTES);
    }

    #[tokio::test]
    async fn a_close_comes_behind_the_frames_and_nothing_behind_it() {
        let queue = SendQueue::new(1000);
        assert_eq!(queue.push(frame(1)), Ok(()));
        assert_eq!(queue.close(), Ok(()));
        assert_eq!(queue.push(frame(1)), Err(QueueEnd::ClosedByFunction));
        assert_eq!(queue.next().await, Ok(frame(1)));
        assert_eq!(queue.next().await, Err(QueueEnd::ClosedByFunction));
        queue.abandon();
        assert_eq!(queue.close(), Err(QueueEnd::Gone));
    }
}
