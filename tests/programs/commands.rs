//! Functions that run the command in a frame: `kick ID`, `close ID`, `push ID`, `bytes`, `room` or `later`. Any other frame
//! fails. The tests run them both in the harness and behind the gateway.

use std::time::Duration;

use scf_websocket::{Closing, Config, ConfigError, Connecting, Context, Decision, Frame, Functions, Result};

pub(crate) struct Commands;

impl Functions for Commands {
    fn register(&mut self, client: &Connecting<'_>, context: &mut Context<'_>) -> Result<Decision> {
        context.room("all").join(client.id())?;
        context.push(client.id()).text("welcome")?;
        match client.path() {
            Some("/refused") => Ok(Decision::refuse(401, "no")),
            Some("/numbered") => Ok(Decision::refuse(7, "no")),
            Some("/failing") => Err("failed on request")?,
            Some("/long") => Ok(Decision::accept().attribute("user", "x".repeat(5000))),
            Some("/closed") => {
                context.push(client.id()).and_clean_up().close_with(4002, "at once")?;
                Ok(Decision::accept())
            }
            _ => Ok(Decision::accept()
                .attribute("user", client.query("name").unwrap_or(client.id()).to_uppercase())),
        }
    }

    fn transfer(&mut self, frame: &Frame<'_>, context: &mut Context<'_>) -> Result<()> {
        let text = frame.text().unwrap_or_default();
        let (command, id) = text.split_once(' ').unwrap_or((text, ""));
        match command {
            "kick" => context.push(id).and_clean_up().close_with(4001, "kicked")?,
            "close" => context.push(id).close()?,
            "push" => context.push(id).text("hello")?,
            "bytes" => context.push(frame.connection()).binary(&[0, 255])?,
            "room" => context.room("all").push().text(frame.attribute("user").unwrap_or("nobody"))?,
            "later" => {
                let asked =
                    context.stored_text("asked").kept_for(Duration::from_mins(1)).set_if_absent("")?;
                let seen = (asked, context.now(), context.time_left().is_zero());
                context.push(frame.connection()).json(&seen)?
            }
            _ => Err("failed on request")?,
        };
        Ok(())
    }

    fn cleanup(&mut self, connection: &Closing<'_>, context: &mut Context<'_>) -> Result<()> {
        let user = connection.attribute("user").unwrap_or("nobody");
        context.room("all").push().text(&format!("{user} left"))?;
        Ok(())
    }
}

fn main() -> std::process::ExitCode {
    scf_websocket::main(|config: &Config| -> Result<Commands, ConfigError> {
        config.require_push("this test")?;
        config.require_store("this test").map(|()| Commands)
    })
}
