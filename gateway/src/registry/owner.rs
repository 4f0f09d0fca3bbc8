//! What a registry does for the connections that it has opened.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _, ready};
use parking_lot::Mutex;

use super::{connections::Connections, delivery::RegistryError};

/// Who owns connections: this process alone, or as a node of a cluster.
pub(crate) trait Owner: Send + Sync {
    /// Those of this process.
    fn connections(&self) -> &Connections;

    /// Those of them whose cleanup is to be called later.
    fn deferred(&self) -> &Deferred;

    /// Whether another node has taken its connections over.
    fn is_lost(&self) -> bool {
        false
    }

    /// Waits until another node has; `None` if that never happens.
    fn lost(&self) -> Option<BoxFuture<'_, ()>> {
        None
    }

    /// Waits, after this process was suspended for long, until it is known whether the connections are still its own;
    /// `None` if it is known.
    fn certain(&self) -> Option<BoxFuture<'_, ()>> {
        None
    }

    /// Takes note of a connection's attributes where its record is.
    fn note_attributes<'a>(&'a self, _connection: &'a str) -> BoxFuture<'a, Result<(), RegistryError>> {
        ready(Ok(())).boxed()
    }

    /// Whose the cleanup of a connection that has ended is.
    fn cleanup_of<'a>(&'a self, _connection: &'a str) -> BoxFuture<'a, CleanupOf> {
        ready(CleanupOf::ThisNode).boxed()
    }

    /// Nothing more is due for a connection.
    fn settle(&self, connection: &str) {
        self.connections().remove(connection);
    }

    /// What a connection is due is another node's.
    fn hand_over(&self, connection: &str) {
        self.connections().remove(connection);
    }
}

/// Whose a cleanup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CleanupOf {
    ThisNode,
    /// Another node has called it or will.
    AnotherNode,
    /// That is not known yet.
    Undecided,
}

/// Connections that have ended and whose cleanup function could not be called, each with its owner.
#[derive(Default)]
pub(crate) struct Deferred(Mutex<Vec<DeferredCleanup>>);

/// A connection that has ended, and its owner.
type DeferredCleanup = (Box<str>, Arc<dyn Owner>);

impl Deferred {
    pub(super) fn push(&self, connection: &str, owner: Arc<dyn Owner>) {
        self.0.lock().push((connection.into(), owner));
    }

    /// Takes all of them.
    pub(super) fn take(&self) -> Vec<DeferredCleanup> {
        std::mem::take(&mut *self.0.lock())
    }
}
