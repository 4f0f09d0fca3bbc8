//! The phases of a cold start.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::function::Launch;
use crate::processor::Bound;
use crate::runtime_api::{Dialect, RuntimeApi};
use crate::table::{Table, us};
use crate::trial::{Session, median};
use crate::{event, subject};

const STARTS_A_ROUND: usize = 20;

const INTRODUCTION: &str = "\
## Cold start

Medians over all starts; the rows are interleaved. *exec and main*: `--version`, from before the process is created until \
it has exited (the floor exits since its variables are not set). *configured*: the log line with the configuration has \
been read. *connected*: the runtime API has accepted the connection; in between, the log line is written, the handler built \
and the signal thread started. *ready*: its request has been read. The first event runs code whose pages are not mapped \
yet.

";

#[derive(Default)]
struct Starts {
    to_end_of_version: Vec<Duration>,
    /// Empty for the floor, which has no log.
    to_configured: Vec<Duration>,
    to_connected: Vec<Duration>,
    to_ready: Vec<Duration>,
    first_event: Vec<Duration>,
    tenth_event: Vec<Duration>,
}

pub fn section(rounds: usize) -> Result<String> {
    let _bound = Bound::to_one()?;
    let mut api = RuntimeApi::open()?;
    let (floor, bootstrap) = (subject::floor()?, subject::bootstrap("register")?);
    let mut rows = [("the floor", floor, Starts::default()), ("**bootstrap**", bootstrap, Starts::default())];
    for _ in 0..rounds * STARTS_A_ROUND {
        for (name, launch, starts) in &mut rows {
            starts.add(&mut api, launch).map_err(|e| format!("{name}: {e}"))?;
        }
        let [_, (_, bootstrap, starts)] = &mut rows;
        starts.to_configured.push(bootstrap.time_to_first_log()?);
    }
    let mut table = Table::new([
        "",
        "exec and main",
        "configured after",
        "connected after",
        "ready after",
        "first event",
        "tenth event",
    ]);
    for (name, _, starts) in rows {
        let medians = [
            starts.to_end_of_version,
            starts.to_configured,
            starts.to_connected,
            starts.to_ready,
            starts.first_event,
            starts.tenth_event,
        ]
        .map(|times| median(times).map_or("–".into(), us));
        table.row([name.to_owned()].into_iter().chain(medians));
    }
    Ok(format!("{INTRODUCTION}{table}"))
}

impl Starts {
    fn add(&mut self, api: &mut RuntimeApi, launch: &Launch) -> Result<()> {
        self.to_end_of_version.push(version(launch)?);
        let mut session = Session::start(api, launch, Dialect::Scf, event::CONNECT)?;
        self.to_connected.push(session.connected);
        self.to_ready.push(session.cold_start);
        self.first_event.push(session.invoke()?.1);
        for _ in 2..10 {
            session.invoke()?;
        }
        self.tenth_event.push(session.invoke()?.1);
        Ok(())
    }
}

fn version(launch: &Launch) -> Result<Duration> {
    let program = launch.command.first().ok_or("an empty command")?;
    let mut command = Command::new(program);
    command.arg("--version").env_clear().stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    command.status()?;
    Ok(begun.elapsed())
}
