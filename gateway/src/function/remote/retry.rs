//! When a call is tried again: only if that can help, does no harm and fits into the call's time.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;

use super::attempt::AttemptError;
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
    pub(super) fn pause(&mut self, error: &AttemptError) -> Option<Duration> {
        if !error.retryable.allows(self.role) {
            return None;
        }
        let pause = self.pauses.next()?.max(error.retry_after.unwrap_or_default());
        let left = self.deadline.saturating_duration_since(Instant::now());
        (pause < left).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::remote::attempt::Retryable;

    fn retry(role: Role, time: Duration) -> Retry {
        Retry::new(role, Instant::now() + time)
    }

    fn error(retryable: Retryable, retry_after: Option<Duration>) -> AttemptError {
        AttemptError { retry_after, ..AttemptError::down("it is away".to_owned(), retryable) }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_and_differ_from_call_to_call() {
        let always = error(Retryable::Always, None);
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
        let long = error(Retryable::Always, Some(Duration::from_secs(3)));
        assert_eq!(retry.pause(&long), None, "the backend asks for more time than the call has");
        let short = error(Retryable::Always, Some(Duration::from_secs(2)));
        assert_eq!(retry.pause(&short), Some(Duration::from_secs(2)));
        tokio::time::advance(Duration::from_millis(2990)).await;
        assert_eq!(retry.pause(&error(Retryable::Always, None)), None);
    }

    #[test]
    fn a_frame_is_not_sent_again_if_the_function_may_have_run() {
        for (retryable, register, transfer, cleanup) in [
            (Retryable::Never, false, false, false),
            (Retryable::IfIdempotent, true, false, true),
            (Retryable::Always, true, true, true),
        ] {
            assert_eq!(retryable.allows(Role::Register), register);
            assert_eq!(retryable.allows(Role::Transfer), transfer);
            assert_eq!(retryable.allows(Role::Cleanup), cleanup);
        }
    }
}
