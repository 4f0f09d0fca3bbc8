//! A function under measurement: its process and the resources it has used.

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Result;

/// How a function is started.
#[derive(Debug, Clone)]
pub struct Launch {
    pub command: Vec<OsString>,
    pub variables: Vec<(&'static str, String)>,
}

impl Launch {
    pub fn new<S: Into<OsString>>(command: impl IntoIterator<Item = S>) -> Self {
        Self { command: command.into_iter().map(Into::into).collect(), variables: Vec::new() }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Starts it with the environment that SCF and AWS provide. The log is discarded.
    pub fn start(&self, port: u16) -> Result<Function> {
        self.start_logging_to(Stdio::null(), port)
    }

    /// The time from just before the process is created to its first log output.
    pub fn time_to_first_log(&self) -> Result<Duration> {
        // No listener: the bootstrap logs its first line before it calls the runtime API.
        let port = 1;
        let mut function = self.start_logging_to(Stdio::piped(), port)?;
        let mut log = function.child.stdout.take().ok_or("no pipe")?;
        log.read_exact(&mut [0])?;
        Ok(function.started.elapsed())
    }

    fn start_logging_to(&self, log: Stdio, port: u16) -> Result<Function> {
        let (program, arguments) = self.command.split_first().ok_or("an empty command")?;
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(inherited()).envs(contract(port));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(log);
        let started = Instant::now();
        let child = command.spawn().map_err(|e| format!("{}: {e}", program.display()))?;
        Ok(Function { child, started })
    }
}

fn inherited() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "HOME")
}

fn contract(port: u16) -> Vec<(&'static str, String)> {
    let named = [
        ("SCF_NAMESPACE", "default"),
        ("SCF_FUNCTIONNAME", "bench"),
        ("SCF_FUNCTIONVERSION", "$LATEST"),
        ("TENCENTCLOUD_REGION", "ap-guangzhou"),
        ("TENCENTCLOUD_APPID", "1250000000"),
        ("TENCENTCLOUD_UIN", "100000000001"),
        ("SCF_RUNTIME_API", "127.0.0.1"),
        ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "bench"),
    ];
    let mut variables: Vec<_> = named.map(|(name, value)| (name, value.to_owned())).into();
    variables.push(("SCF_RUNTIME_API_PORT", port.to_string()));
    variables.push(("AWS_LAMBDA_RUNTIME_API", format!("127.0.0.1:{port}")));
    variables
}

pub struct Function {
    child: Child,
    started: Instant,
}

impl Function {
    /// The time just before the process was created.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Processor time of the process, its threads and the children it has waited for.
    pub fn processor_time(&self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(self.proc_file("task"))? {
            let line = fs::read_to_string(task?.path().join("schedstat"))?;
            nanoseconds += line.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds) + self.processor_time_of_children()?)
    }

    fn processor_time_of_children(&self) -> Result<Duration> {
        /// `USER_HZ` of every Linux on x86-64.
        const TICKS_PER_SECOND: u64 = 100;
        /// Index among the fields after the name, which is in parentheses.
        const CUTIME: usize = 13;
        let stat = fs::read_to_string(self.proc_file("stat"))?;
        let after_name = stat.rsplit(") ").next().unwrap_or_default();
        let mut ticks = 0;
        for field in after_name.split(' ').skip(CUTIME).take(2) {
            ticks += field.parse::<u64>()?;
        }
        Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
    }

    pub fn peak_memory_kb(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    pub fn memory_kb(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// Resident memory that is not backed by a file.
    pub fn anonymous_memory_kb(&self) -> Result<u64> {
        self.status("RssAnon:")
    }

    fn status(&self, name: &str) -> Result<u64> {
        let status = fs::read_to_string(self.proc_file("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let line = line.ok_or_else(|| format!("/proc/…/status has no {name}"))?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    fn proc_file(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.child.id())
    }

    /// Ends it with SIGTERM, so that a tool that runs it, such as valgrind, writes its report.
    pub fn terminate(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        // Both fail if the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
