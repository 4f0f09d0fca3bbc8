//! A running gateway and the file that it was configured from, which is read again on demand.

use std::{path::PathBuf, sync::Arc};

use log::{error, info, warn};

use super::{Backends, BackendsError, clients};
use crate::{
    Running,
    config::{
        Config, Environment, ProblemReport,
        reload::{Change, Plan, plan},
    },
    observe::metrics::labels::{ReloadOutcome, Reloadable},
    start::file_limit,
};

/// A running gateway, its configuration, and where that is from.
#[derive(Debug)]
pub struct Configured {
    running: Running,
    file: PathBuf,
    environment: Environment,
    config: Config,
    backends: Arc<Backends>,
}

/// Why a reload changed nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ReloadError {
    /// The file is wrong.
    #[error("{0}")]
    Config(#[source] ProblemReport),
    /// Its functions cannot be called.
    #[error("{0}")]
    Backends(#[source] BackendsError),
}

impl Configured {
    /// A gateway that was started with this configuration of this file.
    #[must_use]
    pub fn new(
        running: Running,
        file: PathBuf,
        environment: Environment,
        config: Config,
        backends: Arc<Backends>,
    ) -> Self {
        Self { running, file, environment, config, backends }
    }

    /// Reads the file again and logs what that changes. New connections find the new settings, open ones keep theirs.
    /// A file with an error changes nothing.
    pub fn reload(&mut self) {
        let reloaded = self.try_reload();
        let outcome = if reloaded.is_ok() { ReloadOutcome::Applied } else { ReloadOutcome::Rejected };
        self.running.metrics().reload(Reloadable::Config, outcome);
        match reloaded {
            Ok(plan) => {
                let (done, restart) = plan.sentences();
                info!("{done}");
                let too_many = file_limit::shortfall(self.config.limits.connections);
                for sentence in restart.into_iter().chain(too_many) {
                    warn!("{sentence}");
                }
            }
            Err(reason) => {
                error!("the configuration stays as it was, because the new one has an error:");
                for line in reason.to_string().lines() {
                    error!("{line}");
                }
            }
        }
    }

    /// Reads the file again, and applies it unless it is wrong.
    fn try_reload(&mut self) -> Result<Plan, ReloadError> {
        let new = Config::reload(&self.file, &self.environment).map_err(ReloadError::Config)?;
        let plan = plan(&self.config, new);
        let apis = self.backends.apis(&plan.config).map_err(ReloadError::Backends)?;
        let is_new = |path: &str| {
            plan.changes.iter().any(
                |change| matches!(change, Change::ApiAdded(new) | Change::ApiChanged(new) if new == path),
            )
        };
        let Config { push_token, push_token_previous, .. } = &plan.config;
        self.running.set_push_tokens(push_token.as_ref(), push_token_previous.as_ref());
        self.running.set_clients(clients(&plan.config));
        self.running.replace_apis(&apis, is_new);
        self.config = plan.config.clone();
        Ok(plan)
    }

    /// The gateway.
    #[must_use]
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// The gateway, which is configured for the last time.
    #[must_use]
    pub fn into_running(self) -> Running {
        self.running
    }
}
