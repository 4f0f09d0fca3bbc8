//! A first-in, first-out queue bounded by the bytes that wait in it: six hundred short frames may wait where only one of
//! six megabytes may.
//!
//! [`EventQueue::push`] → [`EventQueue::start`] the first → [`EventQueue::finish`] it, which releases its capacity. It
//! belongs to one task, which puts nothing in while the queue [is full](EventQueue::is_full). An empty one allocates
//! nothing.

use std::collections::VecDeque;

/// What an item counts beyond its own bytes, so that empty ones are bounded too.
const ITEM_OVERHEAD_BYTES: usize = 1024;

/// The queue; see the module.
#[derive(Debug)]
pub(crate) struct EventQueue<T> {
    budget_bytes: usize,
    waiting: VecDeque<Queued<T>>,
    /// Of the items that wait and of the one that is being processed.
    used_bytes: usize,
    started_bytes: usize,
}

#[derive(Debug)]
struct Queued<T> {
    item: T,
    cost_bytes: usize,
}

impl<T> EventQueue<T> {
    /// Full as soon as items of together `budget_bytes` wait or are being processed; the last of them may be larger
    /// than what was left.
    pub(crate) fn new(budget_bytes: usize) -> Self {
        Self { budget_bytes, waiting: VecDeque::new(), used_bytes: 0, started_bytes: 0 }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.used_bytes >= self.budget_bytes
    }

    /// Puts an item of this many bytes behind the others.
    pub(crate) fn push(&mut self, item: T, bytes: usize) {
        let cost_bytes = bytes.saturating_add(ITEM_OVERHEAD_BYTES);
        self.used_bytes = self.used_bytes.saturating_add(cost_bytes);
        self.waiting.push_back(Queued { item, cost_bytes });
    }

    /// The first item, whose capacity is released when it is finished.
    pub(crate) fn start(&mut self) -> Option<T> {
        self.finish();
        let Queued { item, cost_bytes } = self.waiting.pop_front()?;
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
        self.started_bytes = cost_bytes;
        Some(item)
    }

    /// The item that was started has been processed.
    pub(crate) fn finish(&mut self) {
        self.used_bytes = self.used_bytes.saturating_sub(std::mem::take(&mut self.started_bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_full_until_an_item_has_been_processed() {
        let mut queue = EventQueue::new(8 * 1024);
        queue.push('a', 3 * 1024);
        assert!(!queue.is_full());
        queue.push('b', 3 * 1024);
        assert!(queue.is_full());
        assert_eq!(queue.start(), Some('a'));
        assert!(queue.is_full(), "the first is still being processed");
        queue.finish();
        assert!(!queue.is_full());
        assert_eq!((queue.start(), queue.start()), (Some('b'), None));
        assert_eq!(queue.used_bytes, 0);
    }

    #[test]
    fn nothing_waits_behind_a_large_item() {
        let mut queue = EventQueue::new(2 * 1024);
        queue.push('a', 1 << 20);
        assert!(queue.is_full());
        assert_eq!(queue.start(), Some('a'));
        assert!(queue.is_full());
        queue.finish();
        assert!(!queue.is_full());
    }

    #[test]
    fn empty_items_are_bounded_too_and_an_empty_queue_holds_no_memory() {
        let mut queue = EventQueue::new(8 * 1024);
        let taken = std::iter::from_fn(|| (!queue.is_full()).then(|| queue.push((), 0))).count();
        assert_eq!(taken, 8);
        while queue.start().is_some() {}
        assert_eq!((queue.waiting.capacity(), queue.used_bytes), (0, 0));
    }
}
