//! One function's instances: idle ones are reused, and one is started for an event that finds none.
//!
//! There are as many instances as events run at once, which is for the caller to limit.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    instance::{Instance, NotCarriedOut},
    orphan_reaper::OrphanReaper,
    process::{ProcessContext, ProcessLogLimits},
    settings::Processes,
};
use crate::{
    function::{Call, Failure, FunctionBackend, Invoked, Role, Timings},
    observe::report::{Report, Reports},
    push::PushUrl,
};

/// A function whose instances are processes of this machine.
pub(crate) struct LocalBackend {
    processes: Processes,
    push_url: PushUrl,
    /// What the instances' names begin with, `transfer` for instance.
    name: String,
    context: ProcessContext,
    /// The most recently used last: it is taken first, so that the others may stay cold.
    idle: Mutex<Vec<Instance>>,
    started: AtomicU64,
}

impl LocalBackend {
    /// Starts no process before the first event. The instances push to `push_url` and are called `name-1` and so on.
    #[must_use]
    pub fn new(
        role: Role,
        name: impl Into<String>,
        processes: Processes,
        push_url: PushUrl,
        reports: Reports,
        orphan_reaper: Option<Arc<OrphanReaper>>,
    ) -> Self {
        let context = ProcessContext {
            role,
            reports,
            orphan_reaper,
            stopping: CancellationToken::new(),
            running: TaskTracker::new(),
            log_limits: ProcessLogLimits::default(),
        };
        Self {
            processes,
            push_url,
            name: name.into(),
            context,
            idle: Mutex::default(),
            started: AtomicU64::new(0),
        }
    }

    async fn carry_out(&self, call: Call<'_>, timings: &mut Timings) -> Result<Bytes, Failure> {
        while let Some(instance) = self.take_idle() {
            self.place(&call, &instance, timings);
            match self.run(instance, &call, timings).await {
                Err(NotCarriedOut::Untouched) => {}
                Err(NotCarriedOut::Failed(failure)) => return Err(failure),
                Ok(answer) => return Ok(answer),
            }
        }
        let instance = self.start(&call, timings).await?;
        self.place(&call, &instance, timings);
        let name = instance.name().to_owned();
        self.run(instance, &call, timings).await.map_err(|error| match error {
            NotCarriedOut::Failed(failure) => failure,
            NotCarriedOut::Untouched => {
                Failure::NeverReady(format!("{name} ended before it asked for its first event").into())
            }
        })
    }

    async fn start(&self, call: &Call<'_>, timings: &mut Timings) -> Result<Instance, Failure> {
        let number = self.started.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!("{}-{number}", self.name);
        let begun = Instant::now();
        let context = self.context.clone();
        let push_url = self.push_url.now();
        let started =
            Instance::start(name.clone(), &self.processes, push_url, context, call.request_id).await;
        timings.started = Some(begun.elapsed());
        timings.instance = Some(name);
        started
    }

    fn place(&self, call: &Call<'_>, instance: &Instance, timings: &mut Timings) {
        timings.instance = Some(instance.name().to_owned());
        self.context.reports.report(|| Report::InvocationPlaced {
            request_id: call.request_id,
            instance: instance.name(),
            started: timings.started,
        });
    }

    /// Instances that push to an earlier address are dropped, and killed so.
    fn take_idle(&self) -> Option<Instance> {
        let push_url = self.push_url.now();
        let mut idle = self.idle.lock();
        while let Some(instance) = idle.pop() {
            if !instance.has_ended() && instance.pushes_to(&push_url) {
                return Some(instance);
            }
        }
        None
    }

    /// An instance that is dropped here, because it failed or because the caller has given the event up, is killed.
    async fn run(
        &self,
        instance: Instance,
        call: &Call<'_>,
        timings: &mut Timings,
    ) -> Result<Bytes, NotCarriedOut> {
        let (result, ran) = instance.invoke(call.request_id, call.event.clone()).await;
        timings.ran = ran;
        if matches!(result, Ok(_) | Err(NotCarriedOut::Failed(Failure::Error(_)))) {
            self.idle.lock().push(instance);
        }
        result
    }
}

impl FunctionBackend for LocalBackend {
    fn invoke<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Invoked> {
        Box::pin(async move {
            let mut timings = Timings::default();
            let result = self.carry_out(call, &mut timings).await;
            Invoked::new(result, timings)
        })
    }

    /// A cold start included.
    fn timeout(&self) -> Option<Duration> {
        Some(self.processes.init_timeout + self.processes.timeout)
    }

    /// Ends every process, busy or not.
    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.context.stopping.cancel();
            self.context.running.close();
            self.context.running.wait().await;
        })
    }
}

impl fmt::Debug for LocalBackend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LocalBackend").field("name", &self.name).finish_non_exhaustive()
    }
}
