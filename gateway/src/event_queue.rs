//! A first-in, first-out channel bounded by the bytes that wait in it, which tokio's channels are not: six hundred short
//! frames may wait where only one of six megabytes may.
//!
//! [`channel`] → [`Sender::send`] waits for capacity → [`Receiver::recv`] → the capacity is released when the
//! [`Queued`] is dropped, that is when the item has been processed.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// What an item counts beyond its own bytes, so that empty ones are bounded too.
const ITEM_OVERHEAD_BYTES: usize = 1024;

/// The receiving end is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed;

pub(crate) struct Sender<T> {
    budget_bytes: u32,
    capacity: Arc<Semaphore>,
    items: mpsc::UnboundedSender<Queued<T>>,
}

pub(crate) struct Receiver<T> {
    capacity: Arc<Semaphore>,
    items: mpsc::UnboundedReceiver<Queued<T>>,
}

/// An item, and the capacity that it takes until it is dropped.
pub(crate) struct Queued<T> {
    pub(crate) item: T,
    pub(crate) permit: OwnedSemaphorePermit,
}

/// A channel in which items of together `budget_bytes` wait at most. A single larger item waits alone.
pub(crate) fn channel<T>(budget_bytes: u32) -> (Sender<T>, Receiver<T>) {
    let capacity = Arc::new(Semaphore::new(budget_bytes as usize));
    let (sender, receiver) = mpsc::unbounded_channel();
    (
        Sender { budget_bytes, capacity: Arc::clone(&capacity), items: sender },
        Receiver { capacity, items: receiver },
    )
}

impl<T> Sender<T> {
    /// Waits for capacity and queues an item of this many bytes. Dropped while it waits, it queues nothing.
    pub(crate) async fn send(&self, item: T, bytes: usize) -> Result<(), Closed> {
        let cost = u32::try_from(bytes.saturating_add(ITEM_OVERHEAD_BYTES)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.capacity).acquire_many_owned(cost.min(self.budget_bytes)).await;
        let permit = permit.map_err(|_| Closed)?;
        self.items.send(Queued { item, permit }).map_err(|_| Closed)
    }
}

impl<T> Receiver<T> {
    /// The next item; `None` when every sender is gone and nothing waits.
    pub(crate) async fn recv(&mut self) -> Option<Queued<T>> {
        self.items.recv().await
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.capacity.close();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn waits_until_an_item_has_been_processed() {
        let (sender, mut receiver) = channel(8 * 1024);
        assert_eq!(sender.send('a', 7 * 1024).await, Ok(()));
        assert!(timeout(SOON, sender.send('b', 0)).await.is_err(), "there was no capacity left");
        let first = receiver.recv().await.expect("an item waits");
        assert!(timeout(SOON, sender.send('b', 0)).await.is_err(), "the first is still being processed");
        drop(first);
        assert_eq!(sender.send('b', 0).await, Ok(()));
        assert_eq!(receiver.recv().await.map(|queued| queued.item), Some('b'));
    }

    #[tokio::test]
    async fn an_item_larger_than_the_budget_waits_alone() {
        let (sender, mut receiver) = channel(2 * 1024);
        assert_eq!(sender.send('a', 1 << 20).await, Ok(()));
        assert!(timeout(SOON, sender.send('b', 0)).await.is_err(), "not beside another");
        assert_eq!(receiver.recv().await.map(|queued| queued.item), Some('a'));
    }

    #[tokio::test]
    async fn a_waiting_sender_learns_that_the_receiver_is_gone() {
        let (sender, receiver) = channel(1024);
        assert_eq!(sender.send('a', 0).await, Ok(()));
        let (sent, ()) = tokio::join!(sender.send('b', 0), async { drop(receiver) });
        assert_eq!(sent, Err(Closed));
    }
}
