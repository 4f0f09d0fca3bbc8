//! Processes of this machine, and signals to them.

use std::{
    fs,
    process::{Command, Stdio},
};

/// Sends a process a signal.
pub fn kill(pid: u32, signal: &str) {
    assert!(try_kill(pid, signal), "kill -s {signal} {pid}");
}

/// Likewise to one that may have ended. Whether it got it.
pub fn try_kill(pid: u32, signal: &str) -> bool {
    let mut kill = Command::new("kill");
    kill.args(["-s", signal, &pid.to_string()]).stderr(Stdio::null()).status().expect("kill").success()
}

pub struct Stat {
    pub parent: u32,
    pub zombie: bool,
    pub suspended: bool,
}

/// Living processes that this is true of.
pub fn processes(wanted: impl Fn(&Stat) -> bool) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| stat(*pid).is_some_and(|stat| wanted(&stat))).collect()
}

/// Whether a process lives.
pub fn lives(pid: u32) -> bool {
    stat(pid).is_some_and(|stat| !stat.zombie)
}

/// Whether a process is suspended by a signal.
pub fn is_suspended(pid: u32) -> bool {
    stat(pid).is_some_and(|stat| stat.suspended)
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may contain anything; what follows it does not.
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    Some(Stat { parent: fields.next()?.parse().ok()?, zombie: state == "Z", suspended: state == "T" })
}
