//! A Redis server for the bench, with its read counter.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::Result;

pub struct Redis {
    server: Child,
    directory: PathBuf,
    pub port: u16,
}

impl Redis {
    pub fn start() -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let directory = std::env::temp_dir().join(format!("scf-websocket-bench-redis-{port}"));
        fs::create_dir_all(&directory)?;
        let server = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .arg("--dir")
            .arg(&directory)
            .stdout(Stdio::null())
            .spawn()?;
        let redis = Self { server, directory, port };
        for _ in 0..100 {
            if redis.info("server").is_ok() {
                return Ok(redis);
            }
            thread::sleep(Duration::from_millis(50));
        }
        Err("redis-server does not answer".into())
    }

    /// How many reads it has made on all its connections.
    pub fn reads(&self) -> Result<u64> {
        let reads = self.field("stats", "total_reads_processed:")?;
        Ok(reads.ok_or("redis-server reports no total_reads_processed")?.parse()?)
    }

    /// How many messages were published.
    pub fn published(&self) -> Result<u64> {
        let calls = self.field("commandstats", "cmdstat_publish:calls=")?;
        Ok(calls.as_deref().and_then(|calls| calls.split(',').next()).unwrap_or("0").parse()?)
    }

    /// What its data take, in bytes.
    pub fn memory(&self) -> Result<u64> {
        let used = self.field("memory", "used_memory_dataset:")?;
        Ok(used.ok_or("redis-server reports no used_memory_dataset")?.parse()?)
    }

    /// Bytes that it has received.
    pub fn received(&self) -> Result<u64> {
        let bytes = self.field("stats", "total_net_input_bytes:")?;
        Ok(bytes.ok_or("redis-server reports no total_net_input_bytes")?.parse()?)
    }

    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    /// What follows this in its line; `None`: no line begins with it.
    fn field(&self, section: &str, begin: &str) -> Result<Option<String>> {
        let info = self.info(section)?;
        Ok(info.lines().find_map(|line| line.strip_prefix(begin)).map(|rest| rest.trim().to_owned()))
    }

    fn info(&self, section: &str) -> Result<String> {
        let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", self.port))?);
        stream.get_mut().write_all(format!("INFO {section}\r\n").as_bytes())?;
        let mut length = String::new();
        stream.read_line(&mut length)?;
        let length = length.trim().trim_start_matches('$').parse()?;
        let mut info = vec![0; length];
        stream.read_exact(&mut info)?;
        Ok(String::from_utf8(info)?)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // Anything left behind is in the system's temporary directory.
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}
