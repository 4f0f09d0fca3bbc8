//! A program of the tests, and its output.

use std::{
    io::{BufRead as _, BufReader, Read},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use crate::{SOON, is_suspended, kill, programs::bootstrap_program, wait::wait_up_to, wait_until};

/// A running program whose output is collected.
pub struct Process {
    child: Child,
    output: Arc<Mutex<String>>,
    readers: Vec<thread::JoinHandle<()>>,
}

impl Process {
    /// Starts the bootstrap with only these variables.
    pub fn start(env: &[(&str, &str)], args: &[&str]) -> Self {
        Self::of(&bootstrap_program(), env, args)
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
        Self::of_for_api(&bootstrap_program(), port, env)
    }

    pub(crate) fn of_for_api(program: &Path, port: u16, env: &[(&str, &str)]) -> Self {
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
        wait_until(
            || format!("{part:?} in:\n{}", self.output()),
            || Some(self.output()).filter(|output| output.contains(part)),
        )
    }

    /// Suspends the process, as SCF does with an idle instance, and waits until it is.
    pub fn freeze(&self) {
        self.signal("STOP");
        wait_until(|| "the process is suspended".to_owned(), || is_suspended(self.id()).then_some(()));
    }

    /// Lets the suspended process continue.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    pub fn signal(&self, name: &str) {
        kill(self.id(), name);
    }

    /// Waits for the process to end, and returns its status and output.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let output = Arc::clone(&self.output);
        let status = wait_up_to(
            SOON * 3,
            || format!("the end of the process:\n{}", output.lock().expect("not poisoned")),
            || self.child.try_wait().expect("a child"),
        );
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
