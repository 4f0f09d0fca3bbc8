//! Whatever the runtime API answers: it is read within its limits, without a panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| scf_websocket::fuzzing::runtime_answer(bytes));
