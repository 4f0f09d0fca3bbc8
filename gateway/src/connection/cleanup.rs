//! The end of a connection: who calls the cleanup function, and when the connection's record is no longer needed.
//!
//! In a cluster, [`App::record`] writes what the cleanup needs before the register function is called. [`App::clean_up`]
//! or [`App::finished`] ends that. Without a cluster a record is not needed: all that a node knows ends with it.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::{
    function::Failure,
    registry::{
        RegistryError,
        cluster::{Cleaned, Cleaner, Cluster, Member, Record},
    },
    start::{apis::RunningApi, app::App},
};

/// A connection as this node holds it, until another one takes it over. Without a cluster none does.
pub(crate) struct Holding(Option<(Arc<Cluster>, Arc<Member>)>);

impl Holding {
    /// Whether other nodes have taken the connection over.
    pub(crate) fn is_lost(&self) -> bool {
        self.0.as_ref().is_some_and(|(_, member)| member.is_lost())
    }

    /// Waits until other nodes have taken it over; `None` if that never happens. In a box, because it is not needed
    /// without a cluster.
    pub(crate) fn lost(&self) -> Option<BoxFuture<'_, ()>> {
        self.0.as_ref().map(|(_, member)| Box::pin(member.lost()) as BoxFuture<'_, ()>)
    }

    /// Waits, after this process was stopped for long, until it is known whether the connection is still its own.
    pub(crate) async fn certain(&self) {
        if let Some(lease) = self.0.as_ref().map(|(cluster, _)| cluster.lease())
            && lease.is_uncertain()
        {
            lease.certain().await;
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

    pub(crate) fn holding(&self, connection: &str) -> Holding {
        let member = |cluster: &Arc<Cluster>| cluster.lease().member_of(connection);
        Holding(self.cluster.as_ref().map(|cluster| (Arc::clone(cluster), member(cluster))))
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
    fn api_path(&self, record: &Record) -> Option<Arc<str>> {
        self.api(&record.path).map(|api| Arc::clone(&api.path))
    }

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
