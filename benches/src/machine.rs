//! Describes the machine in one line.

use std::fs;
use std::process::Command;
use std::thread;

pub fn description() -> String {
    let processors = thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{}, {processors} processors, {} memory, Linux {}, {}; load average at the start {}",
        cpu_model(),
        memory(),
        first_word("/proc/sys/kernel/osrelease"),
        today(),
        first_word("/proc/loadavg"),
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
