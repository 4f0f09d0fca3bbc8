//! The clients: drives `ws-load`, which holds thousands of them in one process.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::program;
use super::server::Server;
use crate::Result;

/// Handshakes in flight.
const IN_FLIGHT: usize = 64;

pub struct Load {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What came of frames sent at a fixed rate.
#[derive(Debug, Clone, Copy)]
pub struct Latency {
    pub p50: Duration,
    pub p99: Duration,
    pub p999: Duration,
}

/// What came of one frame to all clients.
#[derive(Debug, Clone, Copy)]
pub struct FanOut {
    /// To the last receipt.
    pub time: Duration,
    /// That all clients have received.
    pub bytes: u64,
}

impl FanOut {
    fn new(answer: &Value) -> Result<Self> {
        let bytes = answer["bytes"].as_u64().ok_or_else(|| format!("ws-load answered {answer}"))?;
        Ok(Self { time: seconds(answer, "seconds")?, bytes })
    }

    pub fn seconds(&self) -> f64 {
        self.time.as_secs_f64()
    }
}

impl Load {
    /// Its clients connect to this server.
    pub fn start(server: &Server) -> Result<Self> {
        let program = program("ws-load")?;
        let mut process = Command::new(&program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{}: {e}", program.display()))?;
        let (commands, answers) = process.stdin.take().zip(process.stdout.take()).ok_or("no pipes")?;
        let mut load = Self { process, commands, answers: BufReader::new(answers) };
        load.target(server)?;
        Ok(load)
    }

    /// Clients that are opened from now on connect to this server.
    pub fn target(&mut self, server: &Server) -> Result<()> {
        let mut target = format!("target {} {}", server.address, server.path);
        if let Some(certificate) = &server.certificate {
            target = format!("{target} {}", certificate.display());
        }
        self.command(&target).map(drop)
    }

    /// Clients that are opened from now on offer this extension, which the server has to take.
    pub fn offer(&mut self, extension: &str) -> Result<()> {
        self.command(&format!("offer {extension}")).map(drop)
    }

    /// All clients together read so many bytes in a second from now on.
    pub fn rate(&mut self, bytes_per_second: f64) -> Result<()> {
        self.command(&format!("rate {bytes_per_second}")).map(drop)
    }

    /// Opens as many clients more. Returns how long that took.
    pub fn connect(&mut self, count: usize) -> Result<Duration> {
        self.seconds(&format!("connect {count} {IN_FLIGHT}"), "seconds")
    }

    /// One frame to all clients.
    pub fn fan_out(&mut self, server: &Server, payload: &str) -> Result<FanOut> {
        match &server.publish {
            None => self.fan_out_frame(payload),
            Some(publish) => {
                let body = publish.body.replace("PAYLOAD", payload);
                self.fan_out_post(publish.address, publish.path, payload, &body)
            }
        }
    }

    /// Likewise, where the first client sends it.
    pub fn fan_out_frame(&mut self, payload: &str) -> Result<FanOut> {
        FanOut::new(&self.command(&format!("fan-out frame {payload}"))?)
    }

    /// Likewise, where this request sends it.
    pub fn fan_out_post(
        &mut self,
        address: SocketAddr,
        path: &str,
        payload: &str,
        body: &str,
    ) -> Result<FanOut> {
        FanOut::new(&self.command(&format!("fan-out post {address} {path} {payload} {body}"))?)
    }

    /// Waits until the clients have received so many frames in all, and fails if there are more.
    pub fn await_frames(&mut self, frames: u64, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        loop {
            self.idle(Duration::from_millis(200))?;
            let answer = self.command("frames")?;
            let received = answer["frames"].as_u64().unwrap_or_default();
            if received == frames {
                return Ok(());
            }
            if received > frames || Instant::now() > deadline {
                return Err(format!("the clients have received {received} frames instead of {frames}").into());
            }
        }
    }

    /// Drops all clients.
    pub fn close(&mut self) -> Result<()> {
        self.command("close").map(drop)
    }

    /// Each of so many clients sends a frame as soon as the last one came back. Returns how many frames came back in
    /// all, and how many in a second.
    pub fn echo(&mut self, clients: usize, duration: Duration) -> Result<(u64, f64)> {
        let answer = self.command(&format!("echo {clients} {}", duration.as_millis()))?;
        let frames = answer["frames"].as_u64().zip(answer["per_second"].as_f64());
        Ok(frames.ok_or_else(|| format!("ws-load answered {answer}"))?)
    }

    /// Frames at a fixed rate, measured from when each should have been sent.
    pub fn paced(&mut self, clients: usize, per_second: f64, duration: Duration) -> Result<Latency> {
        let command = format!("paced {clients} {per_second} {}", duration.as_millis());
        let answer = self.command(&command)?;
        Ok(Latency {
            p50: seconds(&answer, "p50_seconds")?,
            p99: seconds(&answer, "p99_seconds")?,
            p999: seconds(&answer, "p999_seconds")?,
        })
    }

    /// Every client sends a ping and waits for its pong. Returns how many did.
    pub fn ping(&mut self) -> Result<u64> {
        let answer = self.command("ping")?;
        Ok(answer["answered"].as_u64().ok_or_else(|| format!("ws-load answered {answer}"))?)
    }

    /// Waits, and fails if a connection ends meanwhile.
    pub fn idle(&mut self, duration: Duration) -> Result<()> {
        self.command(&format!("idle {}", duration.as_millis())).map(drop)
    }

    fn seconds(&mut self, command: &str, key: &str) -> Result<Duration> {
        seconds(&self.command(command)?, key)
    }

    /// `ws-load` bounds the time of each command itself.
    fn command(&mut self, command: &str) -> Result<Value> {
        writeln!(self.commands, "{command}")?;
        self.commands.flush()?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let answer: Value = serde_json::from_str(&line).map_err(|_| "ws-load has ended")?;
        match answer["error"].as_str() {
            Some(error) => {
                let command = command.split(' ').take(2).collect::<Vec<_>>().join(" ");
                Err(format!("{command}: {error}").into())
            }
            None => Ok(answer),
        }
    }
}

fn seconds(answer: &Value, key: &str) -> Result<Duration> {
    let seconds = answer[key].as_f64().ok_or_else(|| format!("ws-load answered {answer}"))?;
    Ok(Duration::try_from_secs_f64(seconds)?)
}

impl Drop for Load {
    fn drop(&mut self) {
        // Both fail if it has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
