//! What a process did in its life, in one line for the log.

use std::fmt::Write as _;

use super::{Metrics, catalogue as c, catalogue::Description};

impl Metrics {
    /// Clients, frames, calls and pushes since the start.
    #[must_use]
    pub fn totals(&self) -> String {
        let text = self.encode().unwrap_or_default();
        let sum = |metric: &Description, label: &str| sum(&text, metric.name, label);
        let mut totals = format!("{} clients", sum(&c::HANDSHAKES, "outcome=\"accepted\""));
        for direction in ["in", "out"] {
            let label = format!("direction=\"{direction}\"");
            let (frames, bytes) = (sum(&c::FRAMES, &label), sum(&c::FRAME_BYTES, &label));
            // A text never fails.
            let _ = write!(totals, ", {frames} frames ({bytes} bytes) {direction}");
        }
        let (calls, ok) = (sum(&c::EVENTS, ""), sum(&c::EVENTS, "outcome=\"ok\""));
        let (pushes, accepted) = (sum(&c::PUSHES, ""), sum(&c::PUSHES, "outcome=\"accepted\""));
        let _ = write!(
            totals,
            ", {calls} calls of functions ({} failed), {pushes} pushes ({} failed)",
            calls - ok,
            pushes - accepted
        );
        totals
    }
}

/// The sum of a counter's series that have this label.
fn sum(text: &str, name: &str, label: &str) -> u64 {
    let series = text.lines().filter_map(|line| line.strip_prefix(name));
    let series = series.filter(|rest| rest.starts_with('{') && rest.contains(label));
    series.filter_map(|rest| rest.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
}
