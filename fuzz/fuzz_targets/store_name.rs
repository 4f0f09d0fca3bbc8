//! Any connection id: its file stays in the room's folder, and the file's name decodes to the id.
#![no_main]

libfuzzer_sys::fuzz_target!(|id: &str| scf_websocket::fuzzing::store_name(id));
