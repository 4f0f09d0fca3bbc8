//! Any bytes from the runtime API: they are read within the limits and without a panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| scf_websocket::fuzzing::runtime_answer(bytes));
