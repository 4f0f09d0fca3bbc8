//! Functions of your own in twenty lines: a client with the right token gets its frames back in capitals.

use scf_websocket::{Connecting, Context, Decision, Frame, Functions, Result};

/// Sends each text frame back in capitals.
struct Shout;

impl Functions for Shout {
    fn register(&mut self, client: &Connecting<'_>, _: &mut Context<'_>) -> Result<Decision> {
        match client.query("token") {
            Some("secret") => Ok(Decision::accept()),
            _ => Ok(Decision::refuse(401, "a token, please")),
        }
    }

    fn transfer(&mut self, frame: &Frame<'_>, context: &mut Context<'_>) -> Result<()> {
        if let Some(text) = frame.text() {
            context.push(frame.connection()).text(&text.to_uppercase())?;
        }
        Ok(())
    }
}

fn main() -> std::process::ExitCode {
    scf_websocket::main(|_| Shout)
}
