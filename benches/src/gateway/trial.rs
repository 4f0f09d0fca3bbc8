//! One measured run of each kind, with a server of its own.

use std::time::Duration;

use super::load::{Latency, Load};
use super::server::{Purpose, Server};
use super::subject::Kind;
use crate::Result;
use crate::table::float;
use crate::trial::median;

pub const CROWD: usize = 9_000;
pub const CROWD_OVER_TLS: usize = 3_000;
pub const ECHOING: usize = 200;
pub const PACED: usize = 1_000;
pub const HANDSHAKES: usize = 6_000;

/// Those with which a server warms up; memory is counted from there on.
pub const FIRST: usize = 200;
const WARM_FAN_OUTS: usize = 5;
const PAYLOAD: &str = "one-frame-to-all-of-the-room";

/// What an idle connection costs, and one frame to all.
#[derive(Debug, Clone, Copy)]
pub struct Crowd {
    /// All of the server's memory before the crowd.
    pub base_bytes: u64,
    /// A connection's, as the growth from the first connections to all.
    pub bytes: f64,
    /// The same after all of them have received frames.
    pub bytes_afterwards: Option<f64>,
    pub first_fan_out: Option<Duration>,
    /// The median of several.
    pub warm_fan_out: Option<Duration>,
}

pub fn crowd(kind: &Kind) -> Result<Crowd> {
    let server = kind.start(Purpose::Room)?;
    let mut load = Load::start(&server)?;
    let mut crowd = idle_memory(&server, &mut load, CROWD)?;
    if !kind.fans_out() {
        return Ok(crowd);
    }
    crowd.first_fan_out = Some(load.fan_out(&server, PAYLOAD)?.time);
    let mut warm = Vec::new();
    for number in 0..WARM_FAN_OUTS {
        warm.push(load.fan_out(&server, &format!("{PAYLOAD}-{number}"))?.time);
    }
    crowd.warm_fan_out = median(warm);
    load.idle(Duration::from_secs(1))?;
    crowd.bytes_afterwards = Some(growth(server.processes.memory()?, crowd.base_bytes, CROWD));
    Ok(crowd)
}

pub fn crowd_over_tls(kind: &Kind) -> Result<Crowd> {
    let server = kind.start(Purpose::EchoOverTls)?;
    let mut load = Load::start(&server)?;
    idle_memory(&server, &mut load, CROWD_OVER_TLS)
}

fn idle_memory(server: &Server, load: &mut Load, clients: usize) -> Result<Crowd> {
    load.connect(FIRST)?;
    load.idle(Duration::from_millis(500))?;
    let base_bytes = server.processes.memory()?;
    load.connect(clients - FIRST)?;
    load.idle(Duration::from_secs(2))?;
    let bytes = growth(server.processes.memory()?, base_bytes, clients);
    Ok(Crowd { base_bytes, bytes, bytes_afterwards: None, first_fan_out: None, warm_fan_out: None })
}

/// What an idle connection costs, in bytes.
pub fn growth_of_idle(server: &Server, load: &mut Load, clients: usize) -> Result<f64> {
    Ok(idle_memory(server, load, clients)?.bytes)
}

fn growth(after: u64, before: u64, clients: usize) -> f64 {
    float(after.saturating_sub(before)) / float((clients - FIRST) as u64)
}

/// Frames through the server and back, as many as it manages.
#[derive(Debug, Clone, Copy)]
pub struct Echo {
    pub per_second: f64,
    /// The server's, a frame.
    pub processor_time: Duration,
    /// That of the functions' processes, a frame.
    pub of_functions: Duration,
}

pub fn echo(kind: &Kind) -> Result<Echo> {
    let server = kind.start(Purpose::Echo)?;
    let mut load = Load::start(&server)?;
    connect_and_settle(&mut load, ECHOING)?;
    load.echo(ECHOING, Duration::from_secs(1))?;
    let (before, before_others) =
        (server.processes.processor_time()?, server.processes.processor_time_of_others()?);
    let (frames, per_second) = load.echo(ECHOING, Duration::from_secs(3))?;
    let used = server.processes.processor_time()?.saturating_sub(before);
    let used_by_others = server.processes.processor_time_of_others()?.saturating_sub(before_others);
    let frames = float(frames);
    Ok(Echo {
        per_second,
        processor_time: used.div_f64(frames),
        of_functions: used_by_others.div_f64(frames),
    })
}

/// With a pause, since nchan subscribes a client to its channel only after the handshake.
fn connect_and_settle(load: &mut Load, clients: usize) -> Result<()> {
    load.connect(clients)?;
    load.idle(Duration::from_millis(500))
}

/// Connections opened, all of which stay open.
#[derive(Debug, Clone, Copy)]
pub struct Handshakes {
    pub per_second: f64,
    /// The server's, a handshake.
    pub processor_time: Duration,
}

pub fn handshakes(kind: &Kind) -> Result<Handshakes> {
    let server = kind.start(Purpose::Echo)?;
    let mut load = Load::start(&server)?;
    load.connect(FIRST)?;
    let before = server.processes.processor_time()?;
    let taken = load.connect(HANDSHAKES)?;
    let used = server.processes.processor_time()?.saturating_sub(before);
    let count = float(HANDSHAKES as u64);
    Ok(Handshakes { per_second: count / taken.as_secs_f64(), processor_time: used.div_f64(count) })
}

/// Half of what the server manages, at a fixed rate.
#[derive(Debug, Clone, Copy)]
pub struct Paced {
    pub per_second: f64,
    pub latency: Latency,
}

pub fn paced(kind: &Kind) -> Result<Paced> {
    let server = kind.start(Purpose::Echo)?;
    let mut load = Load::start(&server)?;
    connect_and_settle(&mut load, PACED)?;
    load.echo(PACED, Duration::from_secs(1))?;
    let (_, full) = load.echo(PACED, Duration::from_secs(2))?;
    let per_second = full / 2.0;
    load.paced(PACED, per_second, Duration::from_secs(1))?;
    let latency = load.paced(PACED, per_second, Duration::from_secs(4))?;
    Ok(Paced { per_second, latency })
}

/// Memory of many idle connections over time, in bytes, and how many clients answer at the end.
pub struct Hold {
    pub memory: Vec<(Duration, u64)>,
    pub answered: u64,
}

impl Hold {
    /// The last sample to the first.
    pub fn growth(&self) -> Option<f64> {
        Some(float(self.memory.last()?.1) / float(self.memory.first()?.1))
    }
}

pub fn hold(kind: &Kind, clients: usize, duration: Duration) -> Result<Hold> {
    const SAMPLES: u32 = 10;
    let server = kind.start(Purpose::EchoWithFewFiles)?;
    let mut load = Load::start(&server)?;
    load.connect(clients)?;
    load.idle(Duration::from_secs(2))?;
    let mut memory = vec![(Duration::ZERO, server.processes.memory()?)];
    for number in 1..=SAMPLES {
        load.idle(duration / SAMPLES)?;
        memory.push((duration / SAMPLES * number, server.processes.memory()?));
    }
    Ok(Hold { memory, answered: load.ping()? })
}
