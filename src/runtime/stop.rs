//! SIGTERM and SIGINT: an idle process ends at once, a busy one after its outcome.
//!
//! The hard moment is the one at which an event has reached the process's socket, or has just been read from
//! it, but not yet the loop: to end then would lose it. So while `next` is awaited, nobody but the loop ends
//! the process. The [`Gate`] knows the stream that `next` waits on, and a signal only wakes the loop from that
//! wait, by closing the stream's reading half: what had arrived is still read, and is an event to be carried
//! out; if nothing had, the wait fails, and the loop finds that it is to stop.

use std::net::{Shutdown, TcpStream};
use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use log::info;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// An event that was handed out just before the signal has arrived by then.
const LAST_WAIT: Duration = Duration::from_millis(50);

/// What the loop is doing, as far as a signal must know.
#[derive(Default)]
pub(super) struct Gate {
    moment: Mutex<Moment>,
    left_the_wait: Condvar,
}

#[derive(Default)]
struct Moment {
    phase: Phase,
    /// The signal that came, by its name.
    stopping: Option<&'static str>,
}

#[derive(Default)]
enum Phase {
    /// No event can be lost.
    #[default]
    Idle,
    /// `next` is called; its stream, once there is one.
    Polling(Option<Arc<TcpStream>>),
    /// An event has begun to arrive, or is being carried out.
    Busy,
}

impl Gate {
    /// `next` is about to be called.
    pub(super) fn poll(&self) {
        self.moment().phase = Phase::Polling(None);
    }

    /// The outcome is delivered, or `next` failed: a signal that came meanwhile ends the process now.
    pub(super) fn idle(&self) {
        let mut moment = self.moment();
        let was_busy = matches!(moment.phase, Phase::Busy);
        moment.phase = Phase::Idle;
        match moment.stopping {
            Some(signal) if was_busy => stop(&format!("{signal}, the event at hand being finished")),
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
            // The lock is held to the end: the loop cannot send `next` meanwhile.
            Phase::Idle | Phase::Polling(None) => stop(&format!("{name} while idle")),
            Phase::Busy => info!("{name}: the event at hand is finished first"),
            Phase::Polling(Some(stream)) => {
                let stream = Arc::clone(stream);
                self.wake(moment, &stream);
            }
        }
    }

    /// The runtime API is told by the end of our sending that no event is wanted any more: what it had handed
    /// out before it learned of that still arrives, and a server that hangs up as it should spares the wait.
    fn wake(&self, moment: MutexGuard<'_, Moment>, stream: &TcpStream) {
        // A stream that cannot be shut down has no peer, and the loop's wait is over.
        let _ = stream.shutdown(Shutdown::Write);
        let waits = |moment: &mut Moment| matches!(moment.phase, Phase::Polling(_));
        let waited = self.left_the_wait.wait_timeout_while(moment, LAST_WAIT, waits);
        let (moment, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if let Phase::Polling(_) = moment.phase {
            let _ = stream.shutdown(Shutdown::Read);
        }
    }

    /// Input is about to be awaited on this stream.
    pub(super) fn awaits(&self, stream: &Arc<TcpStream>) {
        let mut moment = self.moment();
        if let Phase::Polling(waiting @ None) = &mut moment.phase {
            *waiting = Some(Arc::clone(stream));
        }
    }

    /// Some of it has come.
    pub(super) fn arrived(&self) {
        let mut moment = self.moment();
        if let Phase::Polling(_) = moment.phase {
            moment.phase = Phase::Busy;
            if let Some(signal) = moment.stopping {
                self.left_the_wait.notify_all();
                info!("{signal}: the event at hand is finished first");
            }
        }
    }
}

fn stop(why: &str) {
    info!("stopped by {why}");
    process::exit(0);
}

/// Starts the thread that waits for signals.
pub(super) fn listen(gate: Arc<Gate>) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    thread::Builder::new().name("signals".into()).stack_size(64 * 1024).spawn(move || {
        for signal in signals.forever() {
            gate.signal(signal_hook::low_level::signal_name(signal).unwrap_or("a signal"));
        }
    })?;
    Ok(())
}
