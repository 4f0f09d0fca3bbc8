//! Any bytes as the body of a push: the gateway refuses them with a sentence, or reads a push within the limits.
#![no_main]

use bytes::Bytes;
use scf_websocket_gateway::contract::{MAX_BATCH, Push};

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    match Push::parse(&Bytes::copy_from_slice(body)) {
        Ok(push) => assert!((1..=MAX_BATCH).contains(&push.to().ids().len())),
        Err(sentence) => assert!(!sentence.is_empty()),
    }
});
