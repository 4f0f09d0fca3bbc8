//! What puts a gateway together, runs it, and shuts it down: builder → assembly → app → running.

pub(crate) mod api;
pub(crate) mod apis;
pub(crate) mod app;
pub(crate) mod assembly;
pub(crate) mod builder;
pub(crate) mod drain;
pub(crate) mod executable;
pub mod file_limit;
pub mod hand_over;
mod listening;
pub(crate) mod running;
pub(crate) mod start_error;
mod system;
