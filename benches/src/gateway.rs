//! The gateway beside its peers and the floor, in interleaved rounds.

mod compression;
pub mod directory;
mod figures;
pub mod goals;
mod hold;
pub mod load;
mod nchan;
pub mod own;
pub mod processes;
mod pushpin;
mod report;
pub mod server;
mod subject;
mod trial;

use std::path::PathBuf;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Result;
use server::Purpose;
use subject::{Kind, Subject};
use trial::{Crowd, Echo, Handshakes, Paced};

/// What is measured; a section of its own as `gateway-…`, and all together as `gateway`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Memory of an idle connection, and one frame to all.
    Crowd,
    Tls,
    /// Frames through a function and back.
    Cpu,
    Handshakes,
    Latency,
    /// One frame to all, compressed.
    Compression,
    Hold,
}

/// All but compression, which needs a second build of the gateway.
const ALL: [Part; 6] = [Part::Crowd, Part::Tls, Part::Cpu, Part::Handshakes, Part::Latency, Part::Hold];

/// The names of the sections.
pub const SECTIONS: [(&str, &[Part]); 8] = [
    ("gateway", &ALL),
    ("gateway-memory", &[Part::Crowd, Part::Tls]),
    ("gateway-fan-out", &[Part::Crowd]),
    ("gateway-cpu", &[Part::Cpu]),
    ("gateway-handshakes", &[Part::Handshakes]),
    ("gateway-latency", &[Part::Latency]),
    ("gateway-compression", &[Part::Compression]),
    ("gateway-hold", &[Part::Hold]),
];

/// A subject, and what was measured of it, round by round.
struct Row {
    subject: Subject,
    crowd: Vec<Crowd>,
    tls: Vec<Crowd>,
    cpu: Vec<Echo>,
    handshakes: Vec<Handshakes>,
    latency: Vec<Paced>,
    compression: Vec<compression::Measured>,
    failures: Vec<String>,
}

pub fn section(parts: &[Part], rounds: usize) -> Result<String> {
    report_on(subject::all()?, parts, rounds)
}

/// Compares these builds of the gateway with each other, the peers and the floor. The goals are the first one's.
pub fn comparison(section: &str, rounds: usize, files: &[&str]) -> Result<String> {
    let (_, parts) = SECTIONS.iter().find(|(name, _)| *name == section).ok_or("no section of the gateway")?;
    report_on(subject::builds(files)?, parts, rounds)
}

fn report_on(subjects: Vec<Subject>, parts: &[Part], rounds: usize) -> Result<String> {
    raise_file_limit()?;
    let mut rows: Vec<Row> = subjects.into_iter().map(Row::new).collect();
    let hold = if parts.contains(&Part::Hold) { Some(hold::measure(&rows[0].subject.kind)?) } else { None };
    for round in 1..=rounds {
        for part in parts {
            for row in &mut rows {
                eprintln!("bench: gateway: round {round}, {part:?}, {}", row.subject.name);
                match row.measure(*part) {
                    // A peer that fails is reported, and does not end the measurement of the others.
                    Err(e) if !row.subject.kind.is_ours() => row.failures.push(format!("{part:?}: {e}")),
                    outcome => outcome.map_err(|e| format!("{part:?}, {}: {e}", row.subject.name))?,
                }
            }
        }
    }
    Ok(report::report(parts, &rows, hold.as_ref()))
}

impl Row {
    fn new(subject: Subject) -> Self {
        Self {
            subject,
            crowd: Vec::new(),
            tls: Vec::new(),
            cpu: Vec::new(),
            handshakes: Vec::new(),
            latency: Vec::new(),
            compression: Vec::new(),
            failures: Vec::new(),
        }
    }

    fn measure(&mut self, part: Part) -> Result<()> {
        if self.subject.missing.is_some() {
            return Ok(());
        }
        let kind = &self.subject.kind;
        match part {
            Part::Crowd => self.crowd.push(trial::crowd(kind)?),
            Part::Tls if kind.serves(Purpose::EchoOverTls) => self.tls.push(trial::crowd_over_tls(kind)?),
            Part::Cpu => self.cpu.push(trial::echo(kind)?),
            Part::Handshakes => self.handshakes.push(trial::handshakes(kind)?),
            // Pushpin has never come to an end of it.
            Part::Latency if *kind == Kind::Pushpin => {}
            Part::Latency => self.latency.push(trial::paced(kind)?),
            Part::Compression => self.compression.extend(compression::measure(kind)?),
            Part::Tls | Part::Hold => {}
        }
        Ok(())
    }
}

/// A program of the bench: built for speed if it is, beside this program otherwise.
fn program(name: &str) -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let for_speed = this.parent().and_then(|folder| Some(folder.parent()?.join("gateway").join(name)));
    match for_speed {
        Some(program) if program.exists() => Ok(program),
        _ => Ok(this.with_file_name(name)),
    }
}

/// For this process and those it starts.
pub fn raise_file_limit() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(())
}
