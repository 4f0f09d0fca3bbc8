//! One `[[api]]` of the file: a path, its three functions, and what holds for its clients.

use std::{path::Path, time::Duration};

use toml::Spanned;

use super::{section::Section, target::Target, values, variable::check_variable_name};
use crate::{
    connection::origin::{self, Origins},
    function::{Role, local::Variables},
    start::api::ApiSettings,
};

/// A WebSocket API.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiConfig {
    /// Where its clients connect.
    pub path: String,
    /// The function that a client's request to connect goes to.
    pub register: Target,
    /// The function that frames go to.
    pub transfer: Target,
    /// The function that learns of the end of a connection.
    pub cleanup: Target,
    /// The settings of its clients and functions.
    pub settings: ApiSettings,
    /// How long a function may take for an event.
    pub function_timeout: Duration,
    /// Variables for `process:` functions.
    pub env: Variables,
    /// How long a process may take to initialise.
    pub init_timeout: Duration,
    /// The memory in MB that `process:` functions are told; nothing limits it.
    pub memory_mb: u64,
}

impl ApiConfig {
    /// Where the function of a role runs.
    #[must_use]
    pub fn target(&self, role: Role) -> &Target {
        match role {
            Role::Register => &self.register,
            Role::Transfer => &self.transfer,
            Role::Cleanup => &self.cleanup,
        }
    }

    /// Where its functions run, in the order of [`Role::ALL`].
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        Role::ALL.into_iter().map(|role| self.target(role))
    }
}

/// What was read of an API. What must fit together is checked also where another part cannot be used.
pub(super) struct Read {
    pub(super) path: Option<Spanned<String>>,
    pub(super) targets: [Option<Spanned<Target>>; 3],
    /// There if nothing is missing.
    pub(super) api: Option<ApiConfig>,
}

const WHAT_A_TARGET_IS: &str =
    "write where the function runs, as process:PATH, http://…, https://… or scf:FUNCTION";

/// Reads a table.
pub(super) fn read(mut table: Section<'_, '_>, folder: &Path) -> Read {
    let path = table.required("path", "write where clients connect, such as /chat", values::api_path);
    let mut target = |key| table.required(key, WHAT_A_TARGET_IS, |text| Target::parse(text, folder));
    let targets = [target("register"), target("transfer"), target("cleanup")];
    let default = ApiSettings::default();
    let settings = ApiSettings {
        origins: origins(&mut table),
        integration_response: table.flag("integration_response", default.integration_response),
        idle_timeout: table.seconds("idle_timeout_seconds", default.idle_timeout.as_secs(), 1..=86_400),
        compression: table.flag("compression", default.compression),
        max_instances: table.positive("max_instances", default.max_instances, 1000),
        concurrent_calls: table.positive("concurrent_calls", default.concurrent_calls, 100_000),
        waiting_calls: table.positive("waiting_calls", default.waiting_calls, 1_000_000),
    };
    let function_timeout = table.seconds("function_timeout_seconds", 3, 1..=900);
    let init_timeout = table.seconds("init_timeout_seconds", 10, 1..=900);
    let memory_mb = table.integer("memory_mb", 128, 1..=1_048_576);
    let variables = table.section("env", "api.env.");
    if targets.iter().all(|target| target.as_ref().is_some_and(runs_elsewhere)) {
        check_for_processes_alone(&table, variables.as_ref());
    }
    let env = variables.map(env).unwrap_or_default();
    table.finish();
    let [register, transfer, cleanup] = targets.clone().map(|target| target.map(Spanned::into_inner));
    let complete = path.clone().zip(register).zip(transfer).zip(cleanup);
    let api = complete.map(|(((path, register), transfer), cleanup)| ApiConfig {
        path: path.into_inner(),
        register,
        transfer,
        cleanup,
        settings,
        function_timeout,
        env,
        init_timeout,
        memory_mb,
    });
    Read { path, targets, api }
}

fn origins(table: &mut Section<'_, '_>) -> Origins {
    let Some(origins) = table.list("origins", origin::parse) else { return Origins::Any };
    if origins.get_ref().is_empty() {
        let sentence = " = []: an empty list refuses every page; leave it out to accept any";
        table.problem(&origins.span(), "origins", sentence);
    }
    Origins::Only(origins.into_inner())
}

fn runs_elsewhere(target: &Spanned<Target>) -> bool {
    !matches!(target.get_ref(), Target::Process(_))
}

/// Reports what has no effect on functions that run elsewhere.
fn check_for_processes_alone(table: &Section<'_, '_>, variables: Option<&Section<'_, '_>>) {
    for key in ["max_instances", "init_timeout_seconds", "memory_mb"] {
        if let Some(span) = table.given(key) {
            table.problem(span, key, " is for process: functions, and this API has none");
        }
    }
    if let Some(variables) = variables {
        variables.problems.add(
            &variables.span,
            "[api.env] is for process: functions, and this API has none; set the variables where its functions run",
        );
    }
}

fn env(variables: Section<'_, '_>) -> Variables {
    let problems = variables.problems;
    let mut env = Vec::new();
    for (name, value) in variables.entries() {
        if let Err(sentence) = check_variable_name(name.get_ref()) {
            problems.add(&name.span(), format!("api.env.{}: {sentence}", name.get_ref()));
        } else if value.contains('\0') {
            problems
                .add(&name.span(), format!("api.env.{}: a value must not hold a zero byte", name.get_ref()));
        } else {
            env.push((name.into_inner(), value));
        }
    }
    env.into_iter().collect()
}
