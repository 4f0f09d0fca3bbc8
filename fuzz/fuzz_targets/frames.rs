//! Any bytes as a client's frames: they mean the same as to another implementation, wherever they are cut.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| scf_websocket_gateway::fuzzing::frames(bytes));
