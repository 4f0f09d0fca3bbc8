//! Makes a running API of a configured one: its functions get their backends, limits and names.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::{
    function::{
        FunctionBackend, Role,
        call_limit::CallLimit,
        invoke::{Function, FunctionLogLimits, Functions},
        local::{LocalBackend, Processes, orphan_reaper::OrphanReaper},
    },
    observe::{
        log_limit::{self, LogLimit},
        metrics::Metrics,
        report::Reports,
    },
    push::PushUrl,
    start::{
        api::{Api, FunctionSource},
        apis::RunningApi,
    },
};

/// What all APIs of a gateway have in common.
pub(crate) struct Assembly {
    pub(crate) push_url: PushUrl,
    pub(crate) reports: Reports,
    pub(crate) orphan_reaper: Option<Arc<OrphanReaper>>,
    pub(crate) metrics: Arc<Metrics>,
    /// Whether each invocation is a line of the log, with its times.
    pub(crate) trace: bool,
    /// How many APIs it has made, those of earlier configurations included.
    pub(crate) made: AtomicUsize,
}

impl Assembly {
    pub(crate) fn run(&self, api: &Api) -> Arc<RunningApi> {
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        // The instances' names tell the APIs apart; with one API there is nothing to tell apart.
        let prefix = if number == 1 { String::new() } else { format!("api{number}-") };
        let path: Arc<str> = api.path.as_str().into();
        let metrics = Arc::new(self.metrics.api(&path));
        let function = |role, source| self.function(api, role, source, &prefix);
        let functions = Functions {
            register: function(Role::Register, &api.register),
            transfer: function(Role::Transfer, &api.transfer),
            cleanup: function(Role::Cleanup, &api.cleanup),
            integration_response: api.settings.integration_response,
            api: Arc::clone(&path),
            reports: self.reports.clone(),
            metrics: Arc::clone(&metrics),
            trace: self.trace,
            refused_clients: LogLimit::new(log_limit::SINGLE),
        };
        Arc::new(RunningApi { path, functions, metrics, settings: api.settings.clone() })
    }

    fn function(&self, api: &Api, role: Role, source: &FunctionSource, prefix: &str) -> Function {
        let (backend, max_running) = match source {
            FunctionSource::Processes(processes) => {
                (self.processes(role, processes, prefix), api.settings.max_instances)
            }
            FunctionSource::Backend(backend) => (Arc::clone(backend), api.settings.concurrent_calls),
        };
        Function {
            backend,
            limit: CallLimit::new(max_running, api.settings.waiting_calls),
            log_limits: FunctionLogLimits::default(),
        }
    }

    fn processes(&self, role: Role, processes: &Processes, prefix: &str) -> Arc<dyn FunctionBackend> {
        let reaper = self.orphan_reaper.clone();
        let (name, reports) = (format!("{prefix}{role}"), self.reports.clone());
        Arc::new(LocalBackend::new(role, name, processes.clone(), self.push_url.clone(), reports, reaper))
    }
}
