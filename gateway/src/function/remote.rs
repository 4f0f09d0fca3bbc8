//! Functions that run elsewhere: at an HTTP address, or in the cloud.
//!
//! Both are a [`Remote`], which calls one function:
//!
//! ```text
//! invoke ─▶ limit (concurrent calls, waiting) ─▶ circuit (is it up?) ─▶ attempt ─▶ answer
//!                                                  ▲                      │ may pass, and time is left
//!                                                  └────── retry ◀────────┘
//! ```
//!
//! - [`http::HttpFunction`]: POST of the event.
//! - [`scf::ScfFunction`]: `InvokeFunction` of the cloud API.
//!
//! The time-out of a call covers everything: waiting, connecting, each attempt and the pauses between them.

pub mod attempt;
pub mod backend;
pub mod circuit;
pub mod client;
pub mod http;
pub mod limit;
mod retry;
pub mod scf;

use std::time::Duration;

use bytes::Bytes;
use log::debug;
use tokio::{
    sync::SemaphorePermit,
    time::{Instant, sleep, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    attempt::{Answer, Attempt, Setback},
    backend::{Call, Failure, FunctionBackend, Invoked, Timings},
    circuit::{Circuit, CircuitSettings, CircuitState, OpenCircuit},
    limit::{Limit, LimitSettings, NoPlace},
    retry::Retry,
};
use crate::BoxFuture;

/// How a function elsewhere is called.
#[derive(Debug, Clone)]
pub struct RemoteSettings {
    /// What a call may take in all, from its arrival to its answer.
    pub timeout: Duration,
    /// How many calls at once.
    pub limit: LimitSettings,
    /// When the backend counts as down.
    pub circuit: CircuitSettings,
}

impl RemoteSettings {
    /// The defaults of everything but the time-out.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, limit: LimitSettings::default(), circuit: CircuitSettings::default() }
    }
}

/// A function elsewhere.
#[derive(Debug)]
pub struct Remote<A> {
    function: A,
    timeout: Duration,
    limit: Limit,
    circuit: Circuit,
    stopping: CancellationToken,
    calls: TaskTracker,
}

/// What became of an attempt without an answer.
enum Tried {
    Failed(Setback),
    /// It was not made.
    CircuitOpen(OpenCircuit),
    /// The call's time was up, but the attempt had less than half of it: that says little about the backend.
    TooLate,
}

impl<A: Attempt> Remote<A> {
    /// Nothing is connected before the first call.
    #[must_use]
    pub fn new(function: A, settings: RemoteSettings) -> Self {
        let circuit = Circuit::new(function.name(), settings.circuit);
        Self {
            function,
            timeout: settings.timeout,
            limit: Limit::new(settings.limit),
            circuit,
            stopping: CancellationToken::new(),
            calls: TaskTracker::new(),
        }
    }

    /// Whether the backend counts as up.
    #[must_use]
    pub fn circuit(&self) -> CircuitState {
        self.circuit.state()
    }

    /// The calls being carried out now.
    #[must_use]
    pub fn running(&self) -> usize {
        self.limit.running()
    }

    /// The calls that wait until they may be carried out.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.limit.waiting()
    }

    /// Whether the function could be called, as far as this can be known without calling it. `Ok` says what was
    /// checked; either is a sentence. Returns within the time-out.
    pub async fn check_online(&self) -> Result<String, String> {
        match timeout_at(Instant::now() + self.timeout, self.function.check()).await {
            Ok(checked) => checked,
            Err(_) => Err(self.no_answer().to_string()),
        }
    }

    async fn carry_out(&self, call: &Call<'_>, timings: &mut Timings) -> Result<Bytes, Failure> {
        let deadline = Instant::now() + self.timeout;
        // Before the call waits in a queue for nothing.
        self.circuit.admits()?;
        let _place = self.place(deadline, timings).await?;
        let mut retry = Retry::new(call.role, deadline);
        let mut earlier = None;
        loop {
            let setback = match self.attempt(call, deadline, timings).await {
                Ok(answer) => return Ok(answer),
                Err(Tried::Failed(setback)) => setback,
                Err(Tried::CircuitOpen(open)) => return Err(earlier.unwrap_or_else(|| open.into())),
                Err(Tried::TooLate) => return Err(earlier.unwrap_or_else(|| self.no_answer())),
            };
            let Some(pause) = retry.pause(&setback) else { return Err(setback.failure) };
            debug!(
                "{}, request {}: {}; trying again in {} ms",
                self.function.name(),
                call.request_id,
                setback.failure,
                pause.as_millis()
            );
            earlier = Some(setback.failure);
            sleep(pause).await;
        }
    }

    /// Waits for the call's turn.
    async fn place(&self, deadline: Instant, timings: &mut Timings) -> Result<SemaphorePermit<'_>, Failure> {
        let arrived = Instant::now();
        let place = timeout_at(deadline, self.limit.enter()).await;
        timings.queued = arrived.elapsed();
        match place {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(NoPlace::Stopping)) => Err(Failure::Stopping),
            Ok(Err(NoPlace::Full)) | Err(_) => {
                Err(Failure::Overloaded { retry_after: self.limit.retry_after() })
            }
        }
    }

    async fn attempt(
        &self,
        call: &Call<'_>,
        deadline: Instant,
        timings: &mut Timings,
    ) -> Result<Bytes, Tried> {
        let passage = self.circuit.enter().map_err(Tried::CircuitOpen)?;
        let begun = Instant::now();
        let result = timeout_at(deadline, self.function.attempt(call)).await;
        timings.ran = Some(begun.elapsed());
        match result {
            Ok(Ok(Answer { body, ran })) => {
                passage.up();
                if ran.is_some() {
                    timings.ran = ran;
                }
                Ok(body)
            }
            Ok(Err(setback)) => {
                if setback.down {
                    passage.down(&setback.failure);
                } else {
                    passage.up();
                }
                Err(Tried::Failed(setback))
            }
            Err(_) if begun.elapsed() * 2 < self.timeout => Err(Tried::TooLate),
            Err(_) => {
                let failure = self.no_answer();
                passage.down(&failure);
                Err(Tried::Failed(Setback::last(failure)))
            }
        }
    }

    fn no_answer(&self) -> Failure {
        Failure::TimedOut(format!(
            "{} did not answer within {} ms: see function_timeout_seconds",
            self.function.name(),
            self.timeout.as_millis()
        ))
    }
}

impl<A: Attempt> FunctionBackend for Remote<A> {
    fn invoke<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Invoked> {
        Box::pin(async move {
            let _counted = self.calls.token();
            let mut timings = Timings::default();
            let carried_out = self.stopping.run_until_cancelled(self.carry_out(&call, &mut timings)).await;
            let result = carried_out.unwrap_or(Err(Failure::Stopping));
            Invoked { result, timings }
        })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.limit.close();
            self.stopping.cancel();
            self.calls.close();
            self.calls.wait().await;
        })
    }
}
