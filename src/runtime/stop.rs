//! SIGTERM and SIGINT: an idle process ends at once, a busy one after its outcome.
//!
//! The hard moment is the one at which an event has reached the process's socket but not yet the loop: to
//! end then would lose it. So the [`Gate`] knows the stream that `next` waits on, and whoever ends the
//! process looks first whether something has arrived on it.

use std::io::ErrorKind;
use std::net::{Shutdown, TcpStream};
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use log::info;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::http::Waiter;

/// An event that was handed out just before the signal has arrived by then.
const LAST_WAIT: Duration = Duration::from_millis(50);

/// What the loop is doing, as far as a signal must know.
#[derive(Default)]
pub(super) struct Gate(Mutex<Moment>);

#[derive(Default)]
struct Moment {
    phase: Phase,
    stopping: bool,
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
        moment.phase = Phase::Idle;
        if moment.stopping {
            info!("stopped by the signal, the event at hand being finished");
            process::exit(0);
        }
    }

    fn moment(&self) -> MutexGuard<'_, Moment> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the process unless an event is on its way. The lock is held to the end: the loop cannot take up
    /// an event meanwhile.
    fn stop(&self, signal: i32) {
        let mut moment = self.moment();
        moment.stopping = true;
        let busy = match &moment.phase {
            Phase::Idle | Phase::Polling(None) => false,
            Phase::Polling(Some(stream)) => has_input(stream),
            Phase::Busy => true,
        };
        let name = signal_hook::low_level::signal_name(signal).unwrap_or("a signal");
        if busy {
            info!("{name}: the event at hand is finished first");
            return;
        }
        info!("stopped by {name} while idle");
        process::exit(0);
    }
}

impl Waiter for Gate {
    fn awaits(&self, stream: &Arc<TcpStream>) -> bool {
        let mut moment = self.moment();
        let Phase::Polling(waiting) = &mut moment.phase else { return false };
        if waiting.is_none() {
            *waiting = Some(Arc::clone(stream));
        }
        true
    }

    fn arrived(&self) {
        self.moment().phase = Phase::Busy;
    }
}

/// Whether an event has arrived on the stream or is on its way to it.
///
/// Looks without taking; the loop takes nothing before it has passed the gate. If nothing is there, the
/// runtime API is told by the end of our sending that no event is wanted any more: what it had handed out
/// before it learned of that still arrives, and a server that hangs up as it should spares the wait.
fn has_input(stream: &TcpStream) -> bool {
    let arrived = look(stream, Duration::from_millis(1)) == Some(true) || {
        // A stream that cannot be shut down has no peer either.
        let _ = stream.shutdown(Shutdown::Write);
        look(stream, LAST_WAIT) == Some(true)
    };
    // The loop's reads have no time-out; a stream that cannot be restored is broken, and they will say so.
    let _ = stream.set_read_timeout(None);
    arrived
}

/// `Some(true)`: there is input. `Some(false)`: the peer is gone. `None`: nothing within this time.
fn look(stream: &TcpStream, wait: Duration) -> Option<bool> {
    if stream.set_read_timeout(Some(wait)).is_err() {
        return Some(false);
    }
    match stream.peek(&mut [0]) {
        Ok(bytes) => Some(bytes > 0),
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
        Err(_) => Some(false),
    }
}

/// Starts the thread that waits for signals.
pub(super) fn listen(gate: Arc<Gate>) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    thread::Builder::new().name("signals".into()).stack_size(64 * 1024).spawn(move || {
        for signal in signals.forever() {
            gate.stop(signal);
        }
    })?;
    Ok(())
}
