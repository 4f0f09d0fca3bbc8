//! One process of a function, in a process group of its own. Its output is passed on line by line, its exit is noticed
//! at once, and its whole group ends with it.
//!
//! [`spawn`] → [`Process::exited`] waits for its exit → [`Process::kill`] ends it. A process is killed when it is dropped.

use std::{
    process::ExitStatus,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use log::{Level, warn};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader},
    process::{Child, Command},
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::orphan_reaper::OrphanReaper;
use crate::{
    function::Role,
    observe::{
        log_limit::{self, LogLimit},
        report::{Report, Reports},
    },
    start::file_limit,
};

/// A longer line of output is split, so that a function cannot fill the gateway's memory with one.
const LINE_LIMIT_BYTES: u64 = 64 * 1024;
/// How many lines of a function's output are logged within the interval of a [`LogLimit`]: what a program that prints a
/// line or two for each event prints for 25 events a second.
const OUTPUT_LINES: u32 = 500;
/// How many of them if they are warnings or errors.
const WARNINGS: u32 = 50;
/// The level follows a time, which a logger may write as several words.
const LEVEL_WITHIN_WORDS: usize = 6;
/// How long a process may take to exit after SIGTERM, before SIGKILL.
const TERM_TIMEOUT: Duration = Duration::from_millis(500);
/// How long to wait for the end of the output after the process has exited. Only a process outside its group, which is
/// not killed with it, can hold the output open for longer.
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(1);
/// How much of the last line goes into the sentence that says how the process exited.
const REASON_BYTES: usize = 512;

/// A handle on a started process.
#[derive(Debug)]
pub(super) struct Process {
    exit: watch::Receiver<Option<Exit>>,
    kill: mpsc::UnboundedSender<String>,
}

/// How a process exited.
#[derive(Debug, Clone, Default)]
pub(super) struct Exit {
    how: String,
    last_line: Option<LastLine>,
}

/// The last line of an output that is not empty, and when it was read. It is most often the reason of a crash.
#[derive(Debug, Clone)]
struct LastLine {
    text: String,
    read: Instant,
}

impl Exit {
    /// `register-1 exited with status 2 before it was ready, its last line of output: …`. A line from before `since`
    /// is not the reason.
    pub(super) fn sentence(&self, name: &str, when: &str, since: Instant) -> String {
        let sentence = format!("{name} {} {when}", self.how);
        match self.last_line.as_ref().filter(|line| line.read >= since) {
            Some(line) => format!("{sentence}, its last line of output: {}", line.text),
            None => sentence,
        }
    }
}

/// What a process is started with besides its command.
#[derive(Clone)]
pub(super) struct ProcessContext {
    pub(super) role: Role,
    pub(super) reports: Reports,
    pub(super) orphan_reaper: Option<Arc<OrphanReaper>>,
    /// Cancelled when every process is to exit, busy or not.
    pub(super) stopping: CancellationToken,
    /// The processes that have not exited.
    pub(super) running: TaskTracker,
    pub(super) log_limits: ProcessLogLimits,
}

/// The lines about the processes of a function, all of them together.
#[derive(Clone)]
pub(super) struct ProcessLogLimits {
    /// Their output, unless it names a higher level.
    output: LogLimit,
    /// Warnings and errors in it.
    warnings: LogLimit,
    /// That one is ready, or has exited.
    pub(super) life: LogLimit,
    /// What they do wrong at the runtime API.
    pub(super) runtime_api: LogLimit,
}

impl Default for ProcessLogLimits {
    fn default() -> Self {
        Self {
            output: LogLimit::new(OUTPUT_LINES),
            warnings: LogLimit::new(WARNINGS),
            life: LogLimit::new(log_limit::SINGLE),
            runtime_api: LogLimit::new(log_limit::SINGLE),
        }
    }
}

impl ProcessLogLimits {
    fn log_output(&self, name: &str, line: &str) {
        let level = level(line);
        let limit = if level == Level::Info { &self.output } else { &self.warnings };
        limit.log(level, None, format_args!("{name} | {line}"));
    }
}

/// Starts the command under the instance's name, for the invocation with this request id.
pub(super) fn spawn(
    mut command: Command,
    name: &str,
    context: ProcessContext,
    request_id: &str,
) -> std::io::Result<Process> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true);
    let child = command.spawn()?;
    // Only a child that was waited for has none.
    let pid = child.id().unwrap_or_default();
    file_limit::restore_for(pid);
    if let Some(reaper) = &context.orphan_reaper {
        reaper.watch(pid);
    }
    let role = context.role;
    context.reports.report(|| Report::InstanceStarted { role, instance: name, pid, request_id });
    let (exit_sender, exit) = watch::channel(None);
    let (kill, killed) = mpsc::unbounded_channel();
    let running = context.running.clone();
    let supervisor = Supervisor { child, pid, name: name.to_owned(), killed, context };
    running.spawn(supervisor.run(exit_sender));
    Ok(Process { exit, kill })
}

impl Process {
    /// Waits until the process has exited and its output was read.
    pub(super) async fn exited(&self) -> Exit {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(exit) => exit.clone().unwrap_or_default(),
            Err(_) => Exit { how: "lost its supervisor".to_owned(), last_line: None },
        }
    }

    /// Whether it has exited already.
    pub(super) fn has_exited(&self) -> bool {
        self.exit.borrow().is_some()
    }

    /// Kills its whole group and waits until it is gone.
    pub(super) async fn kill(&self, reason: &str) {
        // A supervisor that no longer listens has seen the exit.
        let _ = self.kill.send(reason.to_owned());
        self.exited().await;
    }
}

