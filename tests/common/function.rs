//! A function's process with its own runtime API, as in SCF.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use scf_websocket_gateway::function::runtime_api::{Limits, Outcome, RuntimeApi};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::programs::example;

/// Turns a hang into a failure.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The program under test. The variable `BOOTSTRAP` replaces it, for example with the packaged file.
pub fn bootstrap() -> PathBuf {
    std::env::var_os("BOOTSTRAP").map_or_else(|| env!("CARGO_BIN_EXE_bootstrap").into(), PathBuf::from)
}

/// A port without a listener, below the ephemeral range, so that no server of another test binds it.
pub fn unused_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 10_000;
    let start = u16::try_from(std::process::id() % u32::from(COUNT)).expect("below COUNT");
    let mut candidates = (0..COUNT).map(|_| FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT);
    candidates.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("an unused port")
}

/// A running program whose output is collected.
pub struct Process {
    child: Child,
    output: Arc<Mutex<String>>,
    readers: Vec<thread::JoinHandle<()>>,
}

impl Process {
    /// Starts the bootstrap with only these variables.
    pub fn start(env: &[(&str, &str)], args: &[&str]) -> Self {
        Self::of(&bootstrap(), env, args)
    }

    /// Starts another program.
    pub fn of(program: &Path, env: &[(&str, &str)], args: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(args)
            .env_clear()
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the bootstrap starts");
        let output = Arc::new(Mutex::new(String::new()));
        let stdout = collect(child.stdout.take().expect("piped"), Arc::clone(&output), "");
        // SCF discards standard error, so the prefix keeps its lines from matching what a test expects.
        let stderr = collect(child.stderr.take().expect("piped"), Arc::clone(&output), "STDERR ");
        Self { child, output, readers: vec![stdout, stderr] }
    }

    /// Starts the bootstrap with the runtime API on this port.
    pub fn for_api(port: u16, env: &[(&str, &str)]) -> Self {
        Self::of_for_api(&bootstrap(), port, env)
    }

    fn of_for_api(program: &Path, port: u16, env: &[(&str, &str)]) -> Self {
        let port = port.to_string();
        let mut all = vec![("SCF_RUNTIME_API", "127.0.0.1"), ("SCF_RUNTIME_API_PORT", port.as_str())];
        all.extend_from_slice(env);
        Self::of(program, &all, &[])
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The output so far.
    pub fn output(&self) -> String {
        self.output.lock().expect("not poisoned").clone()
    }

    /// Waits until the output contains this text.
    pub fn await_output(&self, part: &str) -> String {
        let since = Instant::now();
        loop {
            let output = self.output();
            if output.contains(part) {
                return output;
            }
            assert!(since.elapsed() < TIMEOUT, "no {part:?} in:\n{output}");
            thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.id().to_string()]).status();
        assert!(sent.expect("kill").success());
    }

    /// Waits for the process to end, and returns its status and output.
    pub fn wait(mut self, limit: Duration) -> (ExitStatus, String) {
        let since = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("wait") {
                break status;
            }
            assert!(since.elapsed() < limit, "still running after {limit:?}:\n{}", self.output());
            thread::sleep(Duration::from_millis(2));
        };
        for reader in self.readers.drain(..) {
            reader.join().expect("the output is read");
        }
        (status, self.output())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(
    from: impl Read + Send + 'static,
    into: Arc<Mutex<String>>,
    prefix: &'static str,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            let Ok(line) = line else { return };
            let mut output = into.lock().expect("not poisoned");
            output.push_str(prefix);
            output.push_str(&line);
            output.push('\n');
        }
    })
}

/// A function that is ready for events.
pub struct Function {
    pub process: Process,
    api: RuntimeApi,
    tokio: Runtime,
    invocations: AtomicUsize,
}

impl Function {
    pub fn start(env: &[(&str, &str)]) -> Self {
        Self::with_limits(Limits::default(), env)
    }

    pub fn with_limits(limits: Limits, env: &[(&str, &str)]) -> Self {
        Self::of(&bootstrap(), limits, env)
    }

    /// Starts a program of `examples/` or `tests/programs/`.
    pub fn of_example(name: &str, env: &[(&str, &str)]) -> Self {
        Self::of(&example(name), Limits::default(), env)
    }

    fn of(program: &Path, limits: Limits, env: &[(&str, &str)]) -> Self {
        let tokio = Runtime::new().expect("a tokio runtime");
        let api = tokio.block_on(RuntimeApi::start(limits)).expect("a runtime API");
        let process = Process::of_for_api(program, api.addr().port(), env);
        let ready = tokio.block_on(async { timeout(TIMEOUT, api.ready()).await });
        assert!(ready.is_ok(), "not ready:\n{}", process.output());
        Self { process, api, tokio, invocations: AtomicUsize::new(0) }
    }

    /// Offers the event with a new request id and waits for the outcome.
    pub fn invoke(&self, event: impl Into<Vec<u8>>) -> Outcome {
        let id = format!("request-{}", self.invocations.fetch_add(1, Ordering::Relaxed) + 1);
        let outcome =
            self.tokio.block_on(async { timeout(TIMEOUT, self.api.invoke(&id, event.into())).await });
        outcome.unwrap_or_else(|_| panic!("no outcome:\n{}", self.process.output()))
    }
}
