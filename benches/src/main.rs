//! What `make bench` runs: sections of Markdown on standard output, or one command under a runtime API.
//!
//! Run from the repository's root, after `make package`:
//!
//! - `scf-websocket-bench --rounds 7 runtimes cold-start growth endurance fan-out`
//! - `scf-websocket-bench --rounds 7 --compare FILE…` sets builds of the bootstrap side by side.
//! - `scf-websocket-bench --offer 1000 COMMAND…` starts the command, offers it so many connect events and ends it;
//!   for counting its instructions from outside.

mod cold_start;
mod endurance;
mod event;
mod fan_out;
mod function;
mod goals;
mod growth;
mod machine;
mod processor;
mod push_address;
mod redis;
mod runtime_api;
mod runtimes;
mod subject;
mod table;
mod trial;

use std::process::ExitCode;

use function::Launch;
use runtime_api::{Dialect, RuntimeApi};
use trial::Session;

/// A figure that cannot be taken ends the bench with the sentence why.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["--offer", count, command @ ..] => offer(count, command),
        ["--rounds", rounds, "--compare", files @ ..] => compare(rounds, files),
        ["--rounds", rounds, sections @ ..] => report(rounds, sections),
        _ => Err("usage: --rounds N SECTION… | --rounds N --compare FILE… | --offer N COMMAND…".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("bench: {e}");
            ExitCode::FAILURE
        }
    }
}

fn report(rounds: &str, sections: &[&str]) -> Outcome<()> {
    let rounds = rounds.parse()?;
    println!("# What it takes\n\nMade by `make bench`, {rounds} rounds, on: {}.", machine::name());
    for section in sections {
        eprintln!("bench: {section}");
        let text = match *section {
            "runtimes" => runtimes::section(rounds),
            "cold-start" => cold_start::section(rounds),
            "growth" => growth::section(rounds),
            "endurance" => endurance::section(),
            "fan-out" => fan_out::section(),
            _ => Err("known: runtimes, cold-start, growth, endurance, fan-out".into()),
        };
        println!("\n{}", text.map_err(|e| format!("{section}: {e}"))?);
    }
    Ok(())
}

fn compare(rounds: &str, files: &[&str]) -> Outcome<()> {
    println!("{}", runtimes::comparison(rounds.parse()?, files)?);
    Ok(())
}

fn offer(count: &str, command: &[&str]) -> Outcome<()> {
    let mut api = RuntimeApi::open()?;
    let launch = Launch::new(command).with("WS_ROLE", "register");
    let mut session = Session::start(&mut api, &launch, Dialect::Scf, event::CONNECT)?;
    for _ in 0..count.parse::<u32>()? {
        session.invoke()?;
    }
    session.check(event::ACCEPTING)?;
    session.function.terminate()
}
