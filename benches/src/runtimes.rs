//! Compares runtimes: the same function on each, in interleaved rounds.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use crate::function::Launch;
use crate::processor::Bound;
use crate::runtime_api::RuntimeApi;
use crate::subject::{self, Missing, Speed, Subject};
use crate::table::{Table, mb, ms, ratio, us};
use crate::trial::{Plan, Trial, median, percentile};
use crate::{Result, event, goals};

/// Starts per round beyond that of the measured run.
const EXTRA_STARTS: usize = 4;

struct Row {
    subject: Subject,
    trials: Vec<Trial>,
    cold_starts: Vec<Duration>,
}

pub fn section(rounds: usize) -> Result<String> {
    let rows = measured(subject::all()?, rounds)?;
    let goals = goals::table(size(subject::ZIP)?, rows[1].goals(&rows[0])?, rows[0].goals(&rows[0])?);
    Ok(format!("{INTRODUCTION}{}{}\n{}\n{goals}", table(&rows), skipped(&rows), artefact()?))
}

/// Compares these builds of the bootstrap with the floor.
pub fn comparison(rounds: usize, files: &[&str]) -> Result<String> {
    Ok(table(&measured(subject::builds(files)?, rounds)?).to_string())
}

fn measured(subjects: Vec<Subject>, rounds: usize) -> Result<Vec<Row>> {
    let _bound = Bound::to_one()?;
    let mut rows: Vec<_> = subjects.into_iter().map(Row::new).collect();
    let mut api = RuntimeApi::open()?;
    for _ in 0..rounds {
        for row in &mut rows {
            row.round(&mut api).map_err(|e| format!("{}: {e}", row.subject.name))?;
        }
    }
    Ok(rows)
}

const INTRODUCTION: &str = "\
## Runtimes

The documented connect event over loopback, answered by the register function; the answer is checked. A cycle lasts from \
the offer of an event to the request for the next one and includes, in every row, the share of the stand-in for the runtime \
API. Function and stand-in share one processor, so that a cycle measures work rather than the wake-up of an idle processor. \
The rows are interleaved: each round runs each of them once, in a new process. A cycle is the median of the rounds' medians, \
*× floor* the median of the rounds' ratios to the floor's cycle; CPU and memory are the function's alone, medians as well. \
All settings are defaults; the log at `info` goes to `/dev/null`. Cold start lasts from before the process is created to the \
end of its `ready` (for `lambda_runtime`, which has none, to its first `next`). The bootstrap is the packaged file, linked \
with musl unless another target was requested. All other Rust rows are linked statically with glibc and with fat LTO; the \
peers are optimized for speed (`opt-level = 3`).

";

impl Row {
    fn new(subject: Subject) -> Self {
        Self { subject, trials: Vec::new(), cold_starts: Vec::new() }
    }

    fn round(&mut self, api: &mut RuntimeApi) -> Result<()> {
        let Ok(launch) = &self.subject.launch else { return Ok(()) };
        let plan = self.plan(launch, self.subject.speed.invocations());
        let trial = Trial::run(api, &plan)?;
        self.cold_starts.push(trial.cold_start);
        self.trials.push(trial);
        if matches!(self.subject.speed, Speed::Tens) {
            for _ in 0..EXTRA_STARTS {
                let extra = Trial::run(api, &self.plan(launch, 1))?;
                self.cold_starts.push(extra.cold_start);
            }
        }
        Ok(())
    }

    fn plan<'p>(&self, launch: &'p Launch, invocations: usize) -> Plan<'p> {
        Plan {
            launch,
            dialect: self.subject.dialect,
            event: event::CONNECT,
            answer: event::ACCEPTING,
            warm_up: invocations.div_ceil(10),
            invocations,
        }
    }

    fn cycles(&self) -> impl Iterator<Item = Duration> {
        self.trials.iter().filter_map(|trial| median(trial.cycles.iter().copied()))
    }

    fn cycle_to_floor(&self, floor: &Self) -> Option<f64> {
        let ratios =
            self.cycles().zip(floor.cycles()).map(|(own, floor)| own.as_secs_f64() / floor.as_secs_f64());
        median(ratios)
    }

    fn goals(&self, floor: &Self) -> Result<goals::Measured> {
        let measured = || {
            Some(goals::Measured {
                peak_memory_kb: median(self.trials.iter().map(|trial| trial.peak_memory_kb))?,
                cold_start: median(self.cold_starts.iter().copied())?,
                cycle_to_floor: self.cycle_to_floor(floor)?,
            })
        };
        measured().ok_or_else(|| format!("{}: no rounds", self.subject.name).into())
    }

    fn cells(&self, floor: &Self) -> Option<[String; 9]> {
        let to_outcome = || self.trials.iter().flat_map(|trial| trial.to_outcome.iter().copied());
        Some([
            self.subject.name.clone(),
            us(median(self.cycles())?),
            ratio(self.cycle_to_floor(floor)?),
            us(percentile(to_outcome(), 50)?),
            us(percentile(to_outcome(), 99)?),
            us(median(self.trials.iter().map(|trial| trial.processor_time))?),
            mb(median(self.trials.iter().map(|trial| trial.peak_memory_kb))?),
            mb(median(self.trials.iter().map(|trial| trial.anonymous_memory_kb))?),
            ms(median(self.cold_starts.iter().copied())?),
        ])
    }
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new([
        "",
        "cycle",
        "× floor",
        "next → response p50",
        "p99",
        "CPU per invocation",
        "peak memory",
        "anonymous",
        "cold start",
    ]);
    for cells in rows.iter().filter_map(|row| row.cells(&rows[0])) {
        table.row(cells);
    }
    table
}

/// Names each skipped row, so that its absence is not taken for an oversight.
fn skipped(rows: &[Row]) -> String {
    let mut lines = String::new();
    for row in rows {
        if let Err(Missing(why)) = &row.subject.launch {
            // Writing to a String cannot fail.
            let _ = write!(lines, "\nNot measured: {}, since {why}.\n", row.subject.name);
        }
    }
    lines
}

fn artefact() -> Result<String> {
    let (binary, zip) = (size(subject::BOOTSTRAP)?, size(subject::ZIP)?);
    Ok(format!("The artefact has {} kB, zipped {} kB.\n", binary.div_ceil(1000), zip.div_ceil(1000)))
}

fn size(path: &str) -> Result<u64> {
    Ok(fs::metadata(path).map_err(|e| format!("{path}: {e}"))?.len())
}
