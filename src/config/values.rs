//! Parsers of values. Their error describes what is allowed.

use std::num::NonZeroUsize;
use std::time::Duration;

pub(super) const DEFAULT_CONCURRENCY: NonZeroUsize = NonZeroUsize::new(32).unwrap();

pub(super) fn concurrency(value: &str) -> Result<NonZeroUsize, String> {
    let number = value.parse().ok().filter(|number: &NonZeroUsize| number.get() <= 256);
    number.ok_or_else(|| "a number, 1 to 256".into())
}

/// `None`: for ever.
pub(super) fn time_to_live(value: &str) -> Result<Option<Duration>, String> {
    let seconds: u32 = value.parse().map_err(|_| "seconds, a whole number; 0 = never")?;
    Ok((seconds > 0).then(|| Duration::from_secs(u64::from(seconds))))
}

pub(super) fn boolean(value: &str) -> Result<bool, String> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("true, false".into()),
    }
}
