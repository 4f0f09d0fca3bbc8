//! What a process did in its life, in one line for the log.

use std::fmt;

use super::{Metrics, catalogue as c, catalogue::Description};

/// Clients, frames, calls and pushes since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Totals {
    pub clients: u64,
    pub frames_in: u64,
    pub bytes_in: u64,
    pub frames_out: u64,
    pub bytes_out: u64,
    pub calls: u64,
    pub calls_failed: u64,
    pub pushes: u64,
    pub pushes_failed: u64,
}

impl Metrics {
    /// What there was since the start.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let text = self.encode().unwrap_or_default();
        let sum = |metric: &Description, label: &str| sum(&text, metric.name, label);
        let (calls, pushes) = (sum(&c::EVENTS, ""), sum(&c::PUSHES, ""));
        Totals {
            clients: sum(&c::HANDSHAKES, "outcome=\"accepted\""),
            frames_in: sum(&c::FRAMES, "direction=\"in\""),
            bytes_in: sum(&c::FRAME_BYTES, "direction=\"in\""),
            frames_out: sum(&c::FRAMES, "direction=\"out\""),
            bytes_out: sum(&c::FRAME_BYTES, "direction=\"out\""),
            calls,
            calls_failed: calls - sum(&c::EVENTS, "outcome=\"ok\""),
            pushes,
            pushes_failed: pushes - sum(&c::PUSHES, "outcome=\"accepted\""),
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clients, frames_in, bytes_in, frames_out, bytes_out, .. } = self;
        let Self { calls, calls_failed, pushes, pushes_failed, .. } = self;
        write!(
            formatter,
            "{clients} clients, {frames_in} frames ({bytes_in} bytes) in, {frames_out} frames ({bytes_out} bytes) out, \
             {calls} calls of functions ({calls_failed} failed), {pushes} pushes ({pushes_failed} failed)"
        )
    }
}

/// The sum of a counter's series that have this label.
fn sum(text: &str, name: &str, label: &str) -> u64 {
    let series = text.lines().filter_map(|line| line.strip_prefix(name));
    let series = series.filter(|rest| rest.starts_with('{') && rest.contains(label));
    series.filter_map(|rest| rest.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
}
