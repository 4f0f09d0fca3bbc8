//! Whatever comes as an event: each role answers it with JSON or says why not.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| scf_websocket::fuzzing::event(body));
