//! Waiting with a bound.

use std::time::{Duration, Instant};

use tokio::time::sleep;

/// For what must happen soon, on a machine that may be busy.
pub const SOON: Duration = Duration::from_secs(30);

/// Waits until the closure returns something.
pub async fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(begun.elapsed() < SOON, "did not happen: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
