//! Keeps a refusal that every client meets from filling the log: the first is a line, those of the next seconds are
//! counted, and the next line says how many there were.

use std::{
    fmt,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// For how long a line stands for all of its kind.
const INTERVAL: Duration = Duration::from_secs(10);

/// One kind of refusal.
#[derive(Debug, Default)]
pub(crate) struct LogLimit(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    left_out: u64,
}

/// How many lines were left out before this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeftOut(u64);

impl LogLimit {
    /// Whether a refusal of now is a line.
    pub(crate) fn admit(&self) -> Option<LeftOut> {
        self.admit_at(Instant::now())
    }

    fn admit_at(&self, now: Instant) -> Option<LeftOut> {
        let mut state = self.0.lock();
        if state.last.is_some_and(|last| now.saturating_duration_since(last) < INTERVAL) {
            state.left_out += 1;
            return None;
        }
        state.last = Some(now);
        Some(LeftOut(std::mem::take(&mut state.left_out)))
    }
}

impl fmt::Display for LeftOut {
    /// Goes at the end of the line; nothing if none was left out.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            1 => formatter.write_str(" (and 1 more since the last such line)"),
            count => write!(formatter, " (and {count} more since the last such line)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_in_ten_seconds_counts_the_others() {
        let limit = LogLimit::default();
        let begun = Instant::now();
        assert_eq!(limit.admit_at(begun), Some(LeftOut(0)));
        for millis in [0, 1, 9_999] {
            assert_eq!(limit.admit_at(begun + Duration::from_millis(millis)), None);
        }
        let line = limit.admit_at(begun + INTERVAL).expect("a line");
        assert_eq!(line.to_string(), " (and 3 more since the last such line)");
        assert_eq!(limit.admit_at(begun + INTERVAL * 2).map(|line| line.to_string()).as_deref(), Some(""));
    }
}
