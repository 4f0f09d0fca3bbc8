//! What waits to be written to one client.
//!
//! [`SendQueue::push`] never waits: a frame that exceeds the limit ends the queue, because a client that does not read
//! must not block those that push. [`SendQueue::poll_next`] passes the frames to the connection, the only consumer.
//!
//! It is our own because it is bounded by bytes, and because an empty one allocates nothing: a tokio channel holds a
//! block of 32 messages from the start, for each of thousands of idle connections.

use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
};

use parking_lot::{Mutex, MutexGuard};

use super::closing::Confirmation;
use crate::{
    contract::{Close, Frame},
    observe::metrics::Gauge,
};

/// What a frame counts beyond its own bytes, so that empty ones are bounded too.
const FRAME_OVERHEAD_BYTES: usize = 64;

/// The queue; see the module.
#[derive(Debug)]
pub(super) struct SendQueue {
    limit_bytes: usize,
    state: Mutex<SendQueueState>,
}

#[derive(Debug, Default)]
struct SendQueueState {
    frames: VecDeque<Frame>,
    waiting_bytes: usize,
    gauge: Gauge,
    end: Option<QueueEnd>,
    /// How a function has closed the connection.
    closed: Option<Box<Closed>>,
    /// Of the consumer, while it waits.
    waiting: Option<Waker>,
}

/// How a function has closed a connection.
#[derive(Debug, Clone)]
pub(super) struct Closed {
    pub(super) close: Close,
    pub(super) confirmation: Option<Confirmation>,
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
        let state = SendQueueState { gauge, ..SendQueueState::default() };
        Self { limit_bytes, state: Mutex::new(state) }
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
            wake(state);
            return Err(QueueEnd::Full);
        }
        state.set_waiting(waiting_bytes);
        state.frames.push_back(frame);
        wake(state);
        Ok(())
    }

    /// Ends the queue behind the frames that wait, because a function closes the connection so.
    pub(super) fn close(&self, close: Close, confirmation: Option<Confirmation>) -> Result<(), QueueEnd> {
        let mut state = self.state.lock();
        if let Some(end) = state.end {
            return Err(end);
        }
        state.end = Some(QueueEnd::ClosedByFunction);
        state.closed = Some(Box::new(Closed { close, confirmation }));
        wake(state);
        Ok(())
    }

    /// Takes no further frame. Those that wait can still be sent. How a function has closed the connection, if one has.
    pub(super) fn seal(&self) -> Option<Closed> {
        let mut state = self.state.lock();
        state.end.get_or_insert(QueueEnd::Gone);
        state.closed.as_deref().cloned()
    }

    /// How a function has closed the connection, if one has.
    pub(super) fn closed(&self) -> Option<Closed> {
        self.state.lock().closed.as_deref().cloned()
    }

    /// The connection has ended: discards what waits.
    pub(super) fn abandon(&self) {
        self.state.lock().discard(QueueEnd::Gone);
    }

    /// The next frame, or the queue's end.
    pub(super) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Result<Frame, QueueEnd>> {
        let mut state = self.state.lock();
        let next = state.take();
        if next.is_none() {
            state.wait(context);
        }
        next.map_or(Poll::Pending, Poll::Ready)
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

    /// Ready once a frame has exceeded the limit.
    pub(super) fn poll_full(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.end == Some(QueueEnd::Full) {
            return Poll::Ready(());
        }
        state.wait(context);
        Poll::Pending
    }
}

/// Wakes the consumer, if it waits, once the queue is free for it.
fn wake(mut state: MutexGuard<'_, SendQueueState>) {
    let waiting = state.waiting.take();
    drop(state);
    if let Some(waker) = waiting {
        waker.wake();
    }
}

impl SendQueueState {
    fn take(&mut self) -> Option<Result<Frame, QueueEnd>> {
        let Some(frame) = self.frames.pop_front() else { return self.end.map(Err) };
        self.set_waiting(self.waiting_bytes - cost(&frame));
        if self.frames.is_empty() {
            self.frames = VecDeque::new();
        }
        Some(Ok(frame))
    }

    fn wait(&mut self, context: &Context<'_>) {
        if self.waiting.as_ref().is_none_or(|waker| !waker.will_wake(context.waker())) {
            self.waiting = Some(context.waker().clone());
        }
    }

    fn set_waiting(&mut self, bytes: usize) {
        let difference = signed(bytes) - signed(self.waiting_bytes);
        self.gauge.inc_by(difference);
        self.waiting_bytes = bytes;
    }

    fn discard(&mut self, end: QueueEnd) {
        self.frames = VecDeque::new();
        self.set_waiting(0);
        // A function that has closed it is not forgotten.
        self.end = self.end.filter(|_| self.closed.is_some()).or(Some(end));
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
    use std::future::poll_fn;

    use super::*;

    impl SendQueue {
        async fn next(&self) -> Result<Frame, QueueEnd> {
            poll_fn(|context| self.poll_next(context)).await
        }

        async fn full(&self) {
            poll_fn(|context| self.poll_full(context)).await;
        }
    }

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
    async fn the_consumer_learns_of_a_frame_and_of_the_end() {
        let queue = SendQueue::new(1000, Gauge::default());
        let (next, ()) = tokio::join!(queue.next(), async { queue.push(frame(1)).expect("capacity") });
        assert_eq!(next, Ok(frame(1)));
        let (next, ()) =
            tokio::join!(queue.next(), async { queue.close(Close::default(), None).expect("open") });
        assert_eq!(next, Err(QueueEnd::ClosedByFunction));
        let queue = SendQueue::new(1000, Gauge::default());
        let overfill = async {
            queue.push(frame(900)).expect("capacity");
            queue.push(frame(900)).expect_err("no capacity");
        };
        tokio::join!(queue.full(), overfill);
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
        assert_eq!(queue.close(Close::default(), None), Ok(()));
        assert_eq!(queue.push(frame(1)), Err(QueueEnd::ClosedByFunction));
        assert_eq!(queue.next().await, Ok(frame(1)));
        assert_eq!(queue.next().await, Err(QueueEnd::ClosedByFunction));
        queue.abandon();
        assert_eq!(queue.close(Close::default(), None), Err(QueueEnd::ClosedByFunction));
        assert!(queue.seal().is_some(), "it is known who has ended it");
    }

    #[tokio::test]
    async fn a_sealed_queue_takes_nothing_and_gives_what_waits() {
        let queue = SendQueue::new(1000, Gauge::default());
        assert_eq!(queue.push(frame(1)), Ok(()));
        assert!(queue.seal().is_none());
        assert_eq!(queue.push(frame(1)), Err(QueueEnd::Gone));
        assert_eq!(queue.close(Close::default(), None), Err(QueueEnd::Gone), "the client was first");
        assert_eq!(queue.next_waiting(), Some(frame(1)));
    }
}
