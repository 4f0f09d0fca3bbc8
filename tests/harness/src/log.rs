//! The log of gateways in the test's own process, all of which share it.

use std::{
    fmt::Write as _,
    sync::{Mutex, Once, PoisonError},
};

use ::log::{LevelFilter, Log, Metadata, Record};

static LINES: Mutex<String> = Mutex::new(String::new());

struct Memory;

impl Log for Memory {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a `String` cannot fail.
        let _ = writeln!(lines, "{} {}", record.level(), record.args());
    }

    fn flush(&self) {}
}

/// Begins to keep what is logged.
pub(crate) fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if ::log::set_logger(&Memory).is_ok() {
            ::log::set_max_level(LevelFilter::Info);
        }
    });
}

/// What gateways in process have logged so far, a line `LEVEL message` each.
pub fn in_process_log() -> String {
    LINES.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
