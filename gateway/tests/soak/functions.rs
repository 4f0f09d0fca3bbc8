//! The function processes of a gateway, and what is done to them.

use std::{fs, path::PathBuf, time::Duration};

use scf_websocket_test_harness::{kill, lives, processes};
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
}

/// Suspends a process and lets it continue after this time, if it still exists.
pub fn pause(pid: u32, time: Duration) {
    kill(pid, "STOP");
    tokio::spawn(async move {
        sleep(time).await;
        if lives(pid) {
            kill(pid, "CONT");
        }
    });
}
