//! Cost by event size, next to the minimum cost of the same bytes.

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde::de::IgnoredAny;
use serde_json::Value;

use crate::function::Launch;
use crate::processor::Bound;
use crate::runtime_api::{Dialect, RuntimeApi};
use crate::table::{Table, thousands, us};
use crate::trial::{Plan, Trial, median};
use crate::{Result, event, subject};

const INTRODUCTION: &str = "\
## Growth

A text frame through the transfer function with `WS_PUSH_TO=none`, which returns the event byte for byte. CPU is the \
function's alone. The floor receives and sends the same bytes without parsing them. The last columns are one `memcpy` of \
the same bytes and two ways to parse them with `serde_json`, in nanoseconds per byte.

";

const SIZES: [(&str, usize, usize); 4] = [
    ("1 kB", 1_000, 3_000),
    ("64 kB", 64_000, 500),
    ("1 MB", 1_000_000, 60),
    ("6 MB, the limit", 6 * 1024 * 1024, 20),
];

pub fn section(rounds: usize) -> Result<String> {
    let _bound = Bound::to_one()?;
    let mut table = Table::new([
        "event",
        "cycle",
        "floor",
        "CPU per invocation",
        "floor",
        "CPU ns/byte",
        "floor",
        "memcpy",
        "`serde_json`, `IgnoredAny`",
        "`serde_json`, `Value`",
    ]);
    let mut api = RuntimeApi::open()?;
    for (name, bytes, invocations) in SIZES {
        let event = event::frame_of(bytes);
        let (own, floor) = measure(&mut api, &event, invocations, rounds)?;
        let a_byte = |time: Duration| nanoseconds_a_byte(time, event.len());
        table.row([
            name.to_owned(),
            us(own.cycle),
            us(floor.cycle),
            us(own.processor_time),
            us(floor.processor_time),
            a_byte(own.processor_time),
            a_byte(floor.processor_time),
            a_byte(memcpy(event.as_bytes())),
            a_byte(repeated(|| drop(black_box(serde_json::from_str::<IgnoredAny>(black_box(&event)))))),
            a_byte(repeated(|| drop(black_box(serde_json::from_str::<Value>(black_box(&event)))))),
        ]);
    }
    Ok(format!("{INTRODUCTION}{table}"))
}

struct Cost {
    cycle: Duration,
    processor_time: Duration,
}

fn measure(api: &mut RuntimeApi, event: &str, invocations: usize, rounds: usize) -> Result<(Cost, Cost)> {
    let own = subject::bootstrap("transfer")?.with("WS_PUSH_TO", "none");
    let mut echo = subject::floor()?;
    echo.command.push("--echo".into());
    let (mut of_own, mut of_echo) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        of_own.push(run(api, &own, event, invocations)?);
        of_echo.push(run(api, &echo, event, invocations)?);
    }
    Ok((Cost::of(&of_own)?, Cost::of(&of_echo)?))
}

fn run(api: &mut RuntimeApi, launch: &Launch, event: &str, invocations: usize) -> Result<Trial> {
    let warm_up = invocations.div_ceil(10);
    Trial::run(api, &Plan { launch, dialect: Dialect::Scf, event, answer: event, warm_up, invocations })
}

impl Cost {
    fn of(trials: &[Trial]) -> Result<Self> {
        let cycles = trials.iter().filter_map(|trial| median(trial.cycles.iter().copied()));
        let processor_times = trials.iter().map(|trial| trial.processor_time);
        Ok(Self {
            cycle: median(cycles).ok_or("no rounds")?,
            processor_time: median(processor_times).ok_or("no rounds")?,
        })
    }
}

fn memcpy(from: &[u8]) -> Duration {
    let mut to = vec![0; from.len()];
    repeated(|| black_box(&mut to[..]).copy_from_slice(black_box(from)))
}

/// The median duration of `work` over a tenth of a second, timed in batches that the clock can resolve.
fn repeated(mut work: impl FnMut()) -> Duration {
    const TIMES: u32 = 10;
    let mut each = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(100) {
        let begun = Instant::now();
        for _ in 0..TIMES {
            work();
        }
        each.push(begun.elapsed() / TIMES);
    }
    median(each).unwrap_or_default()
}

fn nanoseconds_a_byte(time: Duration, bytes: usize) -> String {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    let ns = time.as_secs_f64() * 1e9 / f64::from(bytes);
    if ns < 10.0 { format!("{ns:.2}") } else { thousands(ns) }
}
