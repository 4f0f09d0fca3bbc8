//! Calls cleanup functions: for a client that has left, for one that was deferred, and for those of lost nodes.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};

use crate::{
    function::Failure,
    registry::{Cleaned, Cleaner, CleanupDue, ConnectionRecord},
    start::apis::{Apis, RunningApi},
};

/// Calls the cleanup function for a client that has left. If it cannot be called now, it is called later.
pub(crate) async fn clean_up(cleanups: &Cleanups, api: &RunningApi, due: CleanupDue) {
    let record = due.record();
    if cleanups.call(api, (due.connection(), record.as_ref()), None).await.is_settled() {
        due.settle();
    }
}

/// The cleanup functions of all APIs.
pub(crate) struct Cleanups {
    pub(crate) apis: Arc<Apis>,
    /// Cancelled when the gateway shuts down.
    pub(crate) stopping: tokio_util::sync::CancellationToken,
}

impl Cleanups {
    async fn call(
        &self,
        api: &RunningApi,
        client: (&str, Option<&ConnectionRecord>),
        reason: Option<&'static str>,
    ) -> Cleaned {
        match api.functions.cleanup(client, reason).await {
            Ok(()) => Cleaned::Done,
            Err(Failure::Stopping | Failure::TimedOut(_) | Failure::NeverReady(_)) => Cleaned::Postponed,
            Err(failure) if failure.is_of_backend() => Cleaned::Postponed,
            // At the end of this process, processes of functions are killed.
            Err(Failure::Crashed(_)) if self.stopping.is_cancelled() => Cleaned::Postponed,
            Err(_) => Cleaned::Failed,
        }
    }
}

impl Cleaner for Cleanups {
    fn clean<'a>(
        &'a self,
        connection: &'a str,
        record: &'a ConnectionRecord,
        reason: Option<&'static str>,
    ) -> BoxFuture<'a, Cleaned> {
        async move {
            // Nodes of earlier versions wrote the path of the client in place of the API's.
            let api = self.apis.at(record.api()).or_else(|| self.apis.find(record.api()));
            match api {
                Some(api) => self.call(&api, (connection, Some(record)), reason).await,
                None => Cleaned::NoApi,
            }
        }
        .boxed()
    }
}
