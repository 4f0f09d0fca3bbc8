//! Rate limits for the log, so that events that affect many clients, or repeat, do not fill it.
//!
//! A [`LogLimit`] limits one kind of message: within an [`INTERVAL`] it writes a fixed number of lines and counts the rest.
//! When the interval ends, one more line says how many were suppressed, even if no further message follows. Suppressed
//! messages are logged at `debug`. docs/guarantees.md has the rates.

use std::{fmt, sync::Arc, time::Duration};

use log::{Level, log};
use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    time::{Instant, sleep_until},
};

/// The period for which lines are counted.
const INTERVAL: Duration = Duration::from_secs(10);

/// For messages that do not depend on a single client or event.
const ALIKE: u32 = 1;
/// For messages about a single client or event, each with its id.
pub(crate) const SINGLE: u32 = 20;

/// The connection and the request that a line is about, if any.
pub(crate) type LogIds<'a> = Option<(&'a str, &'a str)>;

/// The limit for one kind of message. Clones share the count.
#[derive(Debug, Clone)]
pub(crate) struct LogLimit {
    lines: u32,
    interval: Arc<Mutex<Interval>>,
}

/// What was logged since the start of the interval.
#[derive(Debug, Default)]
struct Interval {
    /// `None` before the first line, and between two intervals.
    end: Option<Instant>,
    written: u32,
    left_out: u64,
    /// The last written line.
    last: Option<(Level, String)>,
}

/// Whether a line is written.
#[derive(Debug, PartialEq, Eq)]
enum LineDecision {
    Written,
    LeftOut {
        /// When to write the summary, for the first suppressed line only.
        summary: Option<Instant>,
    },
}

/// Says how many lines were suppressed.
#[derive(Debug, PartialEq, Eq)]
struct LeftOutSummary {
    level: Level,
    left_out: u64,
    line: String,
}

impl LogLimit {
    /// Writes this many lines per interval, at least one.
    pub(crate) fn new(lines: u32) -> Self {
        Self { lines: lines.max(1), interval: Arc::default() }
    }

    /// Writes the line or counts it.
    pub(crate) fn log(&self, level: Level, ids: LogIds<'_>, line: fmt::Arguments<'_>) {
        if level > log::max_level() {
            return;
        }
        let now = Instant::now();
        let mut interval = self.interval.lock();
        let before = interval.end.is_some_and(|end| end <= now).then(|| interval.end()).flatten();
        let decision = interval.admit(self.lines, now, level, line);
        drop(interval);
        write_summary(before);
        match decision {
            LineDecision::Written => write(level, ids, line),
            LineDecision::LeftOut { summary } => {
                write(Level::Debug, ids, line);
                // Without a runtime the summary is written before the next line.
                if let (Some(end), Ok(runtime)) = (summary, Handle::try_current()) {
                    runtime.spawn(summarise(Arc::clone(&self.interval), end));
                }
            }
        }
    }
}

impl Default for LogLimit {
    fn default() -> Self {
        Self::new(ALIKE)
    }
}

impl Interval {
    fn admit(&mut self, lines: u32, now: Instant, level: Level, line: fmt::Arguments<'_>) -> LineDecision {
        let end = *self.end.get_or_insert(now + INTERVAL);
        if self.written < lines {
            self.written += 1;
            if self.written == lines {
                self.last = Some((level, line.to_string()));
            }
            return LineDecision::Written;
        }
        self.left_out += 1;
        LineDecision::LeftOut { summary: (self.left_out == 1).then_some(end) }
    }

    fn end(&mut self) -> Option<LeftOutSummary> {
        self.end = None;
        self.written = 0;
        let left_out = std::mem::take(&mut self.left_out);
        let (level, line) = self.last.take()?;
        (left_out > 0).then_some(LeftOutSummary { level, left_out, line })
    }
}

impl Drop for Interval {
    fn drop(&mut self) {
        write_summary(self.end());
    }
}

impl fmt::Display for LeftOutSummary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { left_out, line, .. } = self;
        write!(formatter, "{left_out} more like this within {} s: {line}", INTERVAL.as_secs())
    }
}

/// Writes the summary at the end of the interval, unless a later line has already done so.
async fn summarise(interval: Arc<Mutex<Interval>>, end: Instant) {
    sleep_until(end).await;
    let mut interval = interval.lock();
    let summary = (interval.end == Some(end)).then(|| interval.end()).flatten();
    drop(interval);
    write_summary(summary);
}

fn write_summary(summary: Option<LeftOutSummary>) {
    if let Some(summary) = summary {
        write(summary.level, None, format_args!("{summary}"));
    }
}

fn write(level: Level, ids: LogIds<'_>, line: fmt::Arguments<'_>) {
    match ids {
        Some((connection, request_id)) => log!(level, connection, request_id; "{line}"),
        None => log!(level, "{line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(interval: &mut Interval, number: u32, now: Instant) -> bool {
        interval.admit(2, now, Level::Warn, format_args!("line {number}")) == LineDecision::Written
    }

    #[test]
    fn an_interval_has_so_many_lines_and_a_summary_of_the_others() {
        let (mut interval, now) = (Interval::default(), Instant::now());
        let written: Vec<_> = (0..5).map(|number| admit(&mut interval, number, now)).collect();
        assert_eq!(written, [true, true, false, false, false]);
        let summary = interval.end().expect("three are left out");
        assert_eq!((summary.level, summary.left_out), (Level::Warn, 3));
        assert_eq!(summary.to_string(), "3 more like this within 10 s: line 1");
        assert!(admit(&mut interval, 6, now), "the next interval");
        assert_eq!(interval.end(), None, "none is left out");
    }

    #[test]
    fn one_timer_is_set_for_the_summary() {
        let (mut interval, now) = (Interval::default(), Instant::now());
        let mut left_out = || interval.admit(1, now, Level::Info, format_args!("x"));
        assert_eq!(left_out(), LineDecision::Written);
        assert_eq!(left_out(), LineDecision::LeftOut { summary: Some(now + INTERVAL) });
        assert_eq!(left_out(), LineDecision::LeftOut { summary: None });
    }

    #[tokio::test(start_paused = true)]
    async fn the_summary_comes_at_the_end_of_the_interval_though_nothing_follows() {
        log::set_max_level(log::LevelFilter::Error);
        let limit = LogLimit::default();
        for _ in 0..3 {
            limit.log(Level::Error, None, format_args!("it is away"));
        }
        assert_eq!(limit.interval.lock().left_out, 2);
        tokio::time::sleep(INTERVAL + Duration::from_millis(1)).await;
        assert_eq!(limit.interval.lock().left_out, 0);
    }
}
