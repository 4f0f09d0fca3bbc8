//! The clients of the gateway's section: thousands of WebSocket connections in one thread.
//!
//! Reads commands from standard input, a line each, and prints a line of JSON for each: its result, or
//! `{"error": …}`. Ends with its input. Between commands, clients answer pings.
//!
//! - `target HOST:PORT PATH [CERTIFICATE]`: where clients connect; over TLS with the certificate to trust.
//! - `offer EXTENSION`: clients that are opened from now on offer it.
//! - `rate BYTES`: all clients together read so many bytes in a second.
//! - `connect COUNT IN_FLIGHT`: opens as many more clients.
//! - `fan-out frame PAYLOAD` | `fan-out post HOST:PORT PATH PAYLOAD BODY`: sends one frame, or one publish request, and
//!   waits until every client has received the payload.
//! - `echo CLIENTS MILLISECONDS`: each client sends a frame as soon as the last one came back.
//! - `paced CLIENTS PER_SECOND MILLISECONDS`: frames are sent at their times, whatever has come back.
//! - `ping`: every client sends a ping and waits for its pong.
//! - `idle MILLISECONDS`: answers pings and counts the connections that end.
//! - `frames`: how many frames with data were received so far.
//! - `close`: drops all clients.
//!
//! An epoll loop rather than an async runtime: the clients share two processors with the server, so their own cost has
//! to be small.

mod client;
mod connect;
mod crowd;
mod echo;
mod expected;
mod fan_out;
mod frame;
mod idle;
mod paced;
mod target;

use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crowd::Crowd;

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// A command that takes longer than it should fails after this.
const TIMEOUT: Duration = Duration::from_mins(1);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("ws-load: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    // The kernel may otherwise wake a thread 50 µs late.
    rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1))?;
    let mut crowd = Crowd::new()?;
    let (lines, commands) = mpsc::channel();
    thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                break;
            }
        }
    });
    loop {
        match commands.try_recv() {
            Ok(line) => {
                let answer = execute(&mut crowd, &line).unwrap_or_else(|e| json!({"error": e.to_string()}));
                let mut stdout = std::io::stdout().lock();
                writeln!(stdout, "{answer}")?;
                stdout.flush()?;
            }
            Err(mpsc::TryRecvError::Empty) => {
                crowd.poll(Instant::now() + Duration::from_millis(20))?;
                crowd.happened.clear();
            }
            Err(mpsc::TryRecvError::Disconnected) => return Ok(()),
        }
    }
}

fn execute(crowd: &mut Crowd, line: &str) -> Result<Value> {
    let words: Vec<&str> = line.split(' ').collect();
    crowd.happened.clear();
    match words.as_slice() {
        ["target", address, path] => connect::target(crowd, address, path, None),
        ["target", address, path, certificate] => connect::target(crowd, address, path, Some(certificate)),
        ["offer", extension] => connect::offer(crowd, extension),
        ["rate", bytes] => {
            crowd.bytes_per_second = Some(bytes.parse()?);
            Ok(json!({}))
        }
        ["connect", count, in_flight] => connect::connect(crowd, count.parse()?, in_flight.parse()?),
        ["fan-out", "frame", payload] => fan_out::by_frame(crowd, payload),
        ["fan-out", "post", address, path, payload, body @ ..] => {
            fan_out::by_request(crowd, address, path, payload, &body.join(" "))
        }
        ["echo", clients, milliseconds] => echo::echo(crowd, clients.parse()?, parse(milliseconds)?),
        ["paced", clients, per_second, milliseconds] => {
            paced::paced(crowd, clients.parse()?, per_second.parse()?, parse(milliseconds)?)
        }
        ["ping"] => idle::ping(crowd),
        ["idle", milliseconds] => idle::idle(crowd, parse(milliseconds)?),
        ["frames"] => Ok(json!({ "frames": crowd.frames })),
        ["close"] => {
            crowd.clear();
            Ok(json!({}))
        }
        _ => Err(format!("unknown command: {line}").into()),
    }
}

fn parse(milliseconds: &str) -> Result<Duration> {
    Ok(Duration::from_millis(milliseconds.parse()?))
}
