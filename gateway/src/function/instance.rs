//! One instance of a function: a process and the runtime API that is its own.
//!
//! [`Instance::start`] → [`Instance::invoke`], one event after the other, as long as it returns no failure but
//! [`Failure::Error`]; after any other the process is gone or about to be.

use std::{
    ffi::OsString,
    future::Future,
    path::PathBuf,
    time::{Duration, Instant},
};

use bytes::Bytes;
use log::info;
use tokio::{
    process::Command,
    time::{sleep, timeout},
};

use super::{
    Failure, Role,
    process::{End, Process, Surroundings, spawn},
    runtime_api::{Limits, Outcome, RuntimeApi},
};
use crate::timeline::Ticket;

/// An outcome may still be on its way through the kernel when its sender's end is noticed.
const LAST_WORDS: Duration = Duration::from_millis(20);

/// How a role's instances are started and limited.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) bootstrap: PathBuf,
    /// The caller's variables, later ones before earlier ones.
    pub(crate) env: Vec<(String, OsString)>,
    /// The reverse push address.
    pub(crate) push_url: String,
    pub(crate) init_timeout: Duration,
    pub(crate) timeout: Duration,
    pub(crate) memory_mb: u64,
}

/// A running, initialised instance.
#[derive(Debug)]
pub(crate) struct Instance {
    name: String,
    timeout: Duration,
    api: RuntimeApi,
    process: Process,
}

/// An event that was not carried out.
pub(crate) enum Lost {
    /// The instance was gone before anybody had seen the event: it can go to another.
    Untouched,
    /// The invocation failed.
    Failed(Failure),
}

impl Instance {
    /// Starts the process and waits until it is initialised.
    pub(crate) async fn start(
        name: String,
        settings: &Settings,
        surroundings: Surroundings,
        ticket: &Ticket,
    ) -> Result<Self, Failure> {
        let never =
            |what: &str, error: std::io::Error| Failure::NeverReady(format!("{name} {what}: {error}"));
        let limits = Limits::new(settings.memory_mb, settings.timeout);
        let api = RuntimeApi::start_named(name.clone(), limits)
            .await
            .map_err(|error| never("has no runtime API", error))?;
        let started = Instant::now();
        let role = surroundings.role;
        let timeline = surroundings.timeline.clone();
        let process =
            spawn(command(settings, role, &name, &api), &name, surroundings, ticket).map_err(|error| {
                never(&format!("could not be started from {}", settings.bootstrap.display()), error)
            })?;
        tokio::select! {
            ready = timeout(settings.init_timeout, api.ready()) => if ready.is_err() {
                let reason = format!("not ready within {} ms", settings.init_timeout.as_millis());
                process.kill(&reason).await;
                return Err(Failure::TimedOut(format!("{name} was {reason}: see --init-timeout")));
            },
            end = process.ended() => {
                return Err(Failure::NeverReady(end.sentence(&name, "before it was ready", started)));
            }
        }
        info!("{name} is ready after {} ms", started.elapsed().as_millis());
        timeline.instance_ready(&name);
        Ok(Self { name, timeout: settings.timeout, api, process })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.process.has_ended()
    }

    /// Has one event carried out.
    pub(crate) async fn invoke(
        &self,
        request_id: &str,
        event: Bytes,
        ticket: &Ticket,
    ) -> Result<Bytes, Lost> {
        let mut offer = self.api.offer(request_id, event).await;
        match self.unless_ended(timeout(self.timeout, offer.taken())).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(Lost::Failed(self.too_late("not asked for the event").await)),
            Err(_) => return Err(Lost::Untouched),
        }
        let taken = Instant::now();
        match self.unless_ended(timeout(self.timeout, offer.decided())).await {
            Ok(Ok(decided)) => {
                ticket.ran(decided.took);
                answer(decided.outcome)
            }
            Ok(Err(_)) => {
                ticket.ran(taken.elapsed());
                Err(Lost::Failed(self.too_late("not answered").await))
            }
            Err(end) => {
                ticket.ran(taken.elapsed());
                let sentence = end.sentence(&self.name, "in the middle of the invocation", taken);
                Err(Lost::Failed(Failure::Crashed(sentence)))
            }
        }
    }

    /// What the future comes to, or how the process ended before that.
    async fn unless_ended<T>(&self, future: impl Future<Output = T>) -> Result<T, End> {
        tokio::pin!(future);
        tokio::select! {
            biased;
            value = &mut future => Ok(value),
            end = self.process.ended() => {
                tokio::select! {
                    value = &mut future => Ok(value),
                    () = sleep(LAST_WORDS) => Err(end),
                }
            }
        }
    }

    async fn too_late(&self, what: &str) -> Failure {
        let reason = format!("{what} within {} ms", self.timeout.as_millis());
        self.process.kill(&reason).await;
        Failure::TimedOut(format!("{} had {reason}: see --timeout", self.name))
    }
}

fn answer(outcome: Outcome) -> Result<Bytes, Lost> {
    match outcome {
        Outcome::Response(answer) => Ok(answer),
        Outcome::Error(message) => {
            Err(Lost::Failed(Failure::Error(String::from_utf8_lossy(&message).into_owned())))
        }
    }
}

fn command(settings: &Settings, role: Role, name: &str, api: &RuntimeApi) -> Command {
    let mut command = Command::new(&settings.bootstrap);
    command.env_clear();
    // SCF runs the file in the folder that it was unpacked into.
    if let Some(folder) = settings.bootstrap.parent() {
        command.current_dir(folder);
    }
    for inherited in ["PATH", "HOME", "RUST_LOG"] {
        if let Some(value) = std::env::var_os(inherited) {
            command.env(inherited, value);
        }
    }
    command.envs(documented(role, api));
    command.env("WS_PUSH_URL", format!("{}?instance={name}", settings.push_url));
    command.envs(settings.env.iter().map(|(variable, value)| (variable, value)));
    let auto = settings.env.iter().rev().find(|(variable, _)| variable == "WS_ROLE");
    if auto.is_none_or(|(_, value)| value != "auto") {
        command.env("WS_ROLE", role.name());
    }
    command
}

/// The variables that SCF documents. The credentials are of the right shape, not of any use.
fn documented(role: Role, api: &RuntimeApi) -> [(&'static str, String); 13] {
    let addr = api.addr();
    [
        ("SCF_RUNTIME_API", addr.ip().to_string()),
        ("SCF_RUNTIME_API_PORT", addr.port().to_string()),
        ("_HANDLER", "index.main_handler".to_owned()),
        ("SCF_NAMESPACE", "default".to_owned()),
        ("SCF_FUNCTIONNAME", role.name().to_owned()),
        ("SCF_FUNCTIONVERSION", "$LATEST".to_owned()),
        ("TENCENTCLOUD_REGION", "ap-guangzhou".to_owned()),
        ("TENCENTCLOUD_APPID", "1250000000".to_owned()),
        ("TENCENTCLOUD_UIN", "100000000001".to_owned()),
        ("TENCENTCLOUD_RUNENV", "SCF".to_owned()),
        ("TENCENTCLOUD_SECRETID", "AKIDlocalLocalLocalLocalLocalLocal00".to_owned()),
        ("TENCENTCLOUD_SECRETKEY", "localLocalLocalLocalLocalLocal00".to_owned()),
        ("TENCENTCLOUD_SESSIONTOKEN", "local-session-token-of-no-use".to_owned()),
    ]
}
