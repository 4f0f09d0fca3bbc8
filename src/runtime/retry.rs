//! Retries the calls of the runtime API, with growing delays.
//!
//! [`deliver`] sends an outcome until it is accepted or its time limit is over; [`retry`] repeats `ready` and `next` until
//! the runtime API has failed for 30 s.

use std::thread;
use std::time::{Duration, Instant};

use log::{error, warn};

use super::api::{CallError, RuntimeApi};
use super::error::RunError;
use super::invocation::{Completed, Delivered};

/// How long the runtime API may fail before the process gives up.
const OUTAGE_TIMEOUT: Duration = Duration::from_secs(30);

const FIRST_RETRY_DELAY: Duration = Duration::from_millis(10);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(1);

/// Sends the outcome until it is accepted or its time is up. SCF keeps the first one that it accepts, so a retry is
/// idempotent.
pub(super) fn deliver(api: &mut RuntimeApi, completed: Completed) -> Delivered {
    let mut delay = FIRST_RETRY_DELAY;
    loop {
        let error = match api.outcome(&completed) {
            Ok(()) => return completed.delivered(),
            Err(error) => error,
        };
        let id = completed.request_id();
        if !error.is_transient() {
            error!("outcome request_id={id} refused by the runtime API: {error}");
            return completed.delivered();
        }
        if Instant::now() + delay >= completed.latest() {
            error!("outcome request_id={id} not delivered before its time limit: {error}");
            return completed.delivered();
        }
        warn!("outcome request_id={id} not accepted, sending it again in {delay:?}: {error}");
        thread::sleep(delay);
        delay = (delay * 2).min(MAX_RETRY_DELAY);
    }
}

/// Repeats a call, with growing delays, until it succeeds or has failed for [`OUTAGE_TIMEOUT`].
pub(super) fn retry<T>(
    call: &'static str,
    mut attempt: impl FnMut() -> Result<T, CallError>,
) -> Result<T, RunError> {
    let mut delay = FIRST_RETRY_DELAY;
    let mut failing_since = None;
    loop {
        let error = match attempt() {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let since = *failing_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= OUTAGE_TIMEOUT {
            return Err(RunError::RuntimeApiGone { call, after: OUTAGE_TIMEOUT, source: error });
        }
        warn!("the runtime API's {call} failed, trying again in {delay:?}: {error}");
        thread::sleep(delay);
        delay = (delay * 2).min(MAX_RETRY_DELAY);
    }
}
