//! Pins everything that is measured to one processor.
//!
//! On two processors, a cycle mostly measures the wake-up of an idle processor, up to four times, as the scheduler
//! decides: the same program takes 50 µs in one run and 150 µs in the next. On one processor, a cycle measures the
//! work of function and runtime API, and small SCF instances have only one.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Result;

/// Binds this thread, and the processes and threads that it starts, to one processor until dropped.
pub struct Bound(CpuSet);

impl Bound {
    pub fn to_one() -> Result<Self> {
        let allowed = sched_getaffinity(None)?;
        // The last one, since most interrupts are handled on the first.
        let last = (0..CpuSet::MAX_CPU).rev().find(|cpu| allowed.is_set(*cpu)).ok_or("no processor")?;
        let mut one = CpuSet::new();
        one.set(last);
        sched_setaffinity(None, &one)?;
        Ok(Self(allowed))
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        // The earlier mask was allowed before, so this does not fail.
        let _ = sched_setaffinity(None, &self.0);
    }
}
