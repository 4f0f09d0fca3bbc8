//! What a server's processes have used: processor time and memory.

use std::collections::HashMap;
use std::fs;
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::Result;

/// The processes of one server.
pub struct Processes {
    roots: Vec<Child>,
    /// Whether the processes that it has started count.
    with_descendants: bool,
}

impl Processes {
    /// The process alone.
    pub fn one(process: Child) -> Self {
        Self { roots: vec![process], with_descendants: false }
    }

    /// The processes and those that they have started.
    pub fn tree(roots: Vec<Child>) -> Self {
        Self { roots, with_descendants: true }
    }

    /// Fails if one of them has ended.
    pub fn check(&mut self) -> Result<()> {
        for root in &mut self.roots {
            if let Some(status) = root.try_wait()? {
                return Err(format!("the server has ended ({status})").into());
            }
        }
        Ok(())
    }

    /// Processor time of those that count.
    pub fn processor_time(&self) -> Result<Duration> {
        self.counted().iter().try_fold(Duration::ZERO, |sum, pid| Ok(sum + processor_time(*pid)?))
    }

    /// Processor time of the descendants of a server that counts alone.
    pub fn processor_time_of_others(&self) -> Result<Duration> {
        let mut sum = Duration::ZERO;
        for pid in self.all().into_iter().filter(|pid| !self.counted().contains(pid)) {
            sum += processor_time(pid)?;
        }
        Ok(sum)
    }

    /// Resident memory in bytes, of pages that several processes share each one's part (PSS).
    pub fn memory(&self) -> Result<u64> {
        let mut sum = 0;
        for pid in self.counted() {
            let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
            let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
            let kb = line.and_then(|line| line.trim().strip_suffix(" kB"));
            sum += kb.ok_or("/proc/…/smaps_rollup has no Pss")?.trim().parse::<u64>()? * 1024;
        }
        Ok(sum)
    }

    fn roots(&self) -> Vec<u32> {
        self.roots.iter().map(Child::id).collect()
    }

    fn counted(&self) -> Vec<u32> {
        if self.with_descendants { self.all() } else { self.roots() }
    }

    fn all(&self) -> Vec<u32> {
        let children = children();
        let mut all = self.roots();
        let mut next = 0;
        while let Some(pid) = all.get(next) {
            all.extend(children.get(pid).into_iter().flatten());
            next += 1;
        }
        all
    }
}

impl Drop for Processes {
    /// Ends all of them at once: what they have open are connections of the bench alone.
    fn drop(&mut self) {
        for pid in self.all() {
            // Fails for those that have ended meanwhile.
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        for root in &mut self.roots {
            let _ = root.wait();
        }
    }
}

/// The children of each process of the machine.
fn children() -> HashMap<u32, Vec<u32>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
        if let Some(parent) = parent {
            children.entry(parent).or_default().push(pid);
        }
    }
    children
}

/// User and system time of a process, of all its threads.
pub fn processor_time(pid: u32) -> Result<Duration> {
    let mut nanoseconds = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end meanwhile.
        let line = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        nanoseconds += line.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanoseconds))
}
