//! The register function on `tencent_scf`, a runtime for SCF from crates.io.

use std::convert::Infallible;

use scf_websocket_peers::{Answer, Event, register};
use tencent_scf::{Context, make_scf, start};

fn main() {
    start(make_scf(|event: Event, _: Context| -> Result<Answer, Infallible> { Ok(register(event)) }));
}
