//! Describes the machine in one line.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// Above this, something else is at work.
const QUIET_LOAD: f64 = 0.5;
/// After a build the load takes two minutes to fall.
const LONGEST_WAIT: Duration = Duration::from_mins(4);
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);

/// Waits until nothing else is at work, or has not stopped in time: the description tells.
pub fn wait_until_quiet() {
    let begun = Instant::now();
    while load() > QUIET_LOAD && begun.elapsed() < LONGEST_WAIT {
        eprintln!("bench: waits until the load of {:.2} is below {QUIET_LOAD}", load());
        thread::sleep(BETWEEN_LOOKS);
    }
}

fn load() -> f64 {
    first_word("/proc/loadavg").parse().unwrap_or(0.0)
}

pub fn description() -> String {
    let processors = thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{}, {processors} processors, {} memory, Linux {}, {}; load average at the start {}{}",
        cpu_model(),
        memory(),
        first_word("/proc/sys/kernel/osrelease"),
        today(),
        first_word("/proc/loadavg"),
        if load() > QUIET_LOAD { ", so that the figures are those of a busy machine" } else { "" },
    )
}

fn cpu_model() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(": ")).map_or("?", |(_, value)| value).to_owned()
    };
    format!("{} (family {}, model {})", field("model name"), field("cpu family"), field("model\t"))
}

fn memory() -> String {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kb = meminfo.split_ascii_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok());
    kb.map_or("?".into(), |kb| format!("{} GB", kb / 1_000_000))
}

fn first_word(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_ascii_whitespace().next().unwrap_or("?").to_owned()
}

fn today() -> String {
    let date = Command::new("date").args(["-u", "+%F"]).output();
    date.map_or("?".into(), |date| String::from_utf8_lossy(&date.stdout).trim().to_owned())
}
