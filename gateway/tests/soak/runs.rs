//! The gateway's processes, from the first to the last: where clients find them, what was done to them, their logs.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// A gateway process, by its number in the order of the starts.
pub type RunId = usize;

/// How long a node that was suspended or cut off may still be considered lost by the others, or find that it is.
const AFTERMATH: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9`.
    Killed,
    /// Suspended.
    Stopped,
    /// Cut off from the cluster's Redis.
    CutOff,
}

#[derive(Debug, Default)]
pub struct Run {
    /// Where clients connect, as long as a load balancer would send them there.
    address: Option<String>,
    /// Each with its beginning, and its end if there was one.
    faults: Vec<(Fault, Instant, Option<Instant>)>,
    pub log: String,
}

impl Run {
    pub fn was(&self, fault: Fault) -> bool {
        self.faults.iter().any(|(kind, ..)| *kind == fault)
    }

    /// Whether it found that the others had declared it lost.
    pub fn was_declared_lost(&self) -> bool {
        self.log.contains(" was declared lost: ")
    }

    /// Whether Redis was away when it left the cluster.
    pub fn left_without_redis(&self) -> bool {
        self.log.contains(" could not leave the cluster in order; ")
    }

    /// Whether it has left clients to the others, whose cleanup it could not call itself.
    pub fn left_clients(&self) -> bool {
        self.log.contains(" clients to the other nodes")
    }

    /// Whether a fault, or what follows from it, fell into this time.
    pub fn had_a_fault_between(&self, from: Instant, to: Instant) -> bool {
        let lasted = |ended: Option<Instant>| ended.is_none_or(|ended| ended + AFTERMATH >= from);
        self.faults.iter().any(|(_, begun, ended)| *begun <= to && lasted(*ended))
    }
}

/// All runs. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Runs(Arc<Mutex<Vec<Run>>>);

impl Runs {
    pub fn all(&self) -> MutexGuard<'_, Vec<Run>> {
        self.0.lock().expect("not poisoned")
    }

    pub fn started(&self, address: &str) -> RunId {
        let mut runs = self.all();
        let address = Some(address.trim_end_matches('/').to_owned());
        runs.push(Run { address, ..Run::default() });
        runs.len() - 1
    }

    /// A run that takes clients, another one for each of their numbers.
    pub fn find(&self, number: usize) -> Option<(RunId, String)> {
        let runs = self.all();
        let open: Vec<_> =
            runs.iter().enumerate().filter_map(|(id, run)| Some((id, run.address.clone()?))).collect();
        (!open.is_empty()).then(|| open[number % open.len()].clone())
    }

    /// From now on no client is sent there.
    pub fn leaves(&self, id: RunId) {
        self.all()[id].address = None;
    }

    pub fn begins(&self, id: RunId, fault: Fault) {
        self.all()[id].faults.push((fault, Instant::now(), None));
    }

    pub fn ends(&self, id: RunId, fault: Fault) {
        for (kind, _, ended) in &mut self.all()[id].faults {
            if *kind == fault {
                ended.get_or_insert_with(Instant::now);
            }
        }
    }

    pub fn keep_log(&self, id: RunId, log: String) {
        self.all()[id].log = log;
    }

    /// Writes each log into a file of this folder.
    pub fn write_logs(&self, folder: &Path) {
        fs::create_dir_all(folder).expect("the logs' folder");
        for (id, run) in self.all().iter().enumerate() {
            fs::write(folder.join(format!("{id}.log")), &run.log).expect("a log's copy");
        }
    }
}
