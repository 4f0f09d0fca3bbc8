//! The loop between SCF and a handler: ready, next, handle, answer, and again.
//!
//! [`run`] is the whole of it. `api` speaks to the runtime API by `http`, `invocation` carries one event from its
//! offer to its delivered outcome, `watchdog` ends the process when a handler is stuck, `stop` ends it on a
//! signal without losing an event.
//! The contract is that of SCF's custom runtimes.

mod api;
mod http;
mod invocation;
mod stop;
mod watchdog;

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use log::{debug, error, warn};

use self::api::{Fault, RuntimeApi};
#[cfg(fuzzing)]
pub(crate) use self::http::read_any;
use self::invocation::{Decided, Delivered, Offered};
use self::stop::Gate;
use self::watchdog::Watchdog;
use crate::config::Config;
use crate::handler::Handler;

/// The runtime API may be away for this long before the process gives up.
const PATIENCE: Duration = Duration::from_secs(30);

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Why the loop has ended.
#[derive(Debug)]
pub enum RunError {
    /// The runtime API could not be reached, or refused, for 30 s.
    RuntimeApiGone {
        /// The call that failed.
        call: &'static str,
        /// Its last failure.
        reason: String,
    },
    /// A thread that the loop needs cannot be started.
    Thread {
        /// What it does.
        name: &'static str,
        /// Why not.
        reason: std::io::Error,
    },
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RuntimeApiGone { call, reason } => write!(
                f,
                "giving up: the runtime API's {call} has failed for {} s, the last time with: {reason}",
                PATIENCE.as_secs()
            ),
            Self::Thread { name, reason } => write!(f, "cannot start the thread for {name}: {reason}"),
        }
    }
}

impl std::error::Error for RunError {}

/// Serves events with the handler until SIGTERM or SIGINT, or until the runtime API is gone.
///
/// A signal ends the process with status 0: an idle one at once, one in the middle of an invocation after its
/// outcome is delivered. A handler that is stuck ends it with status 1, after SCF was told. So whoever gets an
/// answer from this function gets the reason of a failure.
pub fn run(config: &Config, handler: &mut dyn Handler) -> Result<Infallible, RunError> {
    let gate = Arc::new(Gate::default());
    stop::listen(Arc::clone(&gate)).map_err(|reason| RunError::Thread { name: "signals", reason })?;
    let mut api = RuntimeApi::new(&config.runtime_api, Arc::clone(&gate));

    persist("ready", || api.ready())?;
    debug!("ready");
    let base = config.runtime_api.clone();
    let watchdog = Watchdog::start(move |message| api::fail_in_passing(&base, message))
        .map_err(|reason| RunError::Thread { name: "the watchdog", reason })?;
    let mut last: Option<Delivered> = None;
    loop {
        let offered = persist("next", || {
            gate.poll();
            api.next().inspect_err(|_| gate.idle())
        })?;
        let decided = match again(last.take(), offered) {
            Ok(decided) => decided,
            Err(new) => new.begin(&watchdog).decide(handler, config.settings.integration_response),
        };
        last = Some(deliver(&mut api, decided));
        gate.idle();
    }
}

/// An event that is offered again is not carried out again: its outcome stands.
fn again(last: Option<Delivered>, offered: Offered) -> Result<Decided, Offered> {
    let Some(last) = last else { return Err(offered) };
    let decided = last.offered_again(offered)?;
    warn!("event request_id={} offered again: its outcome is sent again", decided.request_id());
    Ok(decided)
}

/// Sends the outcome until it is accepted or its time is up. The first one accepted is final, so sending it
/// again can do no harm.
fn deliver(api: &mut RuntimeApi, decided: Decided) -> Delivered {
    let mut pause = FIRST_PAUSE;
    loop {
        let fault = match api.outcome(&decided) {
            Ok(()) => return decided.delivered(),
            Err(fault) => fault,
        };
        let id = decided.request_id();
        if !fault.may_pass() {
            error!("outcome request_id={id} refused by the runtime API: {fault}");
            return decided.delivered();
        }
        if Instant::now() + pause >= decided.latest() {
            error!("outcome request_id={id} not delivered before its time limit: {fault}");
            return decided.delivered();
        }
        warn!("outcome request_id={id} not accepted, sending it again in {pause:?}: {fault}");
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Repeats a call until it succeeds, pausing longer each time, for as long as patience lasts.
fn persist<T>(call: &'static str, mut attempt: impl FnMut() -> Result<T, Fault>) -> Result<T, RunError> {
    let mut pause = FIRST_PAUSE;
    let mut failing_since = None;
    loop {
        let fault = match attempt() {
            Ok(value) => return Ok(value),
            Err(fault) => fault,
        };
        let since = *failing_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= PATIENCE {
            return Err(RunError::RuntimeApiGone { call, reason: fault.to_string() });
        }
        warn!("the runtime API's {call} failed, trying again in {pause:?}: {fault}");
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
