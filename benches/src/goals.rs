//! The goals of the packaged build, next to the measured values.

use std::time::Duration;

use crate::table::{Table, ratio};

/// Size of the zip, in kB of 1,000 bytes.
const ZIP_KB: u64 = 600;
// Relative to the floor.
const PEAK_MEMORY: f64 = 1.0;
const COLD_START: f64 = 0.8;
const CYCLE: f64 = 1.15;

/// The medians of a row for which there is a goal.
#[derive(Clone, Copy)]
pub struct Measured {
    pub peak_memory_kb: u64,
    pub cold_start: Duration,
    /// The median over the rounds of the ratio to the floor's cycle.
    pub cycle_to_floor: f64,
}

pub fn table(zip_bytes: u64, bootstrap: Measured, floor: Measured) -> Table {
    let mut table = Table::new(["goal", "at most", "measured", "met"]);
    let zip_kb = zip_bytes.div_ceil(1000);
    let yes_or_no = |met| if met { "yes" } else { "**no**" };
    table.row(["zip", &format!("{ZIP_KB} kB"), &format!("{zip_kb} kB"), yes_or_no(zip_kb <= ZIP_KB)]);
    let mut to_floor = |name: &str, goal: f64, measured: f64| {
        // Compared as printed, so that the last column agrees with the printed figure.
        let measured = (measured * 100.0).round() / 100.0;
        table.row([name, &format!("{goal:.2} × floor"), &ratio(measured), yes_or_no(measured <= goal)]);
    };
    to_floor("peak memory", PEAK_MEMORY, kb(bootstrap.peak_memory_kb) / kb(floor.peak_memory_kb));
    to_floor("cold start", COLD_START, bootstrap.cold_start.as_secs_f64() / floor.cold_start.as_secs_f64());
    to_floor("cycle", CYCLE, bootstrap.cycle_to_floor);
    table
}

fn kb(kb: u64) -> f64 {
    f64::from(u32::try_from(kb).unwrap_or(u32::MAX))
}
