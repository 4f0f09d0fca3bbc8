//! The goals of the packaged gateway, next to the measured values.

use super::figures::{self, Figure};
use super::subject::Kind;
use super::trial::Hold;
use super::{Part, Row, compression, hold};
use crate::table::{Table, cell, float, ratio};

/// Bytes of an idle connection.
const MEMORY: f64 = 4_000.0;
const MEMORY_OVER_TLS: f64 = 20_000.0;
const MEMORY_TO_NCHAN: f64 = 1.0;
const FAN_OUT_TO_NCHAN: f64 = 1.3;
/// Microseconds of a frame.
const PROCESSOR_TIME: f64 = 45.0;
/// A second.
const HANDSHAKES: f64 = 6_000.0;
const P99_TO_P50: f64 = 5.0;
/// The last sample's memory to the first's.
const FLAT: f64 = 1.05;
const COMPRESSED_ON_THE_NETWORK: f64 = 0.5;
const COMPRESSED_ON_LOOPBACK: f64 = 1.2;
/// Idle connections differ by so much from run to run.
const COMPRESSED_MEMORY: f64 = 1.03;

pub(super) fn table(parts: &[Part], rows: &[Row], held: Option<&Hold>) -> Table {
    let mut goals = Goals::new();
    let own = &rows[0];
    let to_nchan = |figure: Figure| figures::to(rows, &Kind::Nchan, own, figure);
    for part in parts {
        match part {
            Part::Crowd => {
                let bytes = figures::of(own, figures::bytes);
                goals.at_most("memory of an idle connection", MEMORY, " B", bytes);
                goals.at_most("the same to nchan's", MEMORY_TO_NCHAN, "", to_nchan(figures::bytes));
                let fan_out = to_nchan(figures::warm_fan_out);
                goals.at_most("one frame to 9,000, warm, to nchan's", FAN_OUT_TO_NCHAN, "", fan_out);
            }
            Part::Tls => {
                let bytes = figures::of(own, figures::bytes_over_tls);
                goals.at_most("memory of an idle connection over TLS", MEMORY_OVER_TLS, " B", bytes);
            }
            Part::Cpu => {
                let us = figures::of(own, figures::echo_processor_time).map(|seconds| seconds * 1e6);
                goals.at_most("CPU of a frame", PROCESSOR_TIME, " µs", us);
            }
            Part::Handshakes => {
                let measured = figures::of(own, figures::handshakes);
                goals.at_least("handshakes a second", HANDSHAKES, measured);
            }
            Part::Latency => {
                goals.at_most("p99 to p50", P99_TO_P50, "", figures::of(own, figures::p99_to_p50));
            }
            Part::Compression => {
                let network = compression::on_the_network(own);
                goals.at_most(
                    "20 kB compressed to 9,000 at 1 Gbit/s, to plain",
                    COMPRESSED_ON_THE_NETWORK,
                    "",
                    network,
                );
                let loopback = compression::over_loopback(own);
                goals.at_most(
                    "20 kB compressed to 9,000 over loopback, to plain",
                    COMPRESSED_ON_LOOPBACK,
                    "",
                    loopback,
                );
                let memory = compression::idle_memory(own);
                goals.at_most(
                    "memory of an idle connection that has agreed, to plain",
                    COMPRESSED_MEMORY,
                    "",
                    memory,
                );
            }
            Part::Hold => {
                let answered = held.map(|held| float(held.answered));
                goals.at_least("connections that answer at the end", float(hold::CLIENTS as u64), answered);
                goals.at_most(
                    "memory at the end to that at the start",
                    FLAT,
                    "",
                    held.and_then(Hold::growth),
                );
            }
        }
    }
    goals.0
}

/// A table of goals and whether they are met.
pub struct Goals(pub Table);

impl Goals {
    pub fn new() -> Self {
        Self(Table::new(["goal", "", "measured", "met"]))
    }

    pub fn at_most(&mut self, name: &str, goal: f64, unit: &str, measured: Option<f64>) {
        // Compared as printed, so that the last column agrees with the printed figure.
        let measured = measured.map(rounded);
        let is_met = measured.map(|measured| measured <= goal);
        let measured = cell(measured, |measured| ratio(measured) + unit);
        self.0.row([name, &format!("≤ {}{unit}", ratio(goal)), &measured, met(is_met)]);
    }

    pub fn at_least(&mut self, name: &str, goal: f64, measured: Option<f64>) {
        let measured = measured.map(rounded);
        let is_met = measured.map(|measured| measured >= goal);
        self.0.row([name, &format!("≥ {}", ratio(goal)), &cell(measured, ratio), met(is_met)]);
    }
}

fn met(is_met: Option<bool>) -> &'static str {
    match is_met {
        Some(true) => "yes",
        Some(false) => "**no**",
        None => "not measured",
    }
}

fn rounded(number: f64) -> f64 {
    if number < 10.0 { (number * 100.0).round() / 100.0 } else { number.round() }
}
