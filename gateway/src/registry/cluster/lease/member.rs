//! This process under one of its names: a node that owns its connections until it is declared lost.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio_util::sync::CancellationToken;

use super::LeaseState;
use crate::registry::{CleanupOf, Connections, Deferred, Owner, RegistryError, cluster::node::NodeId};

/// See the module.
pub(crate) struct Member {
    node: NodeId,
    lost: CancellationToken,
    /// Once it was declared lost: the epoch in which its records were complete then, if they were.
    complete_in: OnceLock<Option<String>>,
    shared: Arc<LeaseState>,
}

impl Member {
    pub(super) fn new(node: NodeId, shared: Arc<LeaseState>) -> Arc<Self> {
        Arc::new(Self { node, lost: CancellationToken::new(), complete_in: OnceLock::new(), shared })
    }

    pub(crate) fn node(&self) -> NodeId {
        self.node
    }

    pub(in crate::registry::cluster) fn declare_lost(&self, complete_in: Option<String>) {
        let _ = self.complete_in.set(complete_in);
        self.lost.cancel();
    }

    pub(super) fn complete_in(&self) -> Option<&str> {
        self.complete_in.get()?.as_deref()
    }
}

impl Owner for Member {
    fn connections(&self) -> &Connections {
        self.shared.connections()
    }

    fn deferred(&self) -> &Deferred {
        self.shared.deferred()
    }

    fn is_lost(&self) -> bool {
        self.complete_in.get().is_some()
    }

    fn lost(&self) -> Option<BoxFuture<'_, ()>> {
        Some(self.lost.cancelled().boxed())
    }

    fn certain(&self) -> Option<BoxFuture<'_, ()>> {
        self.shared.is_uncertain().then(|| self.shared.certain().boxed())
    }

    fn note_attributes<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Result<(), RegistryError>> {
        async move { self.shared.write(connection).await.map_err(RegistryError::new) }.boxed()
    }

    fn cleanup_of<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, CleanupOf> {
        self.shared.cleanup_of(connection, self).boxed()
    }

    fn settle(&self, connection: &str) {
        self.shared.delete(connection);
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Member").field("node", &self.node).finish_non_exhaustive()
    }
}
