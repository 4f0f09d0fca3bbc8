//! Which program the functions are, and its limits.

use std::{ffi::OsString, path::PathBuf, time::Duration};

/// The program that the functions are processes of, and how it is started and limited.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Processes {
    /// The program; each process is an instance of one function.
    pub program: PathBuf,
    /// Variables for the processes, later ones before earlier ones.
    pub env: Vec<(String, OsString)>,
    /// How long a process may take to initialise.
    pub init_timeout: Duration,
    /// How long a function may take for an event.
    pub timeout: Duration,
    /// Passed to the functions as `memory_limit_in_mb`; nothing enforces it.
    pub memory_mb: u64,
}

impl Processes {
    /// Processes of this program, with SCF's own defaults.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            env: Vec::new(),
            init_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(3),
            memory_mb: 128,
        }
    }
}
