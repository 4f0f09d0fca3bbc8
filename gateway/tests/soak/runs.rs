//! The gateway's processes, from the first to the last: where clients and pushes find them, what was done to them and to
//! Redis, their logs.

use std::{
    collections::HashSet,
    fs,
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use scf_websocket_test_harness::Gateway;

use crate::logged::cleaned_up;

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
    /// Cut off from Redis.
    CutOff,
}

/// Something that was wrong from its beginning to its end, if it has ended.
#[derive(Debug, Clone, Copy)]
struct Trouble {
    begun: Instant,
    ended: Option<Instant>,
}

impl Trouble {
    fn begins() -> Self {
        Self { begun: Instant::now(), ended: None }
    }

    /// Whether it, or what follows from it for so long, fell into this time.
    fn was_between(&self, from: Instant, to: Instant, aftermath: Duration) -> bool {
        self.begun <= to && self.ended.is_none_or(|ended| ended + aftermath >= from)
    }
}

#[derive(Debug, Default)]
pub struct Run {
    /// Where clients connect, as long as a load balancer would send them there.
    address: Option<String>,
    push_address: String,
    pid: u32,
    faults: Vec<(Fault, Trouble)>,
    /// When it was killed or asked to end.
    pub left: Option<Instant>,
    pub log: String,
    /// The ids of the connections whose cleanup it has called, once it has ended.
    pub cleaned_up: HashSet<String>,
    said: Said,
    /// Whether it ended in the middle of one.
    left_take_over: bool,
}

/// What its log says of its end. A log has some hundred thousand lines and is asked for each connection.
#[derive(Debug, Default, Clone, Copy)]
struct Said {
    declared_lost: bool,
    left_without_redis: bool,
    left_clients: bool,
}

impl Said {
    fn of(log: &str) -> Self {
        Self {
            declared_lost: log.contains(" was declared lost: "),
            left_without_redis: log.contains(" could not leave the cluster in order; "),
            left_clients: log.contains(" clients to the other nodes")
                || log.contains(" one client to the other nodes"),
        }
    }
}

impl Run {
    pub fn was(&self, fault: Fault) -> bool {
        self.faults.iter().any(|(kind, _)| *kind == fault)
    }

    /// Whether it found that the others had declared it lost.
    pub fn was_declared_lost(&self) -> bool {
        self.said.declared_lost
    }

    /// Whether Redis was away when it left the cluster.
    pub fn left_without_redis(&self) -> bool {
        self.said.left_without_redis
    }

    /// Whether it has left clients to the others, whose cleanup it could not call itself.
    pub fn left_clients(&self) -> bool {
        self.said.left_clients
    }

    /// Whether it may have ended before it said what it took over.
    pub fn ended_in_a_take_over(&self) -> bool {
        self.was(Fault::Killed) || self.left_take_over
    }

    /// Whether a fault, or what follows from it, fell into this time.
    pub fn had_a_fault_between(&self, from: Instant, to: Instant) -> bool {
        self.faults.iter().any(|(_, trouble)| trouble.was_between(from, to, AFTERMATH))
    }

    /// Whether it was killed by then.
    pub fn was_killed_before(&self, then: Instant) -> bool {
        self.was(Fault::Killed) && self.left.is_some_and(|left| left <= then)
    }
}

/// What was done to Redis.
#[derive(Debug, Default)]
pub struct RedisFaults {
    troubles: Vec<Trouble>,
    /// When it came back with older data: when those were saved, and when that was.
    restored: Vec<(Instant, Instant)>,
}

impl RedisFaults {
    /// Whether it was away or without memory or lost its data in this time.
    pub fn had_one_between(&self, from: Instant, to: Instant) -> bool {
        self.troubles.iter().any(|trouble| trouble.was_between(from, to, Duration::ZERO))
    }

    /// How often data from between these times came back after they were outdated.
    pub fn restored(&self, from: Instant, to: Option<Instant>, outdated: Instant) -> usize {
        let is_of = |saved: Instant| saved >= from && to.is_none_or(|to| saved <= to);
        self.restored.iter().filter(|(saved, restored)| is_of(*saved) && *restored >= outdated).count()
    }
}

/// All runs. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Runs {
    runs: Arc<Mutex<Vec<Run>>>,
    redis: Arc<Mutex<RedisFaults>>,
}

impl Runs {
    pub fn all(&self) -> MutexGuard<'_, Vec<Run>> {
        self.runs.lock().expect("not poisoned")
    }

    pub fn redis(&self) -> MutexGuard<'_, RedisFaults> {
        self.redis.lock().expect("not poisoned")
    }

    pub fn started(&self, gateway: &Gateway) -> RunId {
        let mut runs = self.all();
        let address = Some(gateway.clients.trim_end_matches('/').to_owned());
        let (push_address, pid) = (gateway.push.clone(), gateway.pid());
        runs.push(Run { address, push_address, pid, ..Run::default() });
        runs.len() - 1
    }

    /// A run that takes clients, another one for each of their numbers.
    pub fn find(&self, number: usize) -> Option<(RunId, String)> {
        let runs = self.all();
        let open: Vec<_> =
            runs.iter().enumerate().filter_map(|(id, run)| Some((id, run.address.clone()?))).collect();
        (!open.is_empty()).then(|| open[number % open.len()].clone())
    }

    pub fn push_address(&self, id: RunId) -> String {
        self.all()[id].push_address.clone()
    }

    /// The processes of all runs.
    pub fn pids(&self) -> Vec<u32> {
        self.all().iter().map(|run| run.pid).collect()
    }

    /// From now on no client is sent there.
    pub fn leaves(&self, id: RunId) {
        let run = &mut self.all()[id];
        run.address = None;
        run.left.get_or_insert_with(Instant::now);
    }

    pub fn begins(&self, id: RunId, fault: Fault) {
        self.all()[id].faults.push((fault, Trouble::begins()));
    }

    pub fn ends(&self, id: RunId, fault: Fault) {
        for (kind, trouble) in &mut self.all()[id].faults {
            if *kind == fault {
                trouble.ended.get_or_insert_with(Instant::now);
            }
        }
    }

    /// Something is done to Redis until the number that this returns is passed to `redis_heals`.
    pub fn redis_suffers(&self) -> usize {
        let mut redis = self.redis();
        redis.troubles.push(Trouble::begins());
        redis.troubles.len() - 1
    }

    pub fn redis_heals(&self, trouble: usize) {
        self.redis().troubles[trouble].ended = Some(Instant::now());
    }

    /// Redis has the data again that it had then.
    pub fn redis_is_restored(&self, saved: Instant) {
        self.redis().restored.push((saved, Instant::now()));
    }

    pub fn keep_log(&self, id: RunId, log: String) {
        let mut runs = self.all();
        let run = &mut runs[id];
        run.left_take_over = log.contains("some cleanups of a take-over were not waited for");
        (run.said, run.cleaned_up, run.log) = (Said::of(&log), cleaned_up(&log), log);
    }

    /// Writes each log into a file of this folder.
    pub fn write_logs(&self, folder: &Path) {
        fs::create_dir_all(folder).expect("the logs' folder");
        for (id, run) in self.all().iter().enumerate() {
            fs::write(folder.join(format!("{id}.log")), &run.log).expect("a log's copy");
        }
    }
}