/// Owns the child. Only the supervisor waits for it and kills it, so that no process id is used after its exit.
struct Supervisor {
    child: Child,
    pid: u32,
    name: String,
    killed: mpsc::UnboundedReceiver<String>,
    context: ProcessContext,
}

impl Supervisor {
    async fn run(mut self, exit: watch::Sender<Option<Exit>>) {
        let (stdout, stderr) = (self.child.stdout.take(), self.child.stderr.take());
        let ProcessContext { reports, log_limits, .. } = &self.context;
        let pumps = [
            tokio::spawn(pump(stdout, self.name.clone(), reports.clone(), log_limits.clone())),
            tokio::spawn(pump(stderr, self.name.clone(), reports.clone(), log_limits.clone())),
        ];
        let how = self.wait().await;
        // What the process itself had started and left in its group.
        self.signal(Signal::KILL);
        if let Some(reaper) = &self.context.orphan_reaper {
            reaper.forget(self.pid);
        }
        // The exit is announced last: it ends the invocation, which must have its last lines by then.
        let mut last_line = None;
        let read = async {
            for pump in pumps {
                // Standard error comes second, and its line is the one that counts.
                last_line = pump.await.ok().flatten().or(last_line.take());
            }
        };
        let _ = timeout(OUTPUT_TIMEOUT, read).await;
        let line = format_args!("{} (process {}) {how}", self.name, self.pid);
        self.context.log_limits.life.log(Level::Info, None, line);
        self.context.reports.report(|| Report::InstanceEnded {
            role: self.context.role,
            instance: &self.name,
            pid: self.pid,
            message: &how,
        });
        exit.send_replace(Some(Exit { how, last_line }));
    }

    async fn wait(&mut self) -> String {
        let reason = tokio::select! {
            status = self.child.wait() => return describe(status),
            reason = self.killed.recv() => reason.unwrap_or_else(|| "no longer needed".to_owned()),
            () = self.context.stopping.cancelled() => {
                self.signal(Signal::TERM);
                if let Ok(status) = timeout(TERM_TIMEOUT, self.child.wait()).await {
                    return describe(status);
                }
                format!("did not end within {} ms of SIGTERM", TERM_TIMEOUT.as_millis())
            }
        };
        self.signal(Signal::KILL);
        if let Err(error) = self.child.wait().await {
            warn!("{}: waiting for process {}: {error}", self.name, self.pid);
        }
        format!("killed: {reason}")
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            // A group that is gone needs no signal.
            let _ = kill_process_group(group, signal);
        }
    }
}

fn describe(status: std::io::Result<ExitStatus>) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("exited with status {code}"),
            (None, Some(signal)) => format!("killed by signal {signal}"),
            (None, None) => "ended".to_owned(),
        },
        Err(error) => format!("could not be waited for: {error}"),
    }
}

/// Passes output on line by line, whatever bytes it consists of, and returns the last line that is not empty.
async fn pump(
    output: Option<impl AsyncRead + Unpin>,
    name: String,
    reports: Reports,
    log_limits: ProcessLogLimits,
) -> Option<LastLine> {
    let output = output?;
    let mut output = BufReader::new(output);
    let (mut line, mut last, mut read) = (Vec::new(), Vec::new(), None);
    while matches!((&mut output).take(LINE_LIMIT_BYTES).read_until(b'\n', &mut line).await, Ok(read) if read > 0)
    {
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']);
        log_limits.log_output(&name, text);
        reports.report(|| Report::OutputLine { instance: &name, line: text });
        if !text.is_empty() {
            read = Some(Instant::now());
            std::mem::swap(&mut line, &mut last);
        }
        line.clear();
    }
    last.truncate(REASON_BYTES);
    read.map(|read| LastLine { text: String::from_utf8_lossy(&last).trim_end().to_owned(), read })
}

/// The level that a line of output names among its first words, as loggers write it: `[time ERROR module] …`.
fn level(line: &str) -> Level {
    let words = line.split([' ', '\t', '[', ']', ':', '|']).filter(|word| !word.is_empty());
    let named = words.take(LEVEL_WITHIN_WORDS).find_map(|word| match word {
        "ERROR" => Some(Level::Error),
        "WARN" | "WARNING" => Some(Level::Warn),
        "INFO" | "DEBUG" | "TRACE" => Some(Level::Info),
        _ => None,
    });
    named.unwrap_or(Level::Info)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_level_that_it_names() {
        for (line, expected) in [
            ("[2026-11-24T18:00:00Z ERROR scf_websocket] no", Level::Error),
            ("ERROR: no", Level::Error),
            ("2026-11-24 18:00:00,123 - ERROR - no", Level::Error),
            ("[WARN] careful", Level::Warn),
            ("WARNING:root:careful", Level::Warn),
            ("[2026-11-24T18:00:00Z INFO  bootstrap] ERROR is quoted", Level::Info),
            ("an error", Level::Info),
            ("", Level::Info),
        ] {
            assert_eq!(level(line), expected, "{line}");
        }
    }
}
