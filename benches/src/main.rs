//! Measures for `make bench`: prints sections of Markdown, or runs one command under a runtime API.
//!
//! Run from the repository's root, after `make package`:
//!
//! - `scf-websocket-bench --rounds 7 runtimes cold-start growth endurance fan-out`; after `make gateway` also `gateway` with its
//!   parts, and `cluster`
//! - `scf-websocket-bench --rounds 7 --compare FILE…` compares builds of the bootstrap.
//! - `scf-websocket-bench --rounds 3 --compare-gateways gateway-cpu FILE…` compares builds of the gateway.
//! - `scf-websocket-bench --offer 1000 COMMAND…` starts the command, offers it 1000 connect events and stops it, so
//!   that valgrind can count its instructions.

mod cluster;
mod cold_start;
mod endurance;
mod event;
mod fan_out;
mod function;
mod gateway;
mod goals;
mod growth;
mod http;
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

/// A failed measurement ends the bench with its error.
type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["--offer", count, command @ ..] => offer(count, command),
        ["--rounds", rounds, "--compare", files @ ..] => compare(rounds, files),
        ["--rounds", rounds, "--compare-gateways", section, files @ ..] => {
            compare_gateways(rounds, section, files)
        }
        ["--rounds", rounds, sections @ ..] => report(rounds, sections),
        _ => Err("usage: --rounds N SECTION… | --rounds N --compare FILE… | --rounds N --compare-gateways SECTION FILE… | --offer N COMMAND…".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("bench: {e}");
            ExitCode::FAILURE
        }
    }
}

fn report(rounds: &str, sections: &[&str]) -> Result<()> {
    let rounds = rounds.parse()?;
    machine::wait_until_quiet();
    println!("# Benchmark results\n\nMade by `make bench`, {rounds} rounds, on: {}.", machine::description());
    for section in sections {
        eprintln!("bench: {section}");
        let text = match *section {
            "runtimes" => runtimes::section(rounds),
            "cold-start" => cold_start::section(rounds),
            "growth" => growth::section(rounds),
            "endurance" => endurance::section(),
            "fan-out" => fan_out::section(),
            "cluster" => cluster::section(rounds),
            _ => match gateway::SECTIONS.iter().find(|(name, _)| name == section) {
                Some((_, parts)) => gateway::section(parts, rounds),
                None => Err(unknown_section().into()),
            },
        };
        println!("\n{}", text.map_err(|e| format!("{section}: {e}"))?);
    }
    Ok(())
}

fn unknown_section() -> String {
    let of_the_gateway = gateway::SECTIONS.map(|(name, _)| name).join(", ");
    format!(
        "unknown section; known: runtimes, cold-start, growth, endurance, fan-out, {of_the_gateway}, cluster"
    )
}

fn compare(rounds: &str, files: &[&str]) -> Result<()> {
    println!("{}", runtimes::comparison(rounds.parse()?, files)?);
    Ok(())
}

fn compare_gateways(rounds: &str, section: &str, files: &[&str]) -> Result<()> {
    println!("{}", gateway::comparison(section, rounds.parse()?, files)?);
    Ok(())
}

fn offer(count: &str, command: &[&str]) -> Result<()> {
    let mut api = RuntimeApi::open()?;
    let launch = Launch::new(command).with("WS_ROLE", "register");
    let mut session = Session::start(&mut api, &launch, Dialect::Scf, event::CONNECT)?;
    for _ in 0..count.parse::<u32>()? {
        session.invoke()?;
    }
    session.check(event::ACCEPTING)?;
    session.function.terminate()
}
