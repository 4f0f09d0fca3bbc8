//! When a call is tried again: only if that can help, does no harm and fits into the call's time.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;

use super::attempt::Setback;
use crate::function::Role;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The attempts of one call.
#[derive(Debug)]
pub(super) struct Retry {
    role: Role,
    deadline: Instant,
    pauses: ExponentialBackoff,
}

impl Retry {
    pub(super) fn new(role: Role, deadline: Instant) -> Self {
        let pauses = ExponentialBuilder::new()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .without_max_times()
            .with_jitter()
            .build();
        Self { role, deadline, pauses }
    }

    /// How long to pause before the next attempt. `None`: the call has failed, now rather than when its time is up.
    pub(super) fn pause(&mut self, setback: &Setback) -> Option<Duration> {
        if !setback.repeat.allows(self.role) {
            return None;
        }
        let pause = self.pauses.next()?.max(setback.retry_after.unwrap_or_default());
        let left = self.deadline.saturating_duration_since(Instant::now());
        (pause < left).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::remote::attempt::Repeat;

    fn retry(role: Role, time: Duration) -> Retry {
        Retry::new(role, Instant::now() + time)
    }

    fn setback(repeat: Repeat, retry_after: Option<Duration>) -> Setback {
        Setback { retry_after, ..Setback::down("it is away".to_owned(), repeat) }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_and_differ_from_call_to_call() {
        let always = setback(Repeat::Always, None);
        let pauses = |_| -> Vec<Duration> {
            let mut retry = retry(Role::Transfer, Duration::from_mins(10));
            (0..12).filter_map(|_| retry.pause(&always)).collect()
        };
        let calls: Vec<Vec<Duration>> = (0..8).map(pauses).collect();
        for call in &calls {
            assert_eq!(call.len(), 12);
            assert!(call[0] >= FIRST_PAUSE && call[0] <= 2 * FIRST_PAUSE, "{call:?}");
            assert!(call[11] >= LONGEST_PAUSE && call[11] <= 2 * LONGEST_PAUSE, "{call:?}");
        }
        assert!(calls.iter().any(|call| call != &calls[0]), "eight calls with the same jitter: {calls:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_never_reaches_the_end_of_the_call() {
        let mut retry = retry(Role::Register, Duration::from_secs(3));
        let long = setback(Repeat::Always, Some(Duration::from_secs(3)));
        assert_eq!(retry.pause(&long), None, "the backend asks for more time than the call has");
        let short = setback(Repeat::Always, Some(Duration::from_secs(2)));
        assert_eq!(retry.pause(&short), Some(Duration::from_secs(2)));
        tokio::time::advance(Duration::from_millis(2990)).await;
        assert_eq!(retry.pause(&setback(Repeat::Always, None)), None);
    }

    #[test]
    fn a_frame_is_not_sent_again_if_the_function_may_have_run() {
        for (repeat, register, transfer, cleanup) in [
            (Repeat::Never, false, false, false),
            (Repeat::UnlessFrame, true, false, true),
            (Repeat::Always, true, true, true),
        ] {
            assert_eq!(repeat.allows(Role::Register), register);
            assert_eq!(repeat.allows(Role::Transfer), transfer);
            assert_eq!(repeat.allows(Role::Cleanup), cleanup);
        }
    }
}
