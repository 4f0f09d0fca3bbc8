//! What the operating system knows of this process, under the names that all programs have for it. Read from `/proc` when
//! somebody asks; what cannot be read is left out.

use std::{fs, sync::OnceLock};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};

use rustix::{param, process as system};

use super::catalogue::{self as c, Description, MetricKind};

#[derive(Debug)]
pub(super) struct ProcessMetrics;

/// A moment's figures.
struct ProcessFigures {
    memory_bytes: Option<f64>,
    cpu_seconds: Option<f64>,
    open_files: Option<f64>,
    max_files: Option<f64>,
    started: Option<f64>,
}

impl ProcessFigures {
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    fn now() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name of the program, in brackets, may contain spaces. The state is the third field of the line.
        let fields: Vec<&str> =
            stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let (page_bytes, ticks_per_second) =
            (param::page_size() as f64, param::clock_ticks_per_second() as f64);
        let sum = |one: Option<f64>, other: Option<f64>| Some(one? + other?);
        Self {
            memory_bytes: field(24).map(|pages| pages * page_bytes),
            cpu_seconds: sum(field(14), field(15)).map(|ticks| ticks / ticks_per_second),
            // The folder that is being read is one of them.
            open_files: fs::read_dir("/proc/self/fd")
                .ok()
                .map(|entries| entries.count().saturating_sub(1) as f64),
            max_files: system::getrlimit(system::Resource::Nofile).current.map(|files| files as f64),
            started: sum(field(22).map(|ticks| ticks / ticks_per_second), booted()),
        }
    }
}

/// When the system was started, in seconds since 1970.
fn booted() -> Option<f64> {
    static BOOTED: OnceLock<Option<f64>> = OnceLock::new();
    *BOOTED.get_or_init(|| {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
    })
}

impl Collector for ProcessMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let process = ProcessFigures::now();
        let figures: [(&Description, Option<f64>); 5] = [
            (&c::PROCESS_MEMORY, process.memory_bytes),
            (&c::PROCESS_CPU, process.cpu_seconds),
            (&c::PROCESS_OPEN_FILES, process.open_files),
            (&c::PROCESS_MAX_FILES, process.max_files),
            (&c::PROCESS_STARTED, process.started),
        ];
        for (description, value) in figures {
            let Some(value) = value else { continue };
            let (name, help) = (description.name.trim_end_matches("_total"), description.help);
            match description.kind {
                MetricKind::Counter => {
                    let counter = ConstCounter::new(value);
                    counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
                }
                MetricKind::Gauge | MetricKind::Histogram => {
                    let gauge = ConstGauge::new(value);
                    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
                }
            }
        }
        Ok(())
    }
}
