//! One processor for all that is clocked.
//!
//! Where function and stand-in may run on two, a cycle is mostly the price of waking an idle processor, four
//! times, and whether it is paid is the scheduler's whim: the same program takes 50 µs in one run and 150 µs in
//! the next. On one, a cycle is the work that both do, and the small instances that SCF gives have no more.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Outcome;

/// Binds this thread, and whatever it starts, to one processor until this is dropped.
pub struct Bound(CpuSet);

impl Bound {
    pub fn to_one() -> Outcome<Self> {
        let allowed = sched_getaffinity(None)?;
        // The last one: the first is where the system's own interrupts go.
        let last = (0..CpuSet::MAX_CPU).rev().find(|cpu| allowed.is_set(*cpu)).ok_or("no processor")?;
        let mut one = CpuSet::new();
        one.set(last);
        sched_setaffinity(None, &one)?;
        Ok(Self(allowed))
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        // What was allowed once is allowed again.
        let _ = sched_setaffinity(None, &self.0);
    }
}
