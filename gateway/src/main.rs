//! The gateway as a program: the command line in, two addresses out, then it runs until it is told to end.
//!
//! Ends with 0 after SIGINT or SIGTERM, 1 if it could not start, 2 if the command line is wrong.

mod cli;

use std::{io::Write, process::ExitCode};

use clap::Parser as _;
use scf_websocket_gateway::{Gateway, Options, Running, guard};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    // Not part of the command line that people see: the gateway starts itself so.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == guard::ARGUMENT) {
        guard::run(std::io::stdin());
        return ExitCode::SUCCESS;
    }
    let mut options = cli::Cli::parse().into_options(cli::inherited());
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info"))
        .format_target(false)
        .init();
    match run(&mut options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            log::error!("{sentence}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &mut Options) -> Result<(), String> {
    let program =
        std::env::current_exe().map_err(|error| format!("this program's own path is unknown: {error}"))?;
    options.guard = Some(program);
    let runtime = tokio::runtime::Runtime::new().map_err(|error| format!("no threads to run on: {error}"))?;
    runtime.block_on(serve(options.clone()))
}

async fn serve(options: Options) -> Result<(), String> {
    // Before anything can be started that would have to be ended.
    let no_signals = |error: std::io::Error| format!("signals cannot be waited for: {error}");
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let running = Gateway::start(options).await.map_err(|error| error.to_string())?;
    announce(&running);
    tokio::select! {
        _ = interrupt.recv() => log::info!("SIGINT: shutting down"),
        _ = terminate.recv() => log::info!("SIGTERM: shutting down"),
    }
    running.shutdown().await;
    Ok(())
}

/// The addresses, on standard output; the log is on standard error.
fn announce(running: &Running) {
    let mut out = std::io::stdout().lock();
    // Nobody reading them is no reason to stop.
    let _ = write_addresses(&mut out, running).and_then(|()| out.flush());
}

fn write_addresses(out: &mut impl Write, running: &Running) -> std::io::Result<()> {
    let addr = running.addr();
    if running.has_page() {
        writeln!(out, "page     http://{addr}/")?;
    }
    if let Some(path) = running.client_page() {
        writeln!(out, "client   http://{addr}{path}")?;
    }
    writeln!(out, "clients  ws://{addr}/")?;
    writeln!(out, "push     {}", running.push_url())
}
