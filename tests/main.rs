//! Tests through the binary and the real protocols: a file a behaviour, over one harness, in one program.

mod common;

mod command_line;
mod configuration;
mod hostile_events;
mod log;
mod push_faults;
mod readme;
mod roles;
mod rooms;
mod runtime_faults;
mod stopping;
