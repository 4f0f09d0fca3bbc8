//! The watch over a handler that may be stuck: an error reaches SCF before its limit, then the process ends.
//!
//! SCF would kill the instance at the limit and tell the caller no more than that. A thread of its own can
//! say what happened even when the handler never returns. It is woken once a time limit, not once an
//! invocation: it sleeps to the alarm that it knows of, and looks only then whether that one still matters.

use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use log::error;

use super::api::Fault;

const STUCK: &str = "the handler was still at work when its time limit was near; this instance ends";

/// A log that nobody reads blocks whoever writes to it; the process ends all the same.
const MAX_LOGGING: Duration = Duration::from_millis(100);

/// Keeps the watch.
pub(super) struct Watchdog(Arc<Shared>);

#[derive(Default)]
struct Shared {
    watch: Mutex<Watch>,
    changed: Condvar,
}

#[derive(Default)]
struct Watch {
    /// When the running invocation counts as stuck; `None`: none is running.
    alarm: Option<Instant>,
    /// The running invocation's.
    request_id: String,
    /// When the thread looks next by itself; `None`: when it is told to.
    looks: Option<Instant>,
    fired: bool,
}

/// An invocation is watched for as long as this lives.
pub(super) struct Watched<'w>(&'w Watchdog);

impl Watchdog {
    /// Starts the thread. `report` tells SCF that the invocation has failed, and why; it must return soon.
    pub(super) fn start(
        report: impl Fn(&str) -> Result<(), Fault> + Send + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let watched = Arc::clone(&shared);
        thread::Builder::new().name("watchdog".into()).stack_size(256 * 1024).spawn(move || {
            let request_id = watched.wait_for_alarm();
            let told = report(STUCK)
                .map_or_else(|e| format!("SCF could not be told: {e}"), |()| "SCF was told".into());
            log_within(
                MAX_LOGGING,
                format!("invocation request_id={request_id} outcome=error message={STUCK:?}; {told}"),
            );
            process::exit(1);
        })?;
        Ok(Self(shared))
    }

    /// From now on the invocation is running; at the alarm it counts as stuck.
    pub(super) fn watch(&self, request_id: &str, alarm: Instant) -> Watched<'_> {
        let mut watch = self.0.lock();
        watch.alarm = Some(alarm);
        watch.request_id.clear();
        watch.request_id.push_str(request_id);
        if watch.looks.is_none_or(|looks| alarm < looks) {
            self.0.changed.notify_all();
        }
        Watched(self)
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let mut watch = self.0.0.lock();
        watch.alarm = None;
        // SCF is told that it failed: whatever came of it after all must not be told as well. The process
        // is about to end.
        while watch.fired {
            watch = self.0.0.changed.wait(watch).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for_alarm(&self) -> String {
        let mut watch = self.lock();
        loop {
            let now = Instant::now();
            watch.looks = watch.alarm;
            watch = match watch.alarm {
                Some(alarm) if alarm <= now => {
                    watch.fired = true;
                    return watch.request_id.clone();
                }
                Some(alarm) => {
                    let waited = self.changed.wait_timeout(watch, alarm - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(watch).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

fn log_within(limit: Duration, line: String) {
    let logging = thread::Builder::new().spawn(move || error!("{line}"));
    let since = Instant::now();
    while logging.as_ref().is_ok_and(|logging| !logging.is_finished()) && since.elapsed() < limit {
        thread::sleep(Duration::from_millis(1));
    }
}
