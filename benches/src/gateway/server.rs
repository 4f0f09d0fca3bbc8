//! A server that is measured: the gateway, a peer or the floor, running.

use std::any::Any;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::processes::Processes;
use super::program;
use crate::Result;

/// What a server is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Idle clients that all receive what is published.
    Room,
    /// The same, with compression for clients that offer it.
    CompressedRoom,
    /// Every client receives its own frames.
    Echo,
    /// The same, over TLS.
    EchoOverTls,
    /// As `Echo`, started with the soft limit of 1,024 open files that a system gives.
    EchoWithFewFiles,
}

impl Purpose {
    pub fn is_room(self) -> bool {
        matches!(self, Self::Room | Self::CompressedRoom)
    }
}

/// A running server. Dropping it ends all its processes.
pub struct Server {
    /// Where clients connect.
    pub address: SocketAddr,
    pub path: &'static str,
    /// The certificate to trust; there if clients connect over TLS.
    pub certificate: Option<PathBuf>,
    /// How a frame gets to all clients; `None`: a client sends it.
    pub publish: Option<Publish>,
    pub processes: Processes,
    /// What it needs until its processes have ended.
    pub _beside: Box<dyn Any>,
}

/// A publish request; `PAYLOAD` in the body stands for the payload.
pub struct Publish {
    pub address: SocketAddr,
    pub path: &'static str,
    pub body: &'static str,
}

/// A program of the bench beside the server.
pub struct Helper {
    process: Child,
    pub address: SocketAddr,
}

impl Helper {
    pub fn start(name: &str) -> Result<Self> {
        let (process, address) = start_printing_address(name)?;
        Ok(Self { process, address })
    }
}

/// Starts a program of the bench that prints the address it listens on, and ends with its input.
pub fn start_printing_address(name: &str) -> Result<(Child, SocketAddr)> {
    let program = program(name)?;
    let mut process = Command::new(&program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{}: {e}", program.display()))?;
    let mut line = String::new();
    BufReader::new(process.stdout.take().ok_or("no pipe")?).read_line(&mut line)?;
    let address = line.trim().parse().map_err(|_| format!("{name} does not start"))?;
    Ok((process, address))
}

impl Drop for Helper {
    fn drop(&mut self) {
        // Both fail if it has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// Waits until the server accepts connections at all these addresses.
    pub fn await_ready(&mut self, addresses: &[SocketAddr]) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        for address in addresses {
            while TcpStream::connect(address).is_err() {
                self.processes.check()?;
                if Instant::now() > deadline {
                    return Err(format!("the server does not listen on {address}").into());
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }
}

/// A port of the loopback address that was free a moment ago.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
