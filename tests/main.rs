//! Tests of the binary through the real protocols: one file per behaviour, one shared harness, one test program.

mod batches;
mod changelog;
mod chat;
mod command_line;
mod configuration;
mod diagrams;
mod examples_in_docs;
mod freeze;
mod full_disk;
mod hostile_events;
mod hundred_thousand_events;
mod links;
mod log;
mod loop_model;
mod name_resolution;
mod no_circles;
mod other_languages;
mod own_functions;
mod panics;
mod programs;
mod public_api;
mod push_addresses;
mod push_faults;
mod quiz;
mod readme;
mod roles;
mod rooms;
mod runtime_faults;
mod scenarios;
mod silent_connections;
mod stopping;
mod stuck;
mod testing;
#[cfg(feature = "tls")]
mod tls;
mod troubleshooting;
