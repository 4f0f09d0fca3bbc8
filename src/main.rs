//! The file that SCF runs: the log, the configuration, the handler of the role, the loop.

use std::env;
use std::fmt::{Display, Write as _};
use std::io::{self, Write as _};
use std::panic;
use std::process::ExitCode;

use env_logger::Target;
use log::{error, info};
use scf_websocket::config::{self, Settings, VARIABLES, Variable};
use scf_websocket::{Config, handler, run};

const NAME: &str = "scf-websocket";
const VERSION: &str = env!("CARGO_PKG_VERSION");

fn main() -> ExitCode {
    match env::args().nth(1).as_deref() {
        None => serve(),
        Some("--check") => check(),
        Some("--help" | "-h") => help(),
        Some("--version" | "-V") => say(format_args!("{NAME} {VERSION}")),
        Some(other) => {
            refuse(format_args!("{other:?} is not an option; allowed: --check, --help, --version"))
        }
    }
}

fn serve() -> ExitCode {
    let filter = match config::log_filter() {
        Ok(filter) => filter,
        Err(e) => return refuse(e),
    };
    start_log(&filter);
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(e) => return refuse(e),
    };
    info!("{NAME} {VERSION} started: {config}");
    let mut handler = handler::for_role(&config.settings.role);
    match run(&config, handler.as_mut()) {
        Err(e) => {
            error!("{e}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the line that the log would begin with, whatever the log's level.
fn check() -> ExitCode {
    match config::log_filter().and_then(|_| Settings::from_env()) {
        Ok(settings) => say(format_args!("INFO {NAME} {VERSION} started: {settings}")),
        Err(e) => refuse(e),
    }
}

/// Everything goes to standard output, which is what SCF collects; it adds the time itself.
fn start_log(filter: &str) {
    env_logger::Builder::new()
        .parse_filters(filter)
        .target(Target::Stdout)
        .format(|out, record| writeln!(out, "{} {}", record.level(), record.args()))
        .init();
    // On one line, like every other message.
    panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        match panic.location() {
            Some(location) => error!("panic at {location}: {message:?}"),
            None => error!("panic: {message:?}"),
        }
    }));
}

fn help() -> ExitCode {
    let mut text = format!(
        "{NAME} {VERSION}: a register, transfer or cleanup function of a WebSocket API.\n\
         SCF starts it as a custom runtime; these variables of the function set it up.\n\
         With --check it checks them, prints how it would start, and ends: status 0, or 2 if one is wrong.\n"
    );
    for variable in VARIABLES {
        let Variable { name, values, default } = variable;
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {name}\n      {values}\n      default: {default}\n");
    }
    say(text.replace('`', "").trim_end())
}

fn say(text: impl Display) -> ExitCode {
    print_line(text);
    ExitCode::SUCCESS
}

/// One line, whatever the log's level: somebody has to mend this before anything runs.
fn refuse(why: impl Display) -> ExitCode {
    print_line(format_args!("ERROR {why}"));
    ExitCode::from(2)
}

/// A reader that has gone away is not worth a panic.
fn print_line(text: impl Display) {
    let _ = writeln!(io::stdout(), "{text}");
}
