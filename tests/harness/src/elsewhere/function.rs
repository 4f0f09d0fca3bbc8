//! A function of the stand-in for the cloud: a custom runtime as a process, behind the project's own stand-in for SCF.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use scf_websocket_gateway::function::runtime_api::{Outcome, RuntimeApi, RuntimeLimits};
use tokio::{
    process::{Child, Command},
    sync::Mutex,
    time::timeout,
};

use super::soon;

/// The function's time-out.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// A function of one instance, which is started for the first event, and anew after it has ended.
pub struct Function {
    program: PathBuf,
    variables: Vec<(String, String)>,
    instance: Mutex<Option<Instance>>,
}

/// Why an invocation has no outcome.
#[derive(Debug, Clone, Copy)]
pub enum Ended {
    /// The process ended.
    Exited,
    /// It ran into its time-out.
    TimedOut,
}

/// Dropped, it is killed.
struct Instance {
    api: RuntimeApi,
    process: Child,
}

impl Function {
    pub fn new(program: &Path, variables: &[(&str, &str)]) -> Self {
        let variables =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { program: program.to_owned(), variables, instance: Mutex::default() }
    }

    pub async fn invoke(&self, request_id: &str, event: String) -> Result<Outcome, Ended> {
        let mut slot = self.instance.lock().await;
        let mut instance = match slot.take() {
            Some(instance) => instance,
            None => self.start().await,
        };
        let outcome = tokio::select! {
            outcome = timeout(TIME_LIMIT, instance.api.invoke(request_id, event)) => outcome,
            _ = instance.process.wait() => return Err(Ended::Exited),
        };
        let outcome = outcome.map_err(|_| Ended::TimedOut)?;
        *slot = Some(instance);
        Ok(outcome)
    }

    async fn start(&self) -> Instance {
        let api = RuntimeApi::start(RuntimeLimits::new(128, TIME_LIMIT)).await.expect("a port");
        let path = std::env::var("PATH").unwrap_or_default();
        let process = Command::new(&self.program)
            .env_clear()
            .env("PATH", format!("/usr/bin:/bin:{path}"))
            .env("SCF_RUNTIME_API", api.addr().ip().to_string())
            .env("SCF_RUNTIME_API_PORT", api.addr().port().to_string())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", self.program.display()));
        soon("an initialised function", api.ready()).await;
        Instance { api, process }
    }
}
