//! Who owns a connection, and what it is still due.
//!
//! [`ConnectionRegistry::open`](super::ConnectionRegistry::open) → [`Ownership`], which belongs to the connection's task →
//! [`Ownership::end`] → a [`CleanupDue`], which is settled once the cleanup function was called. Neither can be dropped
//! in silence: what was not settled is deferred, and the registry has it called later.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::future::BoxFuture;

use super::{
    closing::{ClosedBy, Confirmation},
    delivery::RegistryError,
    owner::{CleanupOf, Owner},
    record::ConnectionRecord,
};
use crate::contract::Attributes;

/// A connection as its task owns it.
pub struct Ownership {
    id: Box<str>,
    owner: Arc<dyn Owner>,
    has_ended: AtomicBool,
}

impl Ownership {
    pub(crate) fn new(id: &str, owner: Arc<dyn Owner>) -> Self {
        Self { id: id.into(), owner, has_ended: AtomicBool::new(false) }
    }

    /// The connection's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The register function does not know of it: nothing is due.
    pub fn settle(self) {
        self.has_ended.store(true, Ordering::Relaxed);
        self.owner.settle(&self.id);
    }

    /// Whether other nodes have taken the connection over.
    pub(crate) fn is_lost(&self) -> bool {
        self.owner.is_lost()
    }

    /// Waits until other nodes have taken it over; `None` if that never happens.
    pub(crate) fn lost(&self) -> Option<BoxFuture<'_, ()>> {
        self.owner.lost()
    }

    /// Waits, after this process was suspended for long, until it is known whether the connection is still its own.
    pub(crate) async fn certain(&self) {
        if let Some(certain) = self.owner.certain() {
            certain.await;
        }
    }

    /// The register function has accepted the client, and has said this of it.
    pub(crate) async fn accept(&self, attributes: Attributes) -> Result<(), RegistryError> {
        if attributes.is_empty() {
            return Ok(());
        }
        self.owner.connections().set_attributes(&self.id, attributes);
        self.owner.note_attributes(&self.id).await
    }

    /// From now on nothing more can be delivered to it. What was delivered before can still be sent.
    pub(crate) fn seal(&self) {
        self.owner.connections().seal(&self.id);
    }

    /// The connection has ended. What it is due, unless a function has closed it without wanting to be called, or it is
    /// another node's.
    pub(crate) async fn end(&self) -> Option<CleanupDue> {
        let closed_by = self.owner.connections().seal(&self.id);
        let is_due = match closed_by {
            ClosedBy::Client | ClosedBy::Function { wants_cleanup: true, .. } => true,
            ClosedBy::Function { confirmation: None, .. } => false,
            // In doubt it is called.
            ClosedBy::Function { confirmation: Some(confirmation), .. } => {
                !self.is_confirmed(confirmation).await
            }
        };
        self.has_ended.store(true, Ordering::Relaxed);
        let due = CleanupDue { connection: self.id.clone(), owner: Arc::clone(&self.owner), is_kept: true };
        if !is_due {
            due.settle();
            return None;
        }
        due.decide().await
    }
}

impl Ownership {
    /// Whether a close is confirmed in time. A node that was declared lost receives no more confirmations; the cleanup, if it
    /// is this node's, is called at once, since nothing in Redis may record it any more.
    async fn is_confirmed(&self, confirmation: Confirmation) -> bool {
        let Some(lost) = self.owner.lost() else { return confirmation.wait().await };
        tokio::select! {
            is_confirmed = confirmation.wait() => is_confirmed,
            () = lost => false,
        }
    }
}

impl Drop for Ownership {
    fn drop(&mut self) {
        if !self.has_ended.load(Ordering::Relaxed) {
            self.owner.connections().seal(&self.id);
            self.owner.deferred().push(&self.id, Arc::clone(&self.owner));
        }
    }
}

impl fmt::Debug for Ownership {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Ownership").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A connection has ended, and its cleanup function is to be called. Dropped, it is deferred.
#[must_use = "a cleanup that is not settled is called later"]
pub(crate) struct CleanupDue {
    connection: Box<str>,
    owner: Arc<dyn Owner>,
    /// Until it is settled.
    is_kept: bool,
}

impl CleanupDue {
    /// One that was deferred, of the same owner.
    pub(super) fn deferred(connection: Box<str>, owner: Arc<dyn Owner>) -> Self {
        Self { connection, owner, is_kept: true }
    }

    /// This, if it is this node's; it is settled if it is another's, and deferred as long as that is not known.
    pub(super) async fn decide(mut self) -> Option<Self> {
        match self.owner.cleanup_of(&self.connection).await {
            CleanupOf::ThisNode => Some(self),
            CleanupOf::AnotherNode => {
                self.is_kept = false;
                self.owner.hand_over(&self.connection);
                None
            }
            CleanupOf::Undecided => None,
        }
    }

    pub(crate) fn connection(&self) -> &str {
        &self.connection
    }

    /// What the cleanup needs.
    pub(crate) fn record(&self) -> Option<ConnectionRecord> {
        self.owner.connections().record(&self.connection)
    }

    /// It was called, or will never be.
    pub(crate) fn settle(mut self) {
        self.is_kept = false;
        self.owner.settle(&self.connection);
    }
}

impl Drop for CleanupDue {
    fn drop(&mut self) {
        if self.is_kept {
            self.owner.deferred().push(&self.connection, Arc::clone(&self.owner));
        }
    }
}
