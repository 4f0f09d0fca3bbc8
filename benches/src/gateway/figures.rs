//! Medians over the rounds, and medians of the rounds' ratios.

use std::time::Duration;

use super::Row;
use super::subject::Kind;
use super::trial::{Crowd, Echo, Handshakes, Paced};
use crate::trial::median;

/// One figure of a row, round by round.
pub type Figure = fn(&Row) -> Vec<f64>;

pub fn bytes(row: &Row) -> Vec<f64> {
    row.crowd.iter().map(|crowd: &Crowd| crowd.bytes).collect()
}

pub fn bytes_afterwards(row: &Row) -> Vec<f64> {
    row.crowd.iter().filter_map(|crowd| crowd.bytes_afterwards).collect()
}

pub fn bytes_over_tls(row: &Row) -> Vec<f64> {
    row.tls.iter().map(|crowd| crowd.bytes).collect()
}

pub fn base_bytes(row: &Row) -> Vec<f64> {
    #[allow(clippy::cast_precision_loss, reason = "bytes far below 2^52")]
    row.crowd.iter().map(|crowd| crowd.base_bytes as f64).collect()
}

pub fn first_fan_out(row: &Row) -> Vec<f64> {
    row.crowd.iter().filter_map(|crowd| crowd.first_fan_out.as_ref().map(Duration::as_secs_f64)).collect()
}

pub fn warm_fan_out(row: &Row) -> Vec<f64> {
    row.crowd.iter().filter_map(|crowd| crowd.warm_fan_out.as_ref().map(Duration::as_secs_f64)).collect()
}

pub fn echo_processor_time(row: &Row) -> Vec<f64> {
    row.cpu.iter().map(|echo: &Echo| echo.processor_time.as_secs_f64()).collect()
}

pub fn echo_of_functions(row: &Row) -> Vec<f64> {
    row.cpu.iter().map(|echo| echo.of_functions.as_secs_f64()).collect()
}

pub fn echoes(row: &Row) -> Vec<f64> {
    row.cpu.iter().map(|echo| echo.per_second).collect()
}

pub fn handshakes(row: &Row) -> Vec<f64> {
    row.handshakes.iter().map(|handshakes: &Handshakes| handshakes.per_second).collect()
}

pub fn handshake_processor_time(row: &Row) -> Vec<f64> {
    row.handshakes.iter().map(|handshakes| handshakes.processor_time.as_secs_f64()).collect()
}

pub fn paced_rate(row: &Row) -> Vec<f64> {
    row.latency.iter().map(|paced: &Paced| paced.per_second).collect()
}

pub fn p50(row: &Row) -> Vec<f64> {
    row.latency.iter().map(|paced| paced.latency.p50.as_secs_f64()).collect()
}

pub fn p99(row: &Row) -> Vec<f64> {
    row.latency.iter().map(|paced| paced.latency.p99.as_secs_f64()).collect()
}

pub fn p999(row: &Row) -> Vec<f64> {
    row.latency.iter().map(|paced| paced.latency.p999.as_secs_f64()).collect()
}

/// Of each round.
pub fn p99_to_p50(row: &Row) -> Vec<f64> {
    p99(row).iter().zip(p50(row)).map(|(p99, p50)| p99 / p50).collect()
}

/// The median over the rounds.
pub fn of(row: &Row, figure: Figure) -> Option<f64> {
    median(figure(row))
}

/// The median of the rounds' ratios to the row of this kind.
pub fn to(rows: &[Row], kind: &Kind, row: &Row, figure: Figure) -> Option<f64> {
    let other = figure(rows.iter().find(|row| row.subject.kind == *kind)?);
    median(figure(row).into_iter().zip(other).map(|(own, other)| own / other))
}
