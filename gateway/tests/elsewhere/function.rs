//! A function of the stand-in for the cloud: a custom runtime as a process, behind the project's own stand-in for SCF.

use std::{path::Path, process::Stdio, time::Duration};

use scf_websocket_gateway::function::runtime_api::{Limits, Outcome, RuntimeApi};
use tokio::process::{Child, Command};

use super::soon;

/// One instance of a function. Dropped, it is killed.
pub struct Function {
    api: RuntimeApi,
    _process: Child,
}

impl Function {
    /// Starts the program and waits until it is initialised.
    pub async fn start(program: &Path, variables: &[(&str, &str)]) -> Self {
        let api = RuntimeApi::start(Limits::new(128, Duration::from_secs(3))).await.expect("a port");
        let path = std::env::var("PATH").unwrap_or_default();
        let process = Command::new(program)
            .env_clear()
            .env("PATH", format!("/usr/bin:/bin:{path}"))
            .env("SCF_RUNTIME_API", api.addr().ip().to_string())
            .env("SCF_RUNTIME_API_PORT", api.addr().port().to_string())
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));
        soon("an initialised function", api.ready()).await;
        Self { api, _process: process }
    }

    pub async fn invoke(&self, request_id: &str, event: String) -> Outcome {
        self.api.invoke(request_id, event).await
    }
}
