//! A real redis-server.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::unused_port;

/// A running server. Its data is removed on drop.
pub struct Redis {
    pub port: u16,
    options: Vec<String>,
    folder: tempfile::TempDir,
    child: Child,
}

impl Redis {
    pub fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = unused_port();
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let child = spawn(port, folder.path(), &options);
        let redis = Self { port, options, folder, child };
        redis.await_answer();
        redis
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Suspends the server: the kernel accepts connections, but no command is answered.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Resumes the server.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill").success());
    }

    /// Stops the server. Its data is kept, since every write is synced to disk.
    pub fn stop(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// Starts the stopped server on the same port and with the same data.
    pub fn restart(&mut self) {
        self.child = spawn(self.port, self.folder.path(), &self.options);
        self.await_answer();
    }

    /// Sends an inline command and returns what the first read of the answer yields.
    pub fn command(&self, line: &str) -> String {
        self.try_command(line).expect("an answer")
    }

    fn try_command(&self, line: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(format!("{line}\r\n").as_bytes())?;
        let mut answer = vec![0; 65536];
        let bytes = stream.read(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer[..bytes]).into_owned())
    }

    fn await_answer(&self) {
        let since = Instant::now();
        loop {
            match self.try_command("PING") {
                Ok(answer) if !answer.contains("LOADING") => return,
                other => assert!(since.elapsed() < Duration::from_secs(10), "no redis-server: {other:?}"),
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn spawn(port: u16, folder: &std::path::Path, options: &[String]) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--appendonly", "yes", "--appendfsync", "always", "--dir"])
        .arg(folder)
        .args(options)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server starts: `make test` installs it")
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
