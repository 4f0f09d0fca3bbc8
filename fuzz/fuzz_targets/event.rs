//! Any bytes as an event: each role answers with JSON or an error.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| scf_websocket::fuzzing::event(body));
