//! Any bytes as the answer of a push address, to a single push and to a batch: they are interpreted without a panic, and each
//! connection of a batch is counted once.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| scf_websocket::fuzzing::push_answer(body));
