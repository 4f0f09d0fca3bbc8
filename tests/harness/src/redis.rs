//! A real redis-server.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{SOON, kill, port, wait_until};

/// What redis-server reports once it has loaded its data and listens.
const READY: &str = "Ready to accept connections";
const PORT_IS_TAKEN: &str = "Address already in use";
/// How many ports are tried.
const ATTEMPTS: usize = 50;

/// A running server. Its data is removed on drop.
pub struct Redis {
    pub port: u16,
    arguments: Vec<String>,
    folder: tempfile::TempDir,
    child: Child,
}

impl Redis {
    /// Starts a server with these options, on a free port.
    pub fn start(options: &[&str]) -> Self {
        Self::on_free_ports(options, None).0
    }

    /// Likewise, and returns the port on which it speaks TLS too.
    pub fn start_with_tls(options: &[&str]) -> (Self, u16) {
        let (redis, tls_port) = Self::on_free_ports(options, Some("--tls-port"));
        (redis, tls_port.expect("asked for"))
    }

    /// `second` is the option for a second port, if there is to be one.
    fn on_free_ports(options: &[&str], second: Option<&str>) -> (Self, Option<u16>) {
        for _ in 0..ATTEMPTS {
            let second_port = second.map(|option| (option, port::candidate()));
            let mut arguments: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
            if let Some((option, port)) = second_port {
                arguments.extend([option.to_owned(), port.to_string()]);
            }
            if let Some(redis) = Self::try_start(port::candidate(), arguments) {
                return (redis, second_port.map(|(_, port)| port));
            }
        }
        panic!("no free port for redis-server in {ATTEMPTS} attempts");
    }

    /// `None` if a port is taken.
    fn try_start(port: u16, arguments: Vec<String>) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let child = spawn(port, folder.path(), &arguments);
        let mut redis = Self { port, arguments, folder, child };
        redis.listens().then_some(redis)
    }

    /// Waits until it listens; false if a port is taken.
    fn listens(&mut self) -> bool {
        let (child, log) = (&mut self.child, log_of(self.folder.path()));
        let read = || fs::read_to_string(&log).unwrap_or_default();
        let listens = wait_until(
            || format!("redis-server listens:\n{}", read()),
            || {
                let ended = child.try_wait().expect("a child").is_some();
                if read().contains(READY) { Some(true) } else { ended.then_some(false) }
            },
        );
        assert!(listens || read().contains(PORT_IS_TAKEN), "redis-server ended:\n{}", read());
        listens
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Suspends the server: the kernel accepts connections, but no command is answered.
    pub fn pause(&self) {
        kill(self.child.id(), "STOP");
    }

    /// Resumes the server.
    pub fn resume(&self) {
        kill(self.child.id(), "CONT");
    }

    /// Stops the server. Its data is kept, since every write is synced to disk.
    pub fn stop(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// Starts the stopped server on the same port and with the same data.
    pub fn restart(&mut self) {
        self.restart_with(&[]);
    }

    /// Likewise with the data of the last `SAVE`, also where every write was synced to disk since then.
    pub fn restart_from_snapshot(&mut self) {
        let _ = fs::remove_dir_all(self.folder.path().join("appendonlydir"));
        self.restart_with(&["--appendonly", "no"]);
        // From now on every write is synced again.
        self.command("CONFIG SET appendonly yes");
        wait_until(
            || "the append-only file is written".to_owned(),
            || {
                let state = self.command("INFO persistence");
                let is_written = |name: &str| state.contains(&format!("{name}\r\n"));
                (is_written("aof_rewrite_in_progress:0") && is_written("aof_rewrite_scheduled:0"))
                    .then_some(())
            },
        );
    }

    fn restart_with(&mut self, options: &[&str]) {
        let options = options.iter().map(|&option| option.to_owned());
        let arguments: Vec<_> = self.arguments.iter().cloned().chain(options).collect();
        self.child = spawn(self.port, self.folder.path(), &arguments);
        assert!(self.listens(), "the port of the stopped redis-server is taken: {}", self.port);
    }

    /// Sends an inline command and returns what the first read of the answer yields.
    pub fn command(&self, line: &str) -> String {
        self.try_command(line).expect("an answer")
    }

    fn try_command(&self, line: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(SOON))?;
        stream.write_all(format!("{line}\r\n").as_bytes())?;
        let mut answer = vec![0; 65536];
        let bytes = loop {
            match stream.read(&mut answer) {
                // A socket with a time-out is not read again by itself after a signal.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        Ok(String::from_utf8_lossy(&answer[..bytes]).into_owned())
    }
}

fn spawn(port: u16, folder: &Path, arguments: &[String]) -> Child {
    let log = File::create(log_of(folder)).expect("a log file");
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--appendonly", "yes", "--appendfsync", "always", "--dir"])
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log)
        .spawn()
        .expect("redis-server starts")
}

fn log_of(folder: &Path) -> PathBuf {
    folder.join("log")
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
