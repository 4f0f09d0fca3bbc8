//! Waiting with a bound.

use std::{
    env, thread,
    time::{Duration, Instant},
};

use tokio::time::sleep;

/// For what must happen soon, on a machine that may be busy.
pub const SOON: Duration = Duration::from_secs(30);

const INTERVAL: Duration = Duration::from_millis(2);

/// Waits until the closure returns something.
pub async fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(begun.elapsed() < SOON, "did not happen: {what}");
        sleep(INTERVAL * 5).await;
    }
}

/// Likewise, for tests without an async runtime; `what` is asked in case of failure.
pub fn wait_until<T>(what: impl Fn() -> String, found: impl FnMut() -> Option<T>) -> T {
    wait_up_to(SOON, what, found)
}

/// Likewise, for what takes longer by its nature.
pub(crate) fn wait_up_to<T>(
    limit: Duration,
    what: impl Fn() -> String,
    mut found: impl FnMut() -> Option<T>,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(begun.elapsed() < limit, "did not happen within {limit:?}: {}", what());
        thread::sleep(INTERVAL);
    }
}

/// The rounds of a race, from 1: so many, or those that begin within `SECONDS` if that variable is set.
pub fn rounds(usual: usize) -> impl Iterator<Item = usize> {
    let seconds = env::var("SECONDS").ok().map(|text| text.parse().expect("SECONDS is a number"));
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    (1..).take_while(move |round| end.map_or(*round <= usual, |end| Instant::now() < end))
}
