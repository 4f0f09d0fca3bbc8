//! The file that SCF runs.

use std::process::ExitCode;

fn main() -> ExitCode {
    scf_websocket::bootstrap::main()
}
