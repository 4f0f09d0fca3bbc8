//! Whatever a Redis server answers: a reply or an error.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| scf_websocket::fuzzing::redis_reply(bytes));
