//! The connections of this process, each from the moment at which it is opened until nothing more is due for it.

use dashmap::{DashMap, Entry};

use super::{
    closing::{ClosedBy, Confirmation},
    delivery::{ConnectionInfo, Delivery, DeliveryError, RegistryError},
    outbox::Outbox,
    record::ConnectionRecord,
};
use crate::{contract::Attributes, observe::metrics::Gauge};

/// So many cleanups may wait: with more, no client is accepted any more.
const MAX_PENDING: usize = 100_000;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    all: DashMap<Box<str>, ConnectionEntry>,
    /// How many have ended and still wait for their cleanup.
    pending: Gauge,
}

#[derive(Debug)]
struct ConnectionEntry {
    outbox: Outbox,
    has_ended: bool,
}

impl Connections {
    /// The gauge shows how many cleanups wait.
    pub(crate) fn new(pending: Gauge) -> Self {
        Self { pending, ..Self::default() }
    }

    pub(crate) fn insert(&self, id: &str, outbox: Outbox) {
        self.all.insert(id.into(), ConnectionEntry { outbox, has_ended: false });
    }

    /// Refuses a further connection while too many cleanups wait: what is due is bounded by that.
    pub(crate) fn check_capacity(&self) -> Result<(), RegistryError> {
        if self.pending() < MAX_PENDING {
            return Ok(());
        }
        Err(RegistryError::new(format!(
            "{MAX_PENDING} cleanups wait for their functions, which are unavailable"
        )))
    }

    /// How many cleanups wait.
    pub(crate) fn pending(&self) -> usize {
        usize::try_from(self.pending.get()).unwrap_or_default()
    }

    /// Puts a delivery into the client's queue. The confirmation is there if another node asks for it.
    pub(crate) fn deliver(
        &self,
        id: &str,
        delivery: Delivery,
        confirmation: Option<&Confirmation>,
    ) -> Result<(), DeliveryError> {
        let outbox = self.all.get(id).map(|held| held.outbox.clone()).ok_or(DeliveryError::NotFound)?;
        match delivery {
            Delivery::Frame(frame) => outbox.send(frame),
            Delivery::Close(close) => outbox.close(close, confirmation.cloned()),
        }
    }

    pub(crate) fn look_up(&self, id: &str) -> Result<ConnectionInfo, DeliveryError> {
        let held = self.all.get(id).ok_or(DeliveryError::NotFound)?;
        (!held.has_ended).then(|| held.outbox.info()).ok_or(DeliveryError::NotFound)
    }

    /// Shows those that have not ended.
    pub(crate) fn visit(&self, visit: &mut dyn FnMut(&str, ConnectionInfo)) {
        for held in self.all.iter().filter(|held| !held.has_ended) {
            visit(held.key(), held.outbox.info());
        }
    }

    pub(super) fn set_attributes(&self, id: &str, attributes: Attributes) {
        if let Some(held) = self.all.get(id) {
            held.outbox.set_attributes(attributes);
        }
    }

    /// From now on nothing more can be delivered. Who has ended the connection.
    pub(super) fn seal(&self, id: &str) -> ClosedBy {
        let Some(mut held) = self.all.get_mut(id) else { return ClosedBy::Client };
        if !std::mem::replace(&mut held.has_ended, true) {
            self.pending.inc();
        }
        held.outbox.seal()
    }

    /// Nothing more is due for a connection. Whether something was.
    pub(crate) fn remove(&self, id: &str) -> bool {
        let Entry::Occupied(entry) = self.all.entry(id.into()) else { return false };
        if entry.remove().has_ended {
            self.pending.dec();
        }
        true
    }

    /// What the cleanup of a connection needs.
    pub(crate) fn record(&self, id: &str) -> Option<ConnectionRecord> {
        self.all.get(id).map(|held| held.outbox.record())
    }

    /// The records of these connections.
    pub(crate) fn records(
        &self,
        is_wanted: impl Fn(&str) -> bool,
    ) -> impl Iterator<Item = (Box<str>, ConnectionRecord)> {
        let wanted = self.all.iter().filter(move |held| is_wanted(held.key()));
        wanted.map(|held| (held.key().clone(), held.outbox.record()))
    }
}
