//! The time line: what happened behind the gateway, kept as the last 500 records and sent live to every viewer.
//!
//! A [`Timeline`] is a [`Reporter`](crate::report::Reporter): an invocation's record begins with its event, and grows
//! with the output and the pushes of the instance that runs it. Each change is announced by the record's id only; its
//! JSON is made for each viewer, so that a time line without viewers costs next to nothing.
//!
//! It exists only where the page is served.

mod figures;
mod open;
mod payload;
mod push;
mod record;
mod recorder;
mod ring;
mod stream;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) use self::recorder::{RecordedEvent, Timeline};

/// Milliseconds since 1970.
fn epoch_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds to the microsecond.
fn float_ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
