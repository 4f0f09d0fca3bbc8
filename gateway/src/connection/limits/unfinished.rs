//! What the messages that have not arrived wholly take in memory, of all connections together.
//!
//! [`UnfinishedMessages`] is shared; each connection has an [`UnfinishedShare`] of it, which it
//! [sets](UnfinishedShare::set) to what its message has so far. Beyond the limit the largest messages give way: their
//! connections are woken, find that they are [dropped](UnfinishedShare::is_dropped), and close. A connection without
//! such a message takes no memory here.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Waker},
};

use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;

/// The unfinished messages of all connections.
#[derive(Debug)]
pub(crate) struct UnfinishedMessages {
    limit_bytes: AtomicUsize,
    held: Mutex<HeldMessages>,
}

#[derive(Debug, Default)]
struct HeldMessages {
    total_bytes: usize,
    /// By size; the number tells those of the same size apart.
    by_size: BTreeMap<(usize, u64), Holder>,
    next_number: u64,
    gauge: Gauge,
}

/// Who is woken when its message has to give way.
#[derive(Debug)]
struct Holder {
    is_dropped: Arc<AtomicBool>,
    waker: Waker,
}

/// A connection's part.
#[derive(Debug)]
pub(crate) struct UnfinishedShare {
    all: Arc<UnfinishedMessages>,
    entry: Option<Box<Entry>>,
}

#[derive(Debug)]
struct Entry {
    bytes: usize,
    number: u64,
    is_dropped: Arc<AtomicBool>,
}

impl UnfinishedMessages {
    /// The gauge shows what they take.
    pub(crate) fn new(limit_bytes: usize, gauge: Gauge) -> Self {
        let held = HeldMessages { gauge, ..HeldMessages::default() };
        Self { limit_bytes: AtomicUsize::new(limit_bytes), held: Mutex::new(held) }
    }

    /// Holds from the next byte on.
    pub(crate) fn set_limit(&self, limit_bytes: usize) {
        self.limit_bytes.store(limit_bytes, Ordering::Relaxed);
    }

    pub(crate) fn limit_bytes(&self) -> usize {
        self.limit_bytes.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(crate) fn total_bytes(&self) -> usize {
        self.held.lock().total_bytes
    }
}

impl HeldMessages {
    fn remove(&mut self, entry: &Entry) {
        if self.by_size.remove(&(entry.bytes, entry.number)).is_some() {
            self.total_bytes -= entry.bytes;
            self.gauge.dec_by(signed(entry.bytes));
        }
    }

    fn insert(&mut self, entry: &Entry, waker: Waker) {
        self.total_bytes += entry.bytes;
        self.gauge.inc_by(signed(entry.bytes));
        let holder = Holder { is_dropped: Arc::clone(&entry.is_dropped), waker };
        self.by_size.insert((entry.bytes, entry.number), holder);
    }

    /// Those that have to give way, the largest first.
    fn drop_largest(&mut self, limit_bytes: usize) -> Vec<Waker> {
        let mut wakers = Vec::new();
        while self.total_bytes > limit_bytes
            && let Some(((bytes, _), holder)) = self.by_size.pop_last()
        {
            self.total_bytes -= bytes;
            self.gauge.dec_by(signed(bytes));
            holder.is_dropped.store(true, Ordering::Release);
            wakers.push(holder.waker);
        }
        wakers
    }
}

impl UnfinishedShare {
    pub(crate) fn new(all: Arc<UnfinishedMessages>) -> Self {
        Self { all, entry: None }
    }

    /// The connection's message has this many bytes so far, none if it has no unfinished one. Whether it may go on: not
    /// if it is among the largest ones and all together have too many.
    pub(crate) fn set(&mut self, bytes: usize, context: &Context<'_>) -> bool {
        let entry = match &mut self.entry {
            None if bytes == 0 => return true,
            Some(_) if bytes == 0 => {
                self.release();
                return true;
            }
            Some(entry) if entry.bytes == bytes => return !entry.is_dropped(),
            Some(entry) => entry,
            None => self.entry.insert(Box::new(Entry { bytes: 0, number: 0, is_dropped: Arc::default() })),
        };
        if entry.is_dropped() {
            return false;
        }
        let mut held = self.all.held.lock();
        held.remove(entry);
        (entry.bytes, entry.number) = (bytes, held.next_number);
        held.next_number += 1;
        held.insert(entry, context.waker().clone());
        let dropped = held.drop_largest(self.all.limit_bytes());
        drop(held);
        dropped.into_iter().for_each(Waker::wake);
        !entry.is_dropped()
    }

    /// Whether the connection's message had to give way.
    pub(crate) fn is_dropped(&self) -> bool {
        self.entry.as_ref().is_some_and(|entry| entry.is_dropped())
    }

    pub(crate) fn limit_bytes(&self) -> usize {
        self.all.limit_bytes()
    }

    fn release(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.all.held.lock().remove(&entry);
        }
    }
}

impl Entry {
    fn is_dropped(&self) -> bool {
        self.is_dropped.load(Ordering::Acquire)
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

impl Drop for UnfinishedShare {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares<const N: usize>(limit_bytes: usize) -> (Arc<UnfinishedMessages>, [UnfinishedShare; N]) {
        let all = Arc::new(UnfinishedMessages::new(limit_bytes, Gauge::default()));
        let shares = [(); N].map(|()| UnfinishedShare::new(Arc::clone(&all)));
        (all, shares)
    }

    #[test]
    fn the_largest_message_gives_way_and_the_others_go_on() {
        let context = &Context::from_waker(Waker::noop());
        let (all, [mut small, mut large, mut last]) = shares(1000);
        assert!(small.set(200, context) && large.set(700, context));
        assert!(last.set(101, context), "it is not the largest");
        assert!(large.is_dropped() && !small.is_dropped() && !last.is_dropped());
        assert_eq!(all.total_bytes(), 301);
        assert!(!large.set(750, context), "it stays dropped");
        assert!(!last.set(900, context), "now it is the largest itself");
        assert_eq!(all.total_bytes(), 200);
        drop(small);
        assert_eq!(all.total_bytes(), 0);
    }

    #[test]
    fn a_message_that_is_complete_no_longer_counts_and_leaves_no_memory() {
        let context = &Context::from_waker(Waker::noop());
        let (all, [mut one, mut other]) = shares(1000);
        for _ in 0..100 {
            assert!(one.set(600, context) && one.set(900, context) && one.set(0, context));
            assert!(other.set(900, context) && other.set(0, context));
        }
        assert!(one.entry.is_none() && other.entry.is_none());
        assert_eq!((all.total_bytes(), all.held.lock().by_size.len()), (0, 0));
    }

    #[test]
    fn a_lower_limit_holds_from_the_next_byte_on() {
        let context = &Context::from_waker(Waker::noop());
        let (all, [mut one, mut other]) = shares(1000);
        assert!(one.set(600, context));
        all.set_limit(500);
        assert!(other.set(1, context));
        assert!(one.is_dropped());
        assert_eq!(all.total_bytes(), 1);
    }
}
