//! Tests through the binary and the real protocols: a file a behaviour, over one harness, in one program.

mod common;

mod command_line;
mod configuration;
mod full_disk;
mod hostile_events;
mod hundred_thousand_events;
mod log;
mod loop_model;
mod name_resolution;
mod panics;
mod push_faults;
mod readme;
mod roles;
mod rooms;
mod runtime_faults;
mod stopping;
mod stuck;
mod thaw;
