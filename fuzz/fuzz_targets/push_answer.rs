//! Any bytes as the answer of a push address: they are interpreted without a panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| scf_websocket::fuzzing::push_answer(body));
