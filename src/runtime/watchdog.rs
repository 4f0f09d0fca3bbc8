//! Detects a stuck handler: reports an error to SCF before the time limit, then ends the process.
//!
//! At the limit SCF would kill the instance without a reason. A separate thread can report one even if the handler
//! never returns. To keep it cheap, the thread sleeps until the alarm that it knows of and only then checks whether
//! that alarm still applies, so it wakes once in a time limit rather than once in an invocation.

use std::fmt::Display;
use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use log::error;

const STUCK: &str = "the handler was still at work when its time limit was near; this instance ends";

/// A blocked standard output must not keep the process from ending.
const LOG_TIMEOUT: Duration = Duration::from_millis(100);

/// A thread that watches the running invocation.
pub(super) struct Watchdog(Arc<Shared>);

#[derive(Default)]
struct Shared {
    watch: Mutex<Watch>,
    changed: Condvar,
}

#[derive(Default)]
struct Watch {
    /// When the running invocation counts as stuck; `None` while none is running.
    alarm: Option<Instant>,
    /// The id of the running invocation.
    request_id: String,
    /// When the thread wakes next; `None` while it waits to be notified.
    wakes: Option<Instant>,
    fired: bool,
}

/// Watches an invocation until it is dropped.
pub(super) struct Watched<'w>(&'w Watchdog);

impl Watchdog {
    /// Starts the thread. `report` reports the failure of the invocation to SCF; it must return soon.
    pub(super) fn start<E: Display>(
        report: impl Fn(&str) -> Result<(), E> + Send + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let watched = Arc::clone(&shared);
        thread::Builder::new().name("watchdog".into()).stack_size(256 * 1024).spawn(move || {
            let request_id = watched.wait_for_alarm();
            let reported = report(STUCK)
                .map_or_else(|e| format!("reporting it to SCF failed: {e}"), |()| "reported to SCF".into());
            log_within(
                LOG_TIMEOUT,
                format!("invocation request_id={request_id} outcome=error message={STUCK:?}; {reported}"),
            );
            process::exit(1);
        })?;
        Ok(Self(shared))
    }

    /// Starts watching an invocation, which counts as stuck from `alarm` on.
    pub(super) fn watch(&self, request_id: &str, alarm: Instant) -> Watched<'_> {
        let mut watch = self.0.lock();
        watch.alarm = Some(alarm);
        watch.request_id.clear();
        watch.request_id.push_str(request_id);
        if watch.wakes.is_none_or(|wakes| alarm < wakes) {
            self.0.changed.notify_all();
        }
        Watched(self)
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let mut watch = self.0.0.lock();
        watch.alarm = None;
        // The failure has been reported and the process is about to end: no other outcome may be sent.
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
            watch.wakes = watch.alarm;
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
