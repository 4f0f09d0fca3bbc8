//! The loop between SCF and the functions: ready, next, handle, deliver the outcome, repeat.
//!
//! [`run`] is the loop, which retries every call. `api` makes the calls of the runtime API, `invocation` takes one event
//! from its offer to its delivered outcome, `watchdog` ends the process when a function is stuck, and `signals` ends it
//! on SIGTERM and SIGINT without losing an event. The contract is that of SCF's custom runtimes.

mod api;
mod invocation;
mod signals;
mod watchdog;

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use log::{debug, error, warn};

use self::api::{CallError, RuntimeApi};
use self::invocation::{Completed, Delivered, Offered};
use self::signals::StopGate;
use self::watchdog::Watchdog;
use crate::config::RuntimeApiAddress;
use crate::dispatch::Dispatcher;

/// How long the runtime API may fail before the process gives up.
const OUTAGE_TIMEOUT: Duration = Duration::from_secs(30);

const FIRST_RETRY_DELAY: Duration = Duration::from_millis(10);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(1);

/// Why the loop ended.
#[derive(Debug)]
pub(crate) enum RunError {
    /// The runtime API could not be reached, or refused, for 30 s.
    RuntimeApiGone {
        /// The call that failed.
        call: &'static str,
        /// Its last failure.
        source: CallError,
    },
    /// A thread that the loop needs cannot be started.
    Thread {
        /// What it does.
        name: &'static str,
        /// The error of the operating system.
        source: std::io::Error,
    },
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RuntimeApiGone { call, .. } => write!(
                f,
                "giving up: the runtime API's {call} has failed for {} s; the last failure",
                OUTAGE_TIMEOUT.as_secs()
            ),
            Self::Thread { name, .. } => write!(f, "cannot start the thread for {name}"),
        }
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::RuntimeApiGone { source, .. } => Some(source),
            Self::Thread { source, .. } => Some(source),
        }
    }
}

/// Serves events until SIGTERM or SIGINT, or until the runtime API is gone.
///
/// A signal ends the process with status 0: at once if it is idle, otherwise after the outcome of the current event is
/// delivered. A stuck function ends it with status 1 after an error is reported to SCF. Only a failure of the loop itself
/// returns.
pub(crate) fn run(address: &RuntimeApiAddress, dispatcher: &mut Dispatcher) -> Result<Infallible, RunError> {
    let gate = Arc::new(StopGate::default());
    signals::listen(Arc::clone(&gate)).map_err(|source| RunError::Thread { name: "signals", source })?;
    let mut api = RuntimeApi::new(address, gate.clone());

    retry("ready", || api.ready())?;
    debug!("ready");
    let base = address.clone();
    let watchdog = Watchdog::start(move |message| api::report_error(&base, message))
        .map_err(|source| RunError::Thread { name: "the watchdog", source })?;
    let mut last: Option<Delivered> = None;
    loop {
        let offered = retry("next", || {
            gate.poll();
            api.next().inspect_err(|_| gate.idle())
        })?;
        let completed = match repeated(last.take(), offered) {
            Ok(completed) => completed,
            Err(new) => new.begin(&watchdog).complete(dispatcher),
        };
        last = Some(deliver(&mut api, completed));
        gate.idle();
    }
}

/// The kept outcome of an event that is offered again, which is not handled a second time; or the new event.
fn repeated(last: Option<Delivered>, offered: Offered) -> Result<Completed, Offered> {
    let Some(last) = last else { return Err(offered) };
    let completed = last.offered_again(offered)?;
    warn!("event request_id={} offered again: its outcome is sent again", completed.request_id());
    Ok(completed)
}

/// Sends the outcome until it is accepted or its time is up. SCF keeps the first one that it accepts, so a retry is
/// idempotent.
fn deliver(api: &mut RuntimeApi, completed: Completed) -> Delivered {
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
fn retry<T>(call: &'static str, mut attempt: impl FnMut() -> Result<T, CallError>) -> Result<T, RunError> {
    let mut delay = FIRST_RETRY_DELAY;
    let mut failing_since = None;
    loop {
        let error = match attempt() {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let since = *failing_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= OUTAGE_TIMEOUT {
            return Err(RunError::RuntimeApiGone { call, source: error });
        }
        warn!("the runtime API's {call} failed, trying again in {delay:?}: {error}");
        thread::sleep(delay);
        delay = (delay * 2).min(MAX_RETRY_DELAY);
    }
}
