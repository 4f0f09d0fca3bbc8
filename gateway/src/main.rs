//! The gateway as a program: the command line in, its addresses out, then it runs until SIGINT or SIGTERM.
//!
//! Ends with 0 after SIGINT or SIGTERM, 1 if it could not start, 2 if the command line or the file is wrong.

mod check;
mod cli;
mod log_format;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::Parser as _;
use cli::Command;
use scf_websocket_gateway::{
    Builder, Running, StartError,
    config::{Config, Environment, warnings},
    configured::{self, Backends, Configured},
    file_limit,
    function::local::orphan_reaper,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The static build's C library has an allocator that is small and slow.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Hidden from the command line's help: the gateway starts itself so.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == orphan_reaper::ARGUMENT) {
        orphan_reaper::run(std::io::stdin());
        return ExitCode::SUCCESS;
    }
    let cli = cli::Cli::parse();
    let web_function = cli::web_function();
    log_format::init(cli.log_format, web_function.is_some());
    match cli.command(web_function, cli::inherited()) {
        Command::Check { file, online } => check::check(&file, online),
        Command::Serve { builder, warnings } => {
            warn(&warnings);
            ended(run(serve(*builder)))
        }
        Command::ServeFile { file, trace } => match Config::load(&file, &Environment::of_process()) {
            Ok(config) => ended(run(serve_file(&file, config, trace))),
            Err(report) => {
                eprintln!("{report}");
                ExitCode::from(check::WRONG)
            }
        },
    }
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        log::warn!("{warning}");
    }
}

fn ended(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            log::error!("{sentence}");
            ExitCode::FAILURE
        }
    }
}

fn run(serving: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| format!("cannot start the worker threads: {error}"))?;
    runtime.block_on(serving)
}

async fn serve(builder: Builder) -> Result<(), String> {
    // Before anything can be started that would have to be ended.
    let mut signals = Signals::new()?;
    file_limit::raise();
    let running = start(builder).await?;
    announce(&running, false);
    signals.shutdown().await;
    shut_down(running, &mut signals).await;
    Ok(())
}

async fn serve_file(file: &Path, config: Config, trace: bool) -> Result<(), String> {
    let mut signals = Signals::new()?;
    let mut hangup = wait_for(SignalKind::hangup())?;
    file_limit::raise();
    warn(&warnings::of(&config));
    warn(file_limit::shortfall(config.limits.connections).as_slice());
    let backends = Arc::new(Backends::new());
    let builder = configured::builder(&config, &backends).map_err(|error| error.to_string())?;
    let running = start(builder.trace(trace)).await?;
    // In a web function, what is printed is kept in a log.
    announce(&running, config.web_function.is_some());
    let environment = Environment::of_process();
    let mut configured = Configured::new(running, file.to_owned(), environment, config, backends);
    loop {
        tokio::select! {
            () = signals.shutdown() => break,
            _ = hangup.recv() => {
                log::info!("SIGHUP: reading {} again", file.display());
                configured.reload();
            }
        }
    }
    shut_down(configured.into_running(), &mut signals).await;
    Ok(())
}

async fn shut_down(running: Running, signals: &mut Signals) {
    tokio::select! {
        () = running.shutdown() => {}
        name = signals.next() => log::warn!("{name} again: stopping at once"),
    }
}

async fn start(builder: Builder) -> Result<Running, String> {
    builder.orphan_reaper(own_path()?).start().await.map_err(|error| explain(&error))
}

fn own_path() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| format!("this program's own path is unknown: {error}"))
}

/// The signals that end the gateway.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self, String> {
        Ok(Self {
            interrupt: wait_for(SignalKind::interrupt())?,
            terminate: wait_for(SignalKind::terminate())?,
        })
    }

    async fn shutdown(&mut self) {
        let name = self.next().await;
        log::info!("{name}: shutting down");
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

fn wait_for(kind: SignalKind) -> Result<Signal, String> {
    signal(kind).map_err(|error| format!("cannot wait for signals: {error}"))
}

/// The error, and what to change.
fn explain(error: &StartError) -> String {
    match error {
        StartError::Listen { .. } => {
            format!("{error}; see --listen and --push-listen, or listen and push_listen of the file")
        }
        StartError::Program { .. } => format!("{error}; see --bootstrap"),
        _ => error.to_string(),
    }
}

/// The addresses, on standard output, where the log is not, unless in a web function.
fn announce(running: &Running, hide_token: bool) {
    let mut out = std::io::stdout().lock();
    // A closed standard output is no reason to stop.
    let _ = write_addresses(&mut out, running, hide_token).and_then(|()| out.flush());
}

fn write_addresses(out: &mut impl Write, running: &Running, hide_token: bool) -> std::io::Result<()> {
    if running.has_page() {
        writeln!(out, "page     http://{}/", running.admin_addr().unwrap_or(running.addr()))?;
    }
    if let Some(path) = running.client_page() {
        writeln!(out, "client   http://{}{path}", running.admin_addr().unwrap_or(running.addr()))?;
    }
    writeln!(out, "clients  {}/", running.client_url())?;
    match running.push_url().rsplit_once("/api-").filter(|_| hide_token) {
        Some((base, _)) => writeln!(out, "push     {base}/api-…"),
        None => writeln!(out, "push     {}", running.push_url()),
    }
}
