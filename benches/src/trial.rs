//! One measured run of a function, from its start to its end.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Result;
use crate::function::{Function, Launch};
use crate::runtime_api::{Call, Dialect, Offer, RuntimeApi};

/// Longer than any function of the bench takes.
pub const TIME_LIMIT: Duration = Duration::from_mins(2);

/// What to run, and how often.
pub struct Plan<'p> {
    pub launch: &'p Launch,
    pub dialect: Dialect,
    pub event: &'p str,
    pub answer: &'p str,
    pub warm_up: usize,
    pub invocations: usize,
}

/// The measurements.
#[derive(Debug, Default)]
pub struct Trial {
    pub cold_start: Duration,
    /// From each offer to the next request for an event.
    pub cycles: Vec<Duration>,
    /// From each offer to its outcome.
    pub to_outcome: Vec<Duration>,
    pub processor_time: Duration,
    pub peak_memory_kb: u64,
    pub anonymous_memory_kb: u64,
}

impl Trial {
    pub fn run(api: &mut RuntimeApi, plan: &Plan<'_>) -> Result<Self> {
        let mut session = Session::start(api, plan.launch, plan.dialect, plan.event)?;
        let cold_start = session.cold_start;
        session.invoke()?;
        session.check(plan.answer)?;
        for _ in 1..plan.warm_up {
            session.invoke()?;
        }
        let mut trial = Self { cold_start, ..Self::default() };
        let before = session.function.processor_time()?;
        for _ in 0..plan.invocations {
            let (cycle, to_outcome) = session.invoke()?;
            trial.cycles.push(cycle);
            trial.to_outcome.push(to_outcome);
        }
        let used = session.function.processor_time()?.saturating_sub(before);
        trial.processor_time = used / u32::try_from(plan.invocations)?;
        trial.peak_memory_kb = session.function.peak_memory_kb()?;
        trial.anonymous_memory_kb = session.function.anonymous_memory_kb()?;
        Ok(trial)
    }
}

/// A function that is ready and waits for events.
pub struct Session<'a> {
    api: &'a mut RuntimeApi,
    offer: Offer,
    answer: Vec<u8>,
    pub function: Function,
    /// From the start of the process to the end of its `ready`, or to its first `next` if there is no `ready`.
    pub cold_start: Duration,
    /// From the start of the process to its connection.
    pub connected: Duration,
}

impl<'a> Session<'a> {
    pub fn start(api: &'a mut RuntimeApi, launch: &Launch, dialect: Dialect, event: &str) -> Result<Self> {
        api.reset()?;
        let function = launch.start(api.port()?)?;
        let call = api.await_call()?;
        let cold_start = function.started().elapsed();
        let connected = api.accepted_at().unwrap_or_else(Instant::now) - function.started();
        match call {
            Call::Ready => {
                api.acknowledge()?;
                api.expect(Call::Next)?;
            }
            Call::Next => {}
            other => {
                return Err(
                    format!("the first call of the function is {other:?} instead of Ready or Next").into()
                );
            }
        }
        let offer = Offer::new(dialect, event.as_bytes(), TIME_LIMIT);
        Ok(Self { api, offer, answer: Vec::new(), function, cold_start, connected })
    }

    /// Replaces the event; its request ids count up from this number.
    pub fn change_event(&mut self, event: &str, number: u32) {
        self.offer = Offer::numbered(Dialect::Scf, event.as_bytes(), TIME_LIMIT, number);
    }

    /// Offers the event once. Returns the times to the next request and to the outcome.
    pub fn invoke(&mut self) -> Result<(Duration, Duration)> {
        self.offer.advance();
        let begun = Instant::now();
        self.api.offer(&self.offer)?;
        self.api.expect(Call::Response)?;
        let to_outcome = begun.elapsed();
        if self.answer.is_empty() {
            self.answer.extend_from_slice(self.api.body());
        }
        self.api.acknowledge()?;
        self.api.expect(Call::Next)?;
        Ok((begun.elapsed(), to_outcome))
    }

    /// Fails unless the first answer equals this JSON.
    pub fn check(&self, expected: &str) -> Result<()> {
        let answer: Value = serde_json::from_slice(&self.answer)?;
        if answer == serde_json::from_str::<Value>(expected)? {
            return Ok(());
        }
        Err(format!("the answer is {answer} instead of {expected}").into())
    }
}

pub fn median<T: PartialOrd + Copy>(values: impl IntoIterator<Item = T>) -> Option<T> {
    percentile(values, 50)
}

pub fn percentile<T: PartialOrd + Copy>(values: impl IntoIterator<Item = T>, percent: usize) -> Option<T> {
    let mut sorted: Vec<T> = values.into_iter().collect();
    sorted.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied()
}
