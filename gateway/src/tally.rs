//! How many of something live, for whoever has to wait until none does.

use std::sync::Arc;

use tokio::sync::watch;

/// The count. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    count: Arc<watch::Sender<usize>>,
}

/// One of those that are counted, until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted(Tally);

impl Tally {
    /// One more.
    pub(crate) fn enter(&self) -> Counted {
        self.count.send_modify(|count| *count += 1);
        Counted(self.clone())
    }

    /// Waits until none is left.
    pub(crate) async fn none_left(&self) {
        // The sender is in `self`, so this cannot fail.
        let _ = self.count.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.count.send_modify(|count| *count -= 1);
    }
}
