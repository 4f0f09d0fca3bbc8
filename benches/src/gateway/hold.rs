//! Many connections in one process of the gateway for a while: whether memory stays flat.

use std::time::Duration;

use super::subject::Kind;
use super::trial::{self, Hold};
use crate::Result;

/// Of 20,000 open files, the gateway leaves 17,308 to clients.
pub const CLIENTS: usize = 17_000;

const SECONDS: u64 = 60;

/// For `BENCH_HOLD_SECONDS`, which `make bench SECONDS=600` sets.
pub fn measure(kind: &Kind) -> Result<Hold> {
    let seconds = match std::env::var("BENCH_HOLD_SECONDS") {
        Ok(text) if !text.is_empty() => {
            text.parse().map_err(|_| format!("BENCH_HOLD_SECONDS={text}: not a number of seconds"))?
        }
        _ => SECONDS,
    };
    eprintln!("bench: gateway: {CLIENTS} connections for {seconds} s");
    trial::hold(kind, CLIENTS, Duration::from_secs(seconds))
}
