//! Which program the functions are, and its limits.

use std::{ffi::OsString, fmt, path::PathBuf, time::Duration};

/// The program that the functions are processes of, and how it is started and limited.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Processes {
    /// The program; each process is an instance of one function.
    pub program: PathBuf,
    /// Variables for the processes, later ones before earlier ones.
    pub env: Variables,
    /// How long a process may take to initialise.
    pub init_timeout: Duration,
    /// How long a function may take for an event.
    pub timeout: Duration,
    /// Passed to the functions as `memory_limit_in_mb`; nothing enforces it.
    pub memory_mb: u64,
}

/// Variables for processes. Their values may be passwords, which [`Debug`](fmt::Debug) does not show.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(Vec<(String, OsString)>);

impl Variables {
    /// In the order in which they were added.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &OsString)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl<N: Into<String>, V: Into<OsString>> FromIterator<(N, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

impl Processes {
    /// Processes of this program, with SCF's own defaults.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            env: Variables::default(),
            init_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(3),
            memory_mb: 128,
        }
    }
}
