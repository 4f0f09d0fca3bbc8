//! Functions that panic on certain frames, for `tests/panics.rs`.

use std::process::ExitCode;

use scf_websocket::{Context, Frame, Functions, Result};

struct Panicking;

impl Functions for Panicking {
    fn transfer(&mut self, frame: &Frame<'_>, _: &mut Context<'_>) -> Result<()> {
        let text = frame.text().unwrap_or_default();
        assert!(text != "static", "a static message");
        assert!(text != "formatted", "a message with {text}");
        Ok(())
    }
}

fn main() -> ExitCode {
    scf_websocket::main(|_| Panicking)
}
