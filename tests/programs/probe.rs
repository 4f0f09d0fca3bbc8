//! Functions that report what they see and make each kind of push, for `tests/own_functions.rs`.

use std::process::ExitCode;

use scf_websocket::{
    Closing, Config, Connecting, Context, Decision, Frame, Functions, Program, Result, Variable,
};
use serde::{Deserialize, Serialize};

struct Probe(u32);

#[derive(Deserialize)]
struct Pair {
    x: i32,
    y: i32,
}

#[derive(Serialize)]
struct Sum {
    sum: i32,
}

impl Functions for Probe {
    fn register(&mut self, client: &Connecting<'_>, context: &mut Context<'_>) -> Result<Decision> {
        if let Some(bytes) = client.query("attributes") {
            let decision = Decision::accept().attribute("user", "replaced").attribute("level", "3");
            return Ok(decision.attribute("user", "\"".repeat(bytes.parse()?)));
        }
        let seen = [
            format!("id={}", client.id()),
            format!("path={:?}", client.path()),
            format!("source_ip={:?}", client.source_ip()),
            format!("agent={:?}", client.header("User-Agent")),
            format!("a={:?}", client.query("a")),
            format!("headers={:?}", client.headers().collect::<Vec<_>>()),
            format!("query={:?}", client.query_parameters().collect::<Vec<_>>()),
            format!("offered={:?}", client.sub_protocols().collect::<Vec<_>>()),
            format!("context={}", client.request_context()),
            format!("request_id={}", context.request_id()),
            format!("in_time={}", !context.time_left().is_zero()),
            format!("memory={:?}", context.memory_limit_mb()),
            format!("name={:?}", context.function_name()),
            format!("version={:?}", context.function_version()),
            format!("region={:?}", context.region()),
            format!("probe={}", self.0),
        ];
        Ok(Decision::refuse(1, seen.join("\n")))
    }

    fn transfer(&mut self, frame: &Frame<'_>, context: &mut Context<'_>) -> Result<()> {
        let id = frame.connection();
        if let Some(bytes) = frame.binary() {
            let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
            context.push(id).binary(&reversed)?;
        }
        let Some(text) = frame.text() else { return Ok(()) };
        if text == "bye" {
            context.push(id).close()?;
        } else if let Some(rest) = text.strip_prefix("kick ") {
            let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
            context.push_all([id]).close_with(code.parse()?, reason)?;
            context.push(id).and_clean_up().close_with(code.parse()?, reason)?;
            context.push(id).and_clean_up().close()?;
        } else if let Some(name) = text.strip_prefix("attribute ") {
            context.push(id).json(&(frame.attribute(name), frame.attributes().count()))?;
        } else if let Some(room) = text.strip_prefix("join ") {
            context.room(room).join(id)?;
        } else {
            let Pair { x, y } = frame.json()?;
            context.push_all([id]).json(&Sum { sum: x + y })?;
        }
        Ok(())
    }

    fn cleanup(&mut self, connection: &Closing<'_>, context: &mut Context<'_>) -> Result<()> {
        let attributes: Vec<_> = connection.attributes().collect();
        context.push(connection.id()).json(&(connection.attribute("user"), attributes))?;
        Ok(())
    }

    fn settings(&self) -> String {
        format!("probe={}", self.0)
    }
}

fn probe(config: &Config) -> Result<Probe> {
    match config.require("WS_PROBE", "a number")? {
        13 => Err("13 brings bad luck")?,
        number => Ok(Probe(number)),
    }
}

fn main() -> ExitCode {
    let variable = Variable { name: "WS_PROBE", values: "a number", default: "required" };
    Program::new().named("probe", "1.2.3").variables(&[variable]).main(probe)
}
