//! One process of a function, in a process group of its own: its output line by line, its end noticed at once, its
//! whole group ended with it.
//!
//! [`spawn`] → [`Process::ended`] whenever it ends → [`Process::kill`] to end it. Dropped, it is killed.

use std::{
    process::ExitStatus,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use log::{Level, info, log, warn};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader},
    process::{Child, Command},
    sync::{mpsc, watch},
    time::timeout,
};

use super::Role;
use crate::{
    guard::Guard,
    raised,
    tally::{Counted, Tally},
    timeline::{Ticket, Timeline},
};

/// A longer line of output is split, so that a function cannot fill the gateway's memory with one.
const LINE_LIMIT_BYTES: u64 = 64 * 1024;
/// Behind a time, which a logger may have written as several words.
const LEVEL_WITHIN_WORDS: usize = 6;
/// What a process may take to end after SIGTERM, before SIGKILL.
const GENTLE: Duration = Duration::from_millis(500);
/// How long the end of the output is waited for after the process has ended. Only a process outside its group, which
/// is not killed with it, can hold the output open for longer.
const LAST_LINES: Duration = Duration::from_secs(1);
/// So much of the last line stands in the sentence that says how the process ended.
const REASON_BYTES: usize = 512;

/// A handle on a started process.
#[derive(Debug)]
pub(crate) struct Process {
    ended: watch::Receiver<Option<End>>,
    kill: mpsc::UnboundedSender<String>,
}

/// How a process ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct End {
    how: String,
    last_line: Option<LastLine>,
}

/// The last line of an output that is not empty, and when it was read. It is most often the reason of a crash.
#[derive(Debug, Clone)]
struct LastLine {
    text: String,
    read: Instant,
}

impl End {
    /// `register-1 exited with status 2 before it was ready, its last line of output: …`. A line from before `since`
    /// is not the reason.
    pub(crate) fn sentence(&self, name: &str, when: &str, since: Instant) -> String {
        let sentence = format!("{name} {} {when}", self.how);
        match self.last_line.as_ref().filter(|line| line.read >= since) {
            Some(line) => format!("{sentence}, its last line of output: {}", line.text),
            None => sentence,
        }
    }
}

/// What a process is started with besides its command.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) role: Role,
    pub(crate) timeline: Timeline,
    pub(crate) guard: Option<Arc<Guard>>,
    /// Turns true when every process is to end, busy or not.
    pub(crate) stopping: watch::Receiver<bool>,
    /// Counts the living processes.
    pub(crate) alive: Tally,
}

/// Starts the command under the instance's name.
pub(crate) fn spawn(
    mut command: Command,
    name: &str,
    surroundings: Surroundings,
    started_for: &Ticket,
) -> std::io::Result<Process> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true);
    let child = command.spawn()?;
    // Only a child that was waited for has none.
    let pid = child.id().unwrap_or_default();
    if let Some(guard) = &surroundings.guard {
        guard.watch(pid);
    }
    surroundings.timeline.instance_started(name, pid, started_for);
    let (ended_sender, ended) = watch::channel(None);
    let (kill, killed) = mpsc::unbounded_channel();
    let counted = surroundings.alive.enter();
    let supervisor =
        Supervisor { child, pid, name: name.to_owned(), killed, surroundings, _counted: counted };
    tokio::spawn(supervisor.run(ended_sender));
    Ok(Process { ended, kill })
}

impl Process {
    /// Waits until the process has ended and its output was read, and says how it ended.
    pub(crate) async fn ended(&self) -> End {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(end) => end.clone().unwrap_or_default(),
            Err(_) => End { how: "lost its supervisor".to_owned(), last_line: None },
        }
    }

    /// Whether it has ended already.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// Kills its whole group and waits until it is gone.
    pub(crate) async fn kill(&self, reason: &str) {
        // A supervisor that no longer listens has seen the end.
        let _ = self.kill.send(reason.to_owned());
        self.ended().await;
    }
}

/// Owns the child: only here is it waited for and killed, so that a process id is never used after its end.
struct Supervisor {
    child: Child,
    pid: u32,
    name: String,
    killed: mpsc::UnboundedReceiver<String>,
    surroundings: Surroundings,
    _counted: Counted,
}

impl Supervisor {
    async fn run(mut self, ended: watch::Sender<Option<End>>) {
        let output = (self.child.stdout.take(), self.child.stderr.take());
        let timeline = &self.surroundings.timeline;
        let pumps = [
            tokio::spawn(pump(output.0, self.name.clone(), timeline.clone())),
            tokio::spawn(pump(output.1, self.name.clone(), timeline.clone())),
        ];
        let how = self.wait().await;
        // What the process itself had started and left in its group.
        self.signal(Signal::KILL);
        if let Some(guard) = &self.surroundings.guard {
            guard.forget(self.pid);
        }
        // Only then is the end announced: it closes the invocation, which must have its last lines by then.
        let mut last_line = None;
        let read = async {
            for pump in pumps {
                // Standard error comes second and has the last word.
                last_line = pump.await.ok().flatten().or(last_line.take());
            }
        };
        let _ = timeout(LAST_LINES, read).await;
        info!("{} (process {}) {how}", self.name, self.pid);
        self.surroundings.timeline.instance_ended(self.surroundings.role, &self.name, self.pid, &how);
        ended.send_replace(Some(End { how, last_line }));
    }

    async fn wait(&mut self) -> String {
        let stopping = raised(self.surroundings.stopping.clone());
        let reason = tokio::select! {
            status = self.child.wait() => return describe(status),
            reason = self.killed.recv() => reason.unwrap_or_else(|| "no longer needed".to_owned()),
            () = stopping => {
                self.signal(Signal::TERM);
                if let Ok(status) = timeout(GENTLE, self.child.wait()).await {
                    return describe(status);
                }
                format!("did not end within {} ms of SIGTERM", GENTLE.as_millis())
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
async fn pump(output: Option<impl AsyncRead + Unpin>, name: String, timeline: Timeline) -> Option<LastLine> {
    let output = output?;
    let mut output = BufReader::new(output);
    let (mut line, mut last, mut read) = (Vec::new(), Vec::new(), None);
    while matches!((&mut output).take(LINE_LIMIT_BYTES).read_until(b'\n', &mut line).await, Ok(read) if read > 0)
    {
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']);
        log!(level(text), "{name} | {text}");
        timeline.line(&name, text);
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
