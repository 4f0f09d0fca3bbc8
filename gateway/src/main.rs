//! The gateway as a program: the command line in, two addresses out, then it runs until SIGINT or SIGTERM.
//!
//! Ends with 0 after SIGINT or SIGTERM, 1 if it could not start, 2 if the command line is wrong.

mod cli;
mod log_format;

use std::{io::Write, process::ExitCode};

use clap::Parser as _;
use scf_websocket_gateway::{Builder, Running, StartError, function::local::orphan_reaper};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    // Hidden from the command line's help: the gateway starts itself so.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == orphan_reaper::ARGUMENT) {
        orphan_reaper::run(std::io::stdin());
        return ExitCode::SUCCESS;
    }
    let cli = cli::Cli::parse();
    log_format::init(cli.log_format);
    let builder = cli.into_builder(cli::inherited());
    match run(builder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            log::error!("{sentence}");
            ExitCode::FAILURE
        }
    }
}

fn run(builder: Builder) -> Result<(), String> {
    let program =
        std::env::current_exe().map_err(|error| format!("this program's own path is unknown: {error}"))?;
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| format!("cannot start the worker threads: {error}"))?;
    runtime.block_on(serve(builder.orphan_reaper(program)))
}

async fn serve(builder: Builder) -> Result<(), String> {
    // Before anything can be started that would have to be ended.
    let no_signals = |error: std::io::Error| format!("cannot wait for signals: {error}");
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let running = builder.start().await.map_err(|error| explain(&error))?;
    announce(&running);
    tokio::select! {
        _ = interrupt.recv() => log::info!("SIGINT: shutting down"),
        _ = terminate.recv() => log::info!("SIGTERM: shutting down"),
    }
    tokio::select! {
        () = running.shutdown() => {}
        _ = interrupt.recv() => log::warn!("SIGINT again: stopping at once"),
        _ = terminate.recv() => log::warn!("SIGTERM again: stopping at once"),
    }
    Ok(())
}

/// The error, and the flag to change.
fn explain(error: &StartError) -> String {
    match error {
        StartError::Listen { .. } => format!("{error}; see --listen and --push-listen"),
        StartError::Program { .. } => format!("{error}; see --bootstrap"),
        _ => error.to_string(),
    }
}

/// The addresses, on standard output; the log is on standard error.
fn announce(running: &Running) {
    let mut out = std::io::stdout().lock();
    // A closed standard output is no reason to stop.
    let _ = write_addresses(&mut out, running).and_then(|()| out.flush());
}

fn write_addresses(out: &mut impl Write, running: &Running) -> std::io::Result<()> {
    if running.has_page() {
        writeln!(out, "page     http://{}/", running.admin_addr().unwrap_or(running.addr()))?;
    }
    writeln!(out, "clients  {}/", running.client_url())?;
    writeln!(out, "push     {}", running.push_url())
}
