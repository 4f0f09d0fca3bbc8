//! One instance of a function: a process and the runtime API that is its own.
//!
//! [`Instance::start`] → [`Instance::invoke`], one event after the other. After any failure but [`Failure::Error`] the
//! process is gone or about to be.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use log::Level;
use tokio::{
    process::Command,
    time::{sleep, timeout},
};

use super::{
    process::{Exit, Process, ProcessContext, spawn},
    settings::Processes,
};
use crate::{
    function::{
        Failure, FailureMessage, Role,
        runtime_api::{Outcome, RuntimeApi, RuntimeLimits},
    },
    observe::report::Report,
};

/// An outcome may still be on its way through the kernel when its sender's exit is noticed.
const OUTCOME_GRACE: Duration = Duration::from_millis(20);

/// A running, initialised instance.
#[derive(Debug)]
pub(super) struct Instance {
    name: String,
    push_url: Arc<String>,
    timeout: Duration,
    api: RuntimeApi,
    process: Process,
}

/// Why an event has no outcome.
enum NoOutcome {
    Exited(Exit),
    Overdue,
}

/// An event that was not carried out.
pub(super) enum NotCarriedOut {
    /// The instance ended before it took the event, which can go to another.
    Untouched,
    /// The invocation failed.
    Failed(Failure),
}

impl Instance {
    /// Starts a process for the invocation with this request id and waits until it is initialised.
    pub(super) async fn start(
        name: String,
        processes: &Processes,
        push_url: Arc<String>,
        context: ProcessContext,
        request_id: &str,
    ) -> Result<Self, Failure> {
        let never =
            |what: &str, error: std::io::Error| Failure::NeverReady(format!("{name} {what}: {error}").into());
        let limits = RuntimeLimits::new(processes.memory_mb, processes.timeout);
        let log_limits = context.log_limits.clone();
        let api = RuntimeApi::start_logging(name.clone(), limits, log_limits.runtime_api)
            .await
            .map_err(|error| never("has no runtime API", error))?;
        let started = Instant::now();
        let reports = context.reports.clone();
        let command = command(processes, &push_url, context.role, &name, &api);
        let process = spawn(command, &name, context, request_id).map_err(|error| {
            never(&format!("could not be started from {}", processes.program.display()), error)
        })?;
        tokio::select! {
            ready = timeout(processes.init_timeout, api.ready()) => if ready.is_err() {
                let reason = format!("not ready within {} ms", processes.init_timeout.as_millis());
                process.kill(&reason).await;
                return Err(Failure::TimedOut(format!("{name} was {reason}: see --init-timeout or init_timeout_seconds").into()));
            },
            exit = process.exited() => {
                return Err(Failure::NeverReady(exit.sentence(&name, "before it was ready", started).into()));
            }
        }
        let ready = started.elapsed().as_millis();
        log_limits.life.log(Level::Info, None, format_args!("{name} is ready after {ready} ms"));
        reports.report(|| Report::InstanceReady { instance: &name });
        Ok(Self { name, push_url, timeout: processes.timeout, api, process })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it was started with this push address.
    pub(super) fn pushes_to(&self, push_url: &str) -> bool {
        *self.push_url == push_url
    }

    pub(super) fn has_ended(&self) -> bool {
        self.process.has_exited()
    }

    /// Carries out one event, and measures from its hand-out until its outcome or the instance's end.
    pub(super) async fn invoke(
        &self,
        request_id: &str,
        event: Bytes,
    ) -> (Result<Bytes, NotCarriedOut>, Option<Duration>) {
        let mut offer = self.api.offer(request_id, event).await;
        // One wait for both: the hand-out wakes nothing, and is looked at when it matters.
        let mut overdue = pin!(sleep(self.timeout));
        let ended = loop {
            tokio::select! {
                biased;
                decided = offer.decided() => return (answer(decided.outcome), Some(decided.took)),
                exit = self.process.exited() => break NoOutcome::Exited(exit),
                () = overdue.as_mut() => match offer.taken_at().map(|taken| taken + self.timeout) {
                    Some(until) if until > Instant::now() => overdue.as_mut().reset(until.into()),
                    _ => break NoOutcome::Overdue,
                },
            }
        };
        let grace = if matches!(ended, NoOutcome::Exited(_)) { OUTCOME_GRACE } else { Duration::ZERO };
        if let Ok(decided) = timeout(grace, offer.decided()).await {
            return (answer(decided.outcome), Some(decided.took));
        }
        // The moment of the hand-out itself: a line printed before it was noticed still belongs to the event.
        let taken = offer.taken_at();
        let ran = taken.map(|taken| taken.elapsed());
        let not_carried_out = match (ended, taken) {
            (NoOutcome::Exited(_), None) => NotCarriedOut::Untouched,
            (NoOutcome::Exited(exit), Some(taken)) => {
                let sentence = exit.sentence(&self.name, "in the middle of the invocation", taken);
                NotCarriedOut::Failed(Failure::Crashed(sentence.into()))
            }
            (NoOutcome::Overdue, None) => {
                NotCarriedOut::Failed(self.too_late("not asked for the event").await)
            }
            (NoOutcome::Overdue, Some(_)) => NotCarriedOut::Failed(self.too_late("not answered").await),
        };
        (Err(not_carried_out), ran)
    }

    async fn too_late(&self, what: &str) -> Failure {
        let reason = format!("{what} within {} ms", self.timeout.as_millis());
        self.process.kill(&reason).await;
        Failure::TimedOut(
            format!("{} had {reason}: see --timeout or function_timeout_seconds", self.name).into(),
        )
    }
}

fn answer(outcome: Outcome) -> Result<Bytes, NotCarriedOut> {
    match outcome {
        Outcome::Response(answer) => Ok(answer),
        Outcome::Error(message) => {
            Err(NotCarriedOut::Failed(Failure::Error(FailureMessage::of_bytes(&message))))
        }
    }
}

fn command(processes: &Processes, push_url: &str, role: Role, name: &str, api: &RuntimeApi) -> Command {
    let mut command = Command::new(&processes.program);
    command.env_clear();
    // SCF runs the file in the folder that it was unpacked into.
    if let Some(folder) = processes.program.parent() {
        command.current_dir(folder);
    }
    for inherited in ["PATH", "HOME", "RUST_LOG"] {
        if let Some(value) = std::env::var_os(inherited) {
            command.env(inherited, value);
        }
    }
    command.envs(scf_variables(role, api));
    command.env("WS_PUSH_URL", format!("{push_url}?instance={name}"));
    command.envs(processes.env.iter());
    // `auto` lets one program find its role by the event; any other value would turn the functions into one.
    let auto = processes.env.iter().rev().find(|(variable, _)| *variable == "WS_ROLE");
    if auto.is_none_or(|(_, value)| value != "auto") {
        command.env("WS_ROLE", role.name());
    }
    command
}

/// The variables that SCF documents. The credentials are of the right shape, not of any use.
fn scf_variables(role: Role, api: &RuntimeApi) -> [(&'static str, String); 13] {
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
