//! The function processes of a gateway, and what is done to them.

use std::{
    collections::HashSet,
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use scf_websocket_test_harness::{processes, try_kill};
use tokio::time::sleep;

use crate::dice::Dice;

/// The program of the functions, which the variable `BOOTSTRAP` names.
#[derive(Debug, Clone)]
pub struct Program(pub PathBuf);

impl Program {
    pub fn named() -> Self {
        let path = std::env::var_os("BOOTSTRAP").map(PathBuf::from).and_then(|path| path.canonicalize().ok());
        Self(path.expect("BOOTSTRAP names a program"))
    }

    /// One of the processes in which this gateway runs its functions.
    pub fn process_of(&self, gateway: u32, dice: &mut Dice) -> Option<u32> {
        let is_function =
            |pid: &u32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == self.0);
        let functions: Vec<u32> =
            processes(|stat| stat.parent == gateway).into_iter().filter(is_function).collect();
        dice.pick(&functions)
    }

    /// Suspends the cleanup functions of these gateways for so long, also those that are started meanwhile.
    pub async fn hang_cleanups(&self, gateways: &[u32], time: Duration) {
        let begun = Instant::now();
        let mut hanging = HashSet::new();
        while begun.elapsed() < time {
            for pid in processes(|stat| gateways.contains(&stat.parent) && !stat.suspended) {
                if self.is_cleanup(pid) && try_kill(pid, "STOP") {
                    hanging.insert(pid);
                }
            }
            sleep(Duration::from_millis(20)).await;
        }
        for pid in hanging.into_iter().filter(|pid| self.is_cleanup(*pid)) {
            try_kill(pid, "CONT");
        }
    }

    fn is_cleanup(&self, pid: u32) -> bool {
        let is_program = fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == self.0);
        let variables = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        is_program
            && variables.split(|byte| *byte == 0).any(|variable| variable == b"SCF_FUNCTIONNAME=cleanup")
    }
}

/// Suspends a process and lets it continue after this time, if it still exists.
pub fn pause(pid: u32, time: Duration) {
    try_kill(pid, "STOP");
    tokio::spawn(async move {
        sleep(time).await;
        try_kill(pid, "CONT");
    });
}
