//! How the gateway is, and what is wrong with it, in sentences.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::{
    admin::{READY, Stage},
    function::{CircuitState, Role},
    start::app::App,
};

/// A certificate that is valid for less than this should have been renewed.
const RENEWED_BY: Duration = Duration::from_hours(14 * 24);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Health {
    version: &'static str,
    /// As `/readyz` says.
    clients: &'static str,
    /// As `/readyz/push` says.
    pushes: &'static str,
    /// A sentence for each; none if all is well.
    problems: Vec<String>,
    connections: usize,
    cleanups_pending: i64,
    functions: Vec<FunctionHealth>,
    /// Without TLS there is none.
    certificate_expires_at: Option<u64>,
    /// `null` where this gateway is alone.
    cluster: serde_json::Value,
}

#[derive(Serialize)]
struct FunctionHealth {
    api: String,
    role: &'static str,
    /// `closed`: it is called; `open`: it is down and not called for now; `half open`: a call tries whether it is back.
    circuit: &'static str,
}

pub(super) async fn health(app: &App) -> Health {
    let (clients, expires) = (app.clients.readiness.for_clients(), app.clients.certificate_expires());
    let functions = functions(app);
    let mut problems = Vec::new();
    if clients != READY {
        problems.push(format!("clients are refused with 503: the gateway is {clients}"));
    }
    for FunctionHealth { api, role, .. } in functions.iter().filter(|function| function.circuit != "closed") {
        problems.push(format!("the {role} function of {api} is down"));
    }
    if let Some(left) = expires.map(|at| at.duration_since(SystemTime::now()).unwrap_or_default())
        && left < RENEWED_BY
    {
        problems.push(format!("the certificate is valid for {} days only", left.as_secs() / 86_400));
    }
    let ms =
        |at: SystemTime| u64::try_from(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).ok();
    Health {
        version: env!("CARGO_PKG_VERSION"),
        clients,
        pushes: if app.clients.readiness.stage() == Stage::Starting { "starting" } else { READY },
        problems,
        connections: app.clients.open(),
        cleanups_pending: app.clients.metrics.cleanups_pending.get(),
        functions,
        certificate_expires_at: expires.and_then(ms),
        cluster: app.registry.overview().await,
    }
}

fn functions(app: &App) -> Vec<FunctionHealth> {
    let mut all = Vec::new();
    for api in app.apis.current() {
        let functions = [&api.functions.register, &api.functions.transfer, &api.functions.cleanup];
        for (role, function) in Role::ALL.into_iter().zip(functions) {
            let circuit = match function.backend.circuit() {
                None | Some(CircuitState::Closed) => "closed",
                Some(CircuitState::HalfOpen) => "half open",
                Some(CircuitState::Open) => "open",
            };
            all.push(FunctionHealth { api: api.path.to_string(), role: role.name(), circuit });
        }
    }
    all
}
