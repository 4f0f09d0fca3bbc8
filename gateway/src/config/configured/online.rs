//! Asks the backends of a configuration whether the functions could be called, and runs none.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::Backends;
use crate::{
    config::{Config, Target},
    function::{
        Role,
        remote::{attempt::Attempt, client::Trust},
    },
    registry::cluster::Redis,
};

/// How long a backend may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What became of the question whether a function could be called.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checked {
    /// The path of its API.
    pub api: String,
    /// Which of the API's functions.
    pub role: Role,
    /// Either is a sentence.
    pub result: Result<String, String>,
}

/// Whether the Redis server of the cluster answers; `None` without a cluster.
pub async fn check_cluster(config: &Config) -> Option<Result<String, String>> {
    let url = config.fixed.cluster.as_ref()?;
    Some(match Redis::connect(url, &Trust::System) {
        Ok(redis) => match redis.ping().await {
            Ok(()) => Ok(format!("{url} answers")),
            Err(error) => Err(format!("{url}: {error}")),
        },
        Err(error) => Err(error.to_string()),
    })
}

/// Asks for all functions at once. The result has them in the order of the file.
pub async fn check(config: &Config, backends: &Backends) -> Vec<Checked> {
    let functions = config.apis.iter().flat_map(|api| Role::ALL.map(|role| (api, role)));
    join_all(functions.map(|(api, role)| async move {
        let result = ask(api.target(role), config, backends).await;
        Checked { api: api.path.clone(), role, result }
    }))
    .await
}

async fn ask(target: &Target, config: &Config, backends: &Backends) -> Result<String, String> {
    match target {
        Target::Process(program) => Ok(format!("{} can be executed", program.display())),
        Target::Http(address) => {
            ask_backend(&backends.http(address).map_err(|error| error.to_string())?).await
        }
        Target::Scf(function) => {
            ask_backend(&backends.scf(function, &config.scf).map_err(|error| error.to_string())?).await
        }
    }
}

async fn ask_backend(function: &impl Attempt) -> Result<String, String> {
    timeout(ANSWER_TIMEOUT, function.check())
        .await
        .unwrap_or_else(|_| Err(format!("{} did not answer within {ANSWER_TIMEOUT:?}", function.name())))
}
