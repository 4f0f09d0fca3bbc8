//! The end of a connection: who calls the cleanup function, and when the connection's record is no longer needed.
//!
//! In a cluster, [`App::record`] writes what the cleanup needs before the register function is called. [`App::clean_up`]
//! or [`App::finished`] ends that. Without a cluster a record is not needed: all that a node knows ends with it.

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::{
    apis::RunningApi,
    app::App,
    cluster::{Cleaned, Cleaner, Record},
    function::Failure,
    registry::RegistryError,
};

/// Whether other nodes have taken a connection over.
pub(crate) struct Lost(Option<CancellationToken>);

impl Lost {
    pub(crate) fn is_known(&self) -> bool {
        self.0.as_ref().is_some_and(CancellationToken::is_cancelled)
    }

    /// Waits until it is known.
    pub(crate) async fn known(&self) {
        match &self.0 {
            Some(lost) => lost.cancelled().await,
            None => std::future::pending().await,
        }
    }
}

impl App {
    /// Writes what the cleanup of a connection needs to where it outlives this node.
    pub(crate) async fn record(&self, connection: &str, record: &Record) -> Result<(), RegistryError> {
        match &self.cluster {
            Some(cluster) => cluster.lease().add(connection, record).await.map_err(RegistryError::new),
            None => Ok(()),
        }
    }

    /// Calls the cleanup function for a client that has left.
    pub(crate) async fn clean_up(&self, api: &RunningApi, connection: &str) {
        let cleaned = self.call(api, connection, None).await;
        let Some(cluster) = &self.cluster else { return };
        match cleaned {
            Cleaned::Done | Cleaned::Failed => cluster.lease().finished(connection),
            Cleaned::Postponed | Cleaned::NoApi => cluster.lease().owe(connection),
        }
    }

    /// No cleanup is due: the client was not accepted, or a function has closed its connection.
    pub(crate) fn finished(&self, connection: &str) {
        if let Some(cluster) = &self.cluster {
            cluster.lease().finished(connection);
        }
    }

    /// Whether the cleanup of a connection is this node's to call, and not that of one that has taken it over.
    pub(crate) async fn is_cleanup_due(&self, connection: &str) -> bool {
        match &self.cluster {
            Some(cluster) => cluster.lease().is_due(connection).await,
            None => true,
        }
    }

    /// When other nodes take this connection over. Never without a cluster.
    pub(crate) fn lost(&self, connection: &str) -> Lost {
        Lost(self.cluster.as_ref().map(|cluster| cluster.lease().lost(connection)))
    }

    /// Waits, after this process was stopped for long, until it is known whether its connections are still its own.
    pub(crate) async fn certain(&self) {
        if let Some(lease) = self.cluster.as_ref().map(|cluster| cluster.lease())
            && lease.is_uncertain()
        {
            lease.certain().await;
        }
    }

    async fn call(&self, api: &RunningApi, connection: &str, reason: Option<&'static str>) -> Cleaned {
        match api.functions.cleanup(connection, reason).await {
            Ok(()) => Cleaned::Done,
            Err(Failure::Stopping) => Cleaned::Postponed,
            Err(failure) if failure.is_of_backend() => Cleaned::Postponed,
            // At the end of this process, processes of functions are killed.
            Err(Failure::Crashed(_) | Failure::NeverReady(_)) if self.stopping.is_cancelled() => {
                Cleaned::Postponed
            }
            Err(_) => Cleaned::Failed,
        }
    }
}

impl Cleaner for App {
    fn clean<'a>(
        &'a self,
        connection: &'a str,
        record: &'a Record,
        reason: Option<&'static str>,
    ) -> BoxFuture<'a, Cleaned> {
        Box::pin(async move {
            match self.api(&record.path) {
                Some(api) => self.call(&api, connection, reason).await,
                None => Cleaned::NoApi,
            }
        })
    }
}
