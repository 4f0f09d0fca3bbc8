//! SIGTERM and SIGINT: an idle process ends at once, a busy one after it has delivered its outcome.
//!
//! An event may have reached the socket, or may just have been read from it, without the loop knowing yet; ending the
//! process at that moment would lose the event. Therefore only the loop ends the process while it waits for `next`. The
//! signal interrupts the wait by shutting down the reading half of the stream, which [`StopGate`] knows: an event that
//! has arrived is still read and handled; otherwise the wait fails, and the loop finds that it has to stop.

use std::net::{Shutdown, TcpStream};
use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use log::info;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::http::lean::WaitObserver;

/// By then an event that SCF sent before it saw the shutdown has arrived.
const LAST_EVENT_TIMEOUT: Duration = Duration::from_millis(50);

/// What the loop is doing, as far as a signal needs to know.
#[derive(Default)]
pub(super) struct StopGate {
    moment: Mutex<Moment>,
    left_the_wait: Condvar,
}

#[derive(Default)]
struct Moment {
    phase: Phase,
    /// The name of the signal that arrived.
    stopping: Option<&'static str>,
}

#[derive(Default)]
enum Phase {
    /// No event is being received or handled.
    #[default]
    Idle,
    /// The loop waits for `next`; holds the stream once there is one.
    Polling(Option<Arc<TcpStream>>),
    /// An event is arriving or being handled.
    Busy,
}

impl StopGate {
    /// `next` is about to be called.
    pub(super) fn poll(&self) {
        self.moment().phase = Phase::Polling(None);
    }

    /// The outcome is delivered, or `next` failed. A signal that arrived in the meantime ends the process now.
    pub(super) fn idle(&self) {
        let mut moment = self.moment();
        let was_busy = matches!(moment.phase, Phase::Busy);
        moment.phase = Phase::Idle;
        match moment.stopping {
            Some(signal) if was_busy => stop(&format!("{signal} after finishing the current event")),
            Some(signal) => stop(&format!("{signal} while idle")),
            None => {}
        }
    }

    fn moment(&self) -> MutexGuard<'_, Moment> {
        self.moment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signal(&self, name: &'static str) {
        let mut moment = self.moment();
        moment.stopping = Some(name);
        match &moment.phase {
            // Ends while holding the lock, so that the loop cannot send `next` in the meantime.
            Phase::Idle | Phase::Polling(None) => stop(&format!("{name} while idle")),
            Phase::Busy => info!("{name}: finishing the current event first"),
            Phase::Polling(Some(stream)) => {
                let stream = Arc::clone(stream);
                self.interrupt(moment, &stream);
            }
        }
    }

    /// Shutting down the writing half tells the runtime API that no event is wanted any more. An event that it has
    /// sent by then still arrives; a server that closes the connection in response ends the wait early.
    fn interrupt(&self, moment: MutexGuard<'_, Moment>, stream: &TcpStream) {
        // Shutting down fails only if the peer has gone, and then the loop has stopped waiting.
        let _ = stream.shutdown(Shutdown::Write);
        let waits = |moment: &mut Moment| matches!(moment.phase, Phase::Polling(_));
        let waited = self.left_the_wait.wait_timeout_while(moment, LAST_EVENT_TIMEOUT, waits);
        let (moment, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if let Phase::Polling(_) = moment.phase {
            let _ = stream.shutdown(Shutdown::Read);
        }
    }
}

impl WaitObserver for StopGate {
    fn waits_on(&self, stream: &Arc<TcpStream>) {
        let mut moment = self.moment();
        if let Phase::Polling(waiting @ None) = &mut moment.phase {
            *waiting = Some(Arc::clone(stream));
        }
    }

    fn answer_begins(&self) {
        let mut moment = self.moment();
        if let Phase::Polling(_) = moment.phase {
            moment.phase = Phase::Busy;
            if let Some(signal) = moment.stopping {
                self.left_the_wait.notify_all();
                info!("{signal}: finishing the current event first");
            }
        }
    }
}

fn stop(why: &str) {
    info!("stopped by {why}");
    process::exit(0);
}

/// Starts the thread that waits for signals.
pub(super) fn listen(gate: Arc<StopGate>) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    thread::Builder::new().name("signals".into()).stack_size(64 * 1024).spawn(move || {
        for signal in signals.forever() {
            gate.signal(signal_hook::low_level::signal_name(signal).unwrap_or("a signal"));
        }
    })?;
    Ok(())
}
