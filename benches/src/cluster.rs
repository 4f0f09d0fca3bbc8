//! Gateways as the nodes of a cluster: what another node costs, and how soon a killed one is taken over.

mod bare;
mod function;
mod nodes;
mod pusher;
mod report;
mod trial;

use crate::Result;
use crate::gateway::raise_file_limit;
use crate::trial::median;
use trial::{FanOut, Pushes, TakeOver};

/// What each round measured.
#[derive(Default)]
struct Rounds {
    pushes: Vec<Pushes>,
    fan_outs: Vec<FanOut>,
    take_overs: Vec<TakeOver>,
}

impl Rounds {
    fn measure(&mut self, round: usize) -> Result<()> {
        eprintln!("bench: cluster: round {round}, pushes");
        self.pushes.push(trial::pushes()?);
        eprintln!("bench: cluster: round {round}, one frame to all");
        self.fan_outs.push(trial::fan_out()?);
        eprintln!("bench: cluster: round {round}, take-over");
        self.take_overs.push(trial::take_over(round)?);
        Ok(())
    }

    /// The median over the rounds.
    fn push(&self, figure: impl Fn(&Pushes) -> f64) -> f64 {
        median(self.pushes.iter().map(figure)).unwrap_or(f64::NAN)
    }

    fn fan_out(&self, figure: impl Fn(&FanOut) -> f64) -> f64 {
        median(self.fan_outs.iter().map(figure)).unwrap_or(f64::NAN)
    }

    fn take_over(&self, figure: impl Fn(&TakeOver) -> f64) -> f64 {
        median(self.take_overs.iter().map(figure)).unwrap_or(f64::NAN)
    }
}

pub fn section(count: usize) -> Result<String> {
    raise_file_limit()?;
    let mut rounds = Rounds::default();
    for round in 1..=count {
        rounds.measure(round)?;
    }
    Ok(report::report(&rounds))
}
