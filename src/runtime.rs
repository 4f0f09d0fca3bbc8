//! The loop between SCF and the functions: ready, next, handle, deliver the outcome, repeat.
//!
//! [`run`] is the loop. `api` makes the calls of the runtime API, `retry` repeats them, `invocation` takes one event from
//! its offer to its delivered outcome, `watchdog` ends the process when a function is stuck, and `signals` ends it on
//! SIGTERM and SIGINT without losing an event. The contract is that of SCF's custom runtimes.

mod api;
mod error;
mod invocation;
mod retry;
mod signals;
mod watchdog;

use std::convert::Infallible;
use std::sync::Arc;

use log::{debug, warn};

use self::api::RuntimeApi;
pub(crate) use self::error::RunError;
use self::invocation::{Buffers, Completed, Delivered, Offered};
use self::retry::{deliver, retry};
use self::signals::StopGate;
use self::watchdog::Watchdog;
use crate::config::RuntimeApiAddress;
use crate::dispatch::Dispatcher;

/// Serves events until SIGTERM or SIGINT, or until the runtime API is gone.
///
/// Once `ready` has been called, a signal ends the process with status 0: at once if it is idle, otherwise after the outcome of the current event is
/// delivered. A stuck function ends it with status 1 after an error is reported to SCF. Only a failure of the loop itself
/// returns.
pub(crate) fn run(address: &RuntimeApiAddress, dispatcher: &mut Dispatcher) -> Result<Infallible, RunError> {
    let gate = Arc::new(StopGate::default());
    let mut api = RuntimeApi::new(address, gate.clone());

    // The threads start after the first call, since a cold start lasts until it. A signal before that ends the process by
    // the system's default: there is no event yet that it could lose.
    let mut first = Some(api.ready());
    signals::listen(Arc::clone(&gate)).map_err(|source| RunError::Thread { name: "signals", source })?;
    retry("ready", || first.take().unwrap_or_else(|| api.ready()))?;
    debug!("ready");
    let base = address.clone();
    let watchdog = Watchdog::start(move |message| api::report_error(&base, message))
        .map_err(|source| RunError::Thread { name: "the watchdog", source })?;
    let mut last: Option<Delivered> = None;
    let mut spare = Buffers::default();
    loop {
        let offered = retry("next", || {
            gate.poll();
            api.next(&mut spare).inspect_err(|_| gate.idle())
        })?;
        let completed = match repeated(&mut last, offered) {
            Ok(completed) => completed,
            Err(new) => {
                spare.take_back(last.take());
                new.begin(&watchdog).complete(dispatcher, &mut spare.line)
            }
        };
        last = Some(deliver(&mut api, completed));
        gate.idle();
    }
}

/// The kept outcome of an event that is offered again, which is not handled a second time; or the new event.
fn repeated(last: &mut Option<Delivered>, offered: Offered) -> Result<Completed, Offered> {
    let completed = Delivered::offered_again(last, offered)?;
    warn!("event request_id={} offered again: its outcome is sent again", completed.request_id());
    Ok(completed)
}
