//! Whatever a push address answers: it is read without a panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| scf_websocket::fuzzing::push_answer(body));
