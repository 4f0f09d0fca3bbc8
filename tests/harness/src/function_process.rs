//! A function's process with its own runtime API, as in SCF.

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use scf_websocket_gateway::function::runtime_api::{Outcome, RuntimeApi, RuntimeLimits};
use tokio::{runtime::Runtime, time::timeout};

use crate::{
    CONNECTING, Process, SOON,
    programs::{bootstrap_program, example},
    response,
};

/// A function that is ready for events.
pub struct Function {
    pub process: Process,
    api: RuntimeApi,
    tokio: Runtime,
    invocations: AtomicUsize,
}

impl Function {
    pub fn start(env: &[(&str, &str)]) -> Self {
        Self::with_limits(RuntimeLimits::default(), env)
    }

    pub fn with_limits(limits: RuntimeLimits, env: &[(&str, &str)]) -> Self {
        Self::of(&bootstrap_program(), limits, env)
    }

    /// Starts a program of `examples/` or `tests/programs/`.
    pub fn of_example(name: &str, env: &[(&str, &str)]) -> Self {
        Self::of(&example(name), RuntimeLimits::default(), env)
    }

    /// Starts any custom runtime.
    pub fn of_program(program: &Path, env: &[(&str, &str)]) -> Self {
        Self::of(program, RuntimeLimits::default(), env)
    }

    fn of(program: &Path, limits: RuntimeLimits, env: &[(&str, &str)]) -> Self {
        let tokio = Runtime::new().expect("a tokio runtime");
        let api = tokio.block_on(RuntimeApi::start(limits)).expect("a runtime API");
        let process = Process::of_for_api(program, api.addr().port(), env);
        let ready = tokio.block_on(async { timeout(SOON, api.ready()).await });
        assert!(ready.is_ok(), "not ready:\n{}", process.output());
        Self { process, api, tokio, invocations: AtomicUsize::new(0) }
    }

    /// Offers the event with a new request id and waits for the outcome.
    pub fn invoke(&self, event: impl Into<Vec<u8>>) -> Outcome {
        let id = format!("request-{}", self.invocations.fetch_add(1, Ordering::Relaxed) + 1);
        let outcome = self.tokio.block_on(async { timeout(SOON, self.api.invoke(&id, event.into())).await });
        outcome.unwrap_or_else(|_| panic!("no outcome:\n{}", self.process.output()))
    }

    /// Has it register a connection that its store cannot record, and returns the reason, which only the log has.
    pub fn not_recorded(&self, connection: &str) -> String {
        let event = CONNECTING.replace("xawexasdfewezdfsdfeasdfffa==", connection);
        let refusal = r#"{"errNo":104,"errMsg":"the client cannot be recorded now: try again later"}"#;
        assert_eq!(response(&self.invoke(event)), refusal);
        let line = format!("WARN connection {connection:?} was not recorded and is refused: ");
        let output = self.process.await_output(&line);
        let reason = output.rsplit_once(&line).and_then(|(_, reason)| reason.lines().next());
        reason.expect("the line that was waited for").to_owned()
    }
}
