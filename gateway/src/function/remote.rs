//! Functions that run elsewhere: at an HTTP address, or in the cloud.
//!
//! Both are a [`Remote`], which calls one function:
//!
//! ```text
//! invoke ─▶ circuit (is it up?) ─▶ attempt ─▶ answer
//!                 ▲                  │ may pass, and time is left
//!                 └───── retry ◀─────┘
//! ```
//!
//! - [`http::HttpFunction`]: POST of the event.
//! - [`scf::ScfFunction`]: `InvokeFunction` of the cloud API.
//!
//! The time-out of a call covers everything: connecting, each attempt and the pauses between them. Register and
//! cleanup events are idempotent and are sent again if that can help; a frame only if the function did not run:
//!
//! | outcome of an attempt | register, cleanup | frame | counts as down |
//! | --- | --- | --- | --- |
//! | no connection: refused, no such name, no TLS | again | again | yes |
//! | the certificate is not accepted | fails | fails | yes |
//! | the connection or the answer was cut, the answer is no HTTP | again | fails | yes |
//! | no answer within the time-out | fails | fails | yes |
//! | HTTP 429 | again | again | |
//! | HTTP 503 with `Retry-After` | again | again | yes |
//! | HTTP 502, 503, 504 | again | fails | yes |
//! | HTTP 500 and other 5xx but 501 and 505 | again | fails | |
//! | any other HTTP status | fails | fails | |
//! | cloud: throttled, being updated; function status 429, 432 | again | again | |
//! | cloud: `InternalError`, `ServiceUnavailable`, 5xx, unreadable | again | fails | yes |
//! | cloud: any other refusal; function status 430, 433, 434 and others | fails | fails | |
//!
//! "Again" ends with the time-out: an attempt whose pause would reach it is not made, and the call fails with the reason
//! of the last one. Several failures that count as down, over some time and without a success between them, open the
//! circuit (see [`circuit`]).

pub mod attempt;
pub mod circuit;
pub mod client;
pub mod http;
mod retry;
pub mod scf;

use std::time::Duration;

use bytes::Bytes;
use log::debug;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    attempt::{Attempt, AttemptError, Backend, FunctionAnswer},
    circuit::{Circuit, CircuitSettings, CircuitState, OpenCircuit},
    retry::Retry,
};
use crate::{
    BoxFuture,
    function::{Call, Failure, FunctionBackend, Invoked, Timings},
};

/// How a function elsewhere is called.
#[derive(Debug, Clone)]
pub struct RemoteSettings {
    /// What a call may take in all.
    pub timeout: Duration,
    /// When the backend counts as down.
    pub circuit: CircuitSettings,
}

impl RemoteSettings {
    /// The defaults of everything but the time-out.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, circuit: CircuitSettings::default() }
    }
}

/// A function elsewhere.
#[derive(Debug)]
pub struct Remote<A> {
    function: A,
    timeout: Duration,
    circuit: Circuit,
    stopping: CancellationToken,
    calls: TaskTracker,
}

/// What became of an attempt without an answer.
enum NotAnswered {
    Failed(AttemptError),
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
            circuit,
            stopping: CancellationToken::new(),
            calls: TaskTracker::new(),
        }
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
        let deadline = call.deadline.map_or(deadline, |earlier| deadline.min(earlier.into()));
        let mut retry = Retry::new(call.role, deadline);
        let mut earlier = None;
        loop {
            let error = match self.attempt(call, deadline, timings).await {
                Ok(answer) => return Ok(answer),
                Err(NotAnswered::Failed(error)) => error,
                Err(NotAnswered::CircuitOpen(open)) => return Err(earlier.unwrap_or_else(|| open.into())),
                Err(NotAnswered::TooLate) => return Err(earlier.unwrap_or_else(|| self.no_answer())),
            };
            let Some(pause) = retry.pause(&error) else { return Err(error.failure) };
            debug!(
                "{}, request {}: {}; trying again in {} ms",
                self.function.name(),
                call.request_id,
                error.failure,
                pause.as_millis()
            );
            earlier = Some(error.failure);
            sleep(pause).await;
        }
    }

    async fn attempt(
        &self,
        call: &Call<'_>,
        deadline: Instant,
        timings: &mut Timings,
    ) -> Result<Bytes, NotAnswered> {
        let permit = self.circuit.try_acquire().map_err(NotAnswered::CircuitOpen)?;
        let begun = Instant::now();
        let result = timeout_at(deadline, self.function.attempt(call)).await;
        timings.ran = Some(begun.elapsed());
        match result {
            Ok(Ok(FunctionAnswer { body, ran })) => {
                permit.succeeded();
                if ran.is_some() {
                    timings.ran = ran;
                }
                Ok(body)
            }
            Ok(Err(error)) => {
                match error.backend {
                    Backend::Up => permit.succeeded(),
                    Backend::Down => permit.failed(&error.failure),
                    Backend::Unknown => {}
                }
                Err(NotAnswered::Failed(error))
            }
            Err(_) if begun.elapsed() * 2 < self.timeout => Err(NotAnswered::TooLate),
            Err(_) => {
                let failure = self.no_answer();
                permit.failed(&failure);
                Err(NotAnswered::Failed(AttemptError::permanent(failure)))
            }
        }
    }

    fn no_answer(&self) -> Failure {
        Failure::TimedOut(
            format!(
                "{} did not answer within {} ms: see function_timeout_seconds",
                self.function.name(),
                self.timeout.as_millis()
            )
            .into(),
        )
    }
}

impl<A: Attempt> FunctionBackend for Remote<A> {
    fn invoke<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Invoked> {
        Box::pin(async move {
            let _counted = self.calls.token();
            let mut timings = Timings::default();
            let carried_out = self.stopping.run_until_cancelled(self.carry_out(&call, &mut timings)).await;
            let result = carried_out.unwrap_or(Err(Failure::Stopping));
            Invoked::new(result, timings)
        })
    }

    fn circuit(&self) -> Option<CircuitState> {
        Some(self.circuit.state())
    }

    fn timeout(&self) -> Option<Duration> {
        Some(self.timeout)
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.stopping.cancel();
            self.calls.close();
            self.calls.wait().await;
        })
    }
}
