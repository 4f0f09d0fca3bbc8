//! Closes the connections at shutdown one after the other, so that the nodes to which the clients turn, and the cleanup
//! functions, meet a steady load instead of all of them at once.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// The turns of the connections; see the module.
#[derive(Debug)]
pub(crate) struct Drain {
    begun: CancellationToken,
    pace: OnceLock<DrainPace>,
    next_turn: AtomicU32,
}

#[derive(Debug)]
struct DrainPace {
    start: Instant,
    /// Between two turns.
    interval: Duration,
}

impl Drain {
    /// Begins when the token is cancelled.
    pub(crate) fn new(begun: CancellationToken) -> Self {
        Self { begun, pace: OnceLock::new(), next_turn: AtomicU32::new(0) }
    }

    /// Gives so many connections their turns over this time. Only the first call counts.
    pub(crate) fn begin(&self, connections: usize, over: Duration) {
        let connections = u32::try_from(connections).unwrap_or(u32::MAX).max(1);
        self.pace.get_or_init(|| DrainPace { start: Instant::now(), interval: over / connections });
        self.begun.cancel();
    }

    /// Whether the shutdown has begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.pace.get().is_some()
    }

    /// Waits for the shutdown, and then for this connection's turn.
    pub(crate) async fn turn(&self) {
        self.begun.cancelled().await;
        let Some(pace) = self.pace.get() else { return };
        let turn = self.next_turn.fetch_add(1, Ordering::Relaxed);
        sleep_until(pace.start + pace.interval.saturating_mul(turn)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn connections_end_at_a_steady_pace() {
        let drain = Arc::new(Drain::new(CancellationToken::new()));
        let waiting: Vec<_> = (0..10)
            .map(|_| {
                let drain = Arc::clone(&drain);
                tokio::spawn(async move {
                    drain.turn().await;
                    Instant::now()
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_secs(5)).await;
        let start = Instant::now();
        drain.begin(10, Duration::from_secs(30));
        let mut ends = Vec::new();
        for connection in waiting {
            ends.push(connection.await.expect("no panic").duration_since(start).as_secs());
        }
        ends.sort_unstable();
        let paces: Vec<_> = ends.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!((ends[0], paces), (0, vec![3; 9]));
    }

    #[tokio::test(start_paused = true)]
    async fn without_time_all_end_at_once() {
        let drain = Drain::new(CancellationToken::new());
        drain.begin(0, Duration::ZERO);
        let start = Instant::now();
        drain.turn().await;
        drain.turn().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
