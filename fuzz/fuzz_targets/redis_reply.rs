//! Any bytes from a Redis server: they parse as a reply or are an error.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| scf_websocket::fuzzing::redis_reply(bytes));
