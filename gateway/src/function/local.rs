//! Functions as processes of this machine, which find the runtime API and the variables that SCF would give them.
//!
//! [`Processes`] → `LocalBackend::new` → an instance is started for an event that finds no idle one, and reused.

mod instance;
pub mod orphan_reaper;
mod pool;
mod process;
mod settings;

pub(crate) use self::pool::LocalBackend;
pub use self::settings::{Processes, Variables};
