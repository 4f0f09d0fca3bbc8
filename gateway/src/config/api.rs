//! One `[[api]]` of the file: a path, its three functions, and what holds for its clients.

use std::{path::Path, time::Duration};

use toml::Spanned;

use super::{section::Section, target::Target, values, variable::check_variable_name};
use crate::{
    connection::origin::{self, Origins},
    function::Role,
};

/// A WebSocket API.
#[derive(Clone, PartialEq, Eq)]
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
    /// The web pages that may connect.
    pub origins: Origins,
    /// Whether the functions' answers are integration responses.
    pub integration_response: bool,
    /// After how long without a frame in either direction a connection is closed.
    pub idle_timeout: Duration,
    /// Whether frames may be compressed, where `compression` at the top says so.
    pub compression: bool,
    /// How long a function may take for an event.
    pub function_timeout: Duration,
    /// Variables for `process:` functions.
    pub env: Vec<(String, String)>,
    /// How many processes a `process:` function may have at once.
    pub max_instances: usize,
    /// How long a process may take to initialise.
    pub init_timeout: Duration,
    /// The memory in MB that `process:` functions are told; nothing limits it.
    pub memory_mb: u64,
    /// How many calls of an `http:`, `https:` or `scf:` function may be in flight at once.
    pub concurrent_calls: usize,
    /// How many more events of a function may wait for their turn.
    pub waiting_calls: usize,
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

impl std::fmt::Debug for ApiConfig {
    /// Without the values of variables, which may be passwords.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.env.iter().map(|(name, _)| name).collect();
        formatter
            .debug_struct("ApiConfig")
            .field("path", &self.path)
            .field("register", &self.register)
            .field("transfer", &self.transfer)
            .field("cleanup", &self.cleanup)
            .field("origins", &self.origins)
            .field("integration_response", &self.integration_response)
            .field("idle_timeout", &self.idle_timeout)
            .field("compression", &self.compression)
            .field("function_timeout", &self.function_timeout)
            .field("env", &names)
            .field("max_instances", &self.max_instances)
            .field("init_timeout", &self.init_timeout)
            .field("memory_mb", &self.memory_mb)
            .field("concurrent_calls", &self.concurrent_calls)
            .field("waiting_calls", &self.waiting_calls)
            .finish()
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
    let origins = origins(&mut table);
    let integration_response = table.flag("integration_response", false);
    let idle_timeout = table.seconds("idle_timeout_seconds", 600, 1..=86_400);
    let compression = table.flag("compression", true);
    let function_timeout = table.seconds("function_timeout_seconds", 3, 1..=900);
    let max_instances = table.count("max_instances", 8, 1..=1000);
    let init_timeout = table.seconds("init_timeout_seconds", 10, 1..=900);
    let memory_mb = table.integer("memory_mb", 128, 1..=1_048_576);
    let concurrent_calls = table.count("concurrent_calls", 256, 1..=100_000);
    let waiting_calls = table.count("waiting_calls", 1000, 1..=1_000_000);
    let env = table.section("env", "api.env.").map(|variables| env(variables, &targets)).unwrap_or_default();
    table.finish();
    let [register, transfer, cleanup] = targets.clone().map(|target| target.map(Spanned::into_inner));
    let complete = path.clone().zip(register).zip(transfer).zip(cleanup);
    let api = complete.map(|(((path, register), transfer), cleanup)| ApiConfig {
        path: path.into_inner(),
        register,
        transfer,
        cleanup,
        origins,
        integration_response,
        idle_timeout,
        compression,
        function_timeout,
        env,
        max_instances,
        init_timeout,
        memory_mb,
        concurrent_calls,
        waiting_calls,
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

fn env(variables: Section<'_, '_>, targets: &[Option<Spanned<Target>>; 3]) -> Vec<(String, String)> {
    let remote = |target: &Option<Spanned<Target>>| {
        target.as_ref().is_some_and(|target| !matches!(target.get_ref(), Target::Process(_)))
    };
    if targets.iter().all(remote) {
        variables.problems.add(
            &variables.span,
            "[api.env] is for process: functions, and this API has none; set the variables where its functions run",
        );
    }
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
    env
}
