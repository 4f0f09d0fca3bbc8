//! The gateway as a program: the command line in, its addresses out, then it runs until SIGINT or SIGTERM.
//!
//! Ends with 0 after SIGINT or SIGTERM, 1 if it could not start, 2 if the command line or the file is wrong.

mod check;
mod cli;
mod log_format;
mod replacing;

use std::{
    io::Write,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Parser as _;
use cli::Command;
use replacing::Replacing;
use scf_websocket_gateway::{
    Builder, Running, StartError,
    config::{Config, Environment, FileChanges, LogFormat, LogSettings, warnings},
    configured::{self, Backends, ConfigSummary, Configured},
    file_limit,
    function::local::orphan_reaper,
    hand_over::{self, Predecessor, Sockets, notify},
    metrics::Totals,
    push,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long what cannot be ended may go on after the shutdown.
const EXIT_TIMEOUT: Duration = Duration::from_secs(1);

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
    let environment = Environment::of_process();
    let web_function = cli::web_function();
    let (format, to_stdout) = (cli.log_format, web_function.is_some());
    let init_log = |settings: LogSettings| {
        let format = format.or(settings.format).unwrap_or_default();
        log_format::init(format, settings.level.unwrap_or(log::LevelFilter::Info), to_stdout);
        format
    };
    match cli.command(web_function, cli::inherited()) {
        Command::Check { file, online } => {
            init_log(LogSettings::default());
            check::check(&file, &environment, online)
        }
        Command::Serve { builder, warnings } => {
            let format = init_log(LogSettings::of_environment(&environment));
            warn(&warnings);
            ended(run(serve(*builder, format)))
        }
        Command::Replace { file } => match hand_over::ask(&file) {
            Ok(sentence) => {
                println!("{sentence}");
                ExitCode::SUCCESS
            }
            Err(sentence) => {
                eprintln!("{sentence}");
                ExitCode::FAILURE
            }
        },
        Command::ServeFile { file, trace, take_over } => match Config::load(&file, &environment) {
            Ok(config) => {
                let format = init_log(config.fixed.log);
                ended(run(serve_file(ServedFile { file, config, environment, trace, take_over, format })))
            }
            Err(report) => {
                let format = init_log(LogSettings::of_environment(&environment));
                for line in report.to_string().lines() {
                    match format {
                        LogFormat::Text if !to_stdout => eprintln!("{line}"),
                        _ => log::error!("{line}"),
                    }
                }
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
    let result = runtime.block_on(serving);
    // The system looks a host name up for as long as it likes.
    runtime.shutdown_timeout(EXIT_TIMEOUT);
    result
}

async fn serve(builder: Builder, format: LogFormat) -> Result<(), String> {
    let started = Instant::now();
    // Before anything can be started that would have to be ended.
    let mut signals = Signals::new()?;
    file_limit::raise();
    let running = start(builder).await?;
    announce(&running, format, false);
    signals.shutdown().await;
    shut_down(running, &mut signals, started).await;
    Ok(())
}

/// A gateway that a file describes, before its start.
struct ServedFile {
    file: PathBuf,
    config: Config,
    environment: Environment,
    trace: bool,
    take_over: bool,
    format: LogFormat,
}

async fn serve_file(served: ServedFile) -> Result<(), String> {
    let ServedFile { file, config, environment, trace, take_over, format } = served;
    let started = Instant::now();
    let mut signals = Signals::new()?;
    let mut hangup = wait_for(SignalKind::hangup())?;
    let (predecessor, mut sockets) = if take_over {
        let (predecessor, sockets) = Predecessor::from_stdin()
            .map_err(|error| format!("the sockets of the process before this one did not come: {error}"))?;
        (Some(predecessor), sockets)
    } else {
        (None, Sockets::default())
    };
    let usr2 = wait_for(SignalKind::user_defined2())?;
    let alone = config.fixed.cluster.is_none();
    let mut replacing = Replacing::prepare((&file, own_path()?), alone, &mut sockets, usr2).await?;
    file_limit::raise();
    warn(&warnings::of(&config));
    warn(file_limit::shortfall(config.limits.connections).as_slice());
    let backends = Arc::new(Backends::new());
    let mut builder = configured::builder(&config, &backends).map_err(|error| error.to_string())?;
    if let Some(relay) = replacing.relay() {
        builder = builder.relay(Arc::clone(relay));
    }
    if let Some(predecessor) = &predecessor {
        replacing.meet(predecessor)?;
        builder = builder.inherit(sockets);
    }
    let running = start(builder.trace(trace)).await?;
    // Where a service manager or a web function starts it, what is printed is kept in a log.
    announce(&running, format, true);
    let (version, configuration) = (env!("CARGO_PKG_VERSION"), file.display());
    let summary = ConfigSummary(&config).in_a_line();
    log::info!(version, configuration:%; "gateway {version} with {configuration}: {summary}");
    if let Some(predecessor) = predecessor {
        replacing.take_over(predecessor);
    }
    notify("READY=1");
    let mut changes = config.fixed.watch.then(|| FileChanges::of(&file));
    let mut configured = Configured::new(running, file.clone(), environment, config, backends);
    let successor = loop {
        tokio::select! {
            () = signals.shutdown() => break None,
            _ = hangup.recv() => {
                log::info!("SIGHUP: reading {} again", file.display());
                configured.reload();
            }
            () = changed(&mut changes) => {
                log::info!("{} has changed: reading it again", file.display());
                configured.reload();
            }
            request = replacing.asked() => {
                log::info!("starting {} anew, to hand over to it", std::env::args().next().unwrap_or_default());
                let result = tokio::select! {
                    result = replacing.start(configured.running()) => result,
                    () = signals.shutdown() => break None,
                };
                let (sentence, successor) = match result {
                    Ok((pid, successor)) => (Ok(format!("process {pid} has taken over")), Some(successor)),
                    Err(error) => (Err(format!("nothing has changed: {error}")), None),
                };
                match &sentence {
                    Ok(sentence) => log::info!("{sentence}: this one closes its clients"),
                    Err(sentence) => log::error!("{sentence}"),
                }
                if let Some(request) = request {
                    request.answer(sentence.as_deref().map_err(String::as_str)).await;
                }
                if successor.is_some() {
                    break successor;
                }
            }
        }
    };
    let mut running = configured.into_running();
    match &successor {
        Some(_) => running.hand_over().await,
        None => notify("STOPPING=1"),
    }
    shut_down(running, &mut signals, started).await;
    drop(successor);
    Ok(())
}

async fn shut_down(running: Running, signals: &mut Signals, started: Instant) {
    let metrics = Arc::clone(running.metrics());
    metrics.keep_series();
    tokio::select! {
        () = running.shutdown() => {}
        name = signals.next() => log::warn!("{name} again: stopping at once"),
    }
    let (seconds, totals) = (started.elapsed().as_secs(), metrics.totals());
    let Totals { clients, frames_in, bytes_in, frames_out, bytes_out, .. } = totals;
    let Totals { calls, calls_failed, pushes, pushes_failed, .. } = totals;
    log::info!(
        seconds, clients, frames_in, bytes_in, frames_out, bytes_out, calls, calls_failed, pushes, pushes_failed;
        "after {seconds} s: {totals}"
    );
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

/// Waits for the next change, if the file is watched.
async fn changed(changes: &mut Option<FileChanges>) {
    match changes {
        Some(changes) => changes.next().await,
        None => std::future::pending().await,
    }
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
fn announce(running: &Running, format: LogFormat, hide_token: bool) {
    let mut out = std::io::stdout().lock();
    // A closed standard output is no reason to stop.
    let _ = write_addresses(&mut out, running, format, hide_token).and_then(|()| out.flush());
}

fn write_addresses(
    out: &mut impl Write,
    running: &Running,
    format: LogFormat,
    hide_token: bool,
) -> std::io::Result<()> {
    let push_url = running.push_url();
    let push = match push_url.rsplit_once("/api-") {
        Some((base, _)) if hide_token && !push_url.ends_with(push::PATH) => format!("{base}/api-…"),
        _ => push_url.to_string(),
    };
    let operators = running.admin_addr().unwrap_or(running.addr());
    let addresses = [
        ("page", running.has_page().then(|| format!("http://{operators}/"))),
        ("client", running.client_page().map(|path| format!("http://{operators}{path}"))),
        ("admin", running.admin_addr().filter(|_| !running.has_page()).map(|addr| format!("http://{addr}/"))),
        ("clients", Some(format!("{}/", running.client_url()))),
        ("push", Some(push)),
    ];
    let addresses = addresses.into_iter().filter_map(|(name, address)| Some((name, address?)));
    match format {
        LogFormat::Text => {
            for (name, address) in addresses {
                writeln!(out, "{name:8} {address}")?;
            }
            Ok(())
        }
        LogFormat::Json => {
            let mut line: serde_json::Map<_, _> =
                addresses.map(|(name, address)| (name.to_owned(), address.into())).collect();
            let time = format!("{:.3}", jiff::Timestamp::now());
            for (key, value) in [("time", time.as_str()), ("level", "INFO"), ("message", "listening")] {
                line.insert(key.to_owned(), value.into());
            }
            writeln!(out, "{}", serde_json::Value::Object(line))
        }
    }
}
