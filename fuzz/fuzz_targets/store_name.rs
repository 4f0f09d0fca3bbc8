//! Whatever a connection is called: its file stays in its folder and tells its id.
#![no_main]

libfuzzer_sys::fuzz_target!(|id: &str| scf_websocket::fuzzing::store_name(id));
