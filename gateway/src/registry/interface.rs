//! What the gateway asks of a connection registry.

use std::{sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _, ready};

use super::{
    cleaner::Cleaner,
    delivery::{ConnectionInfo, Delivery, DeliveryError, NewConnection, RegistryError},
    outbox::Deliveries,
    ownership::Ownership,
};

/// Reaches connections by their ids: what the push address needs of a registry.
pub trait Deliver: Send + Sync {
    /// Delivers the same to each of the connections, and returns a result for each, in their order. Success means that
    /// the delivery is in the client's queue, behind those before it. Never waits for a client: one that does not read
    /// is closed.
    fn deliver<'a>(
        &'a self,
        ids: &'a [String],
        delivery: Delivery,
    ) -> BoxFuture<'a, Vec<Result<(), DeliveryError>>>;

    /// What is known of a connection.
    fn look_up<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<ConnectionInfo, DeliveryError>>;
}

/// Owns connections.
pub trait ConnectionRegistry: Deliver {
    /// Names a connection and makes it known: from now on what is delivered to its id reaches it, and what it is due
    /// cannot be lost.
    fn open(&self, new: NewConnection) -> BoxFuture<'_, Result<Opening, RegistryError>>;

    /// Begins to call the cleanup functions that could not be called when their clients left, here or at a node that is
    /// lost. Called once, before the first connection.
    fn start_cleaning(&self, cleaner: Arc<dyn Cleaner>);

    /// Begins no further cleanup after this time, and waits for those that run.
    fn stop_cleaning(&self, time: Duration) -> BoxFuture<'_, ()>;

    /// Ends in order, once no connection is open.
    fn leave(&self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }

    /// Whether clients are welcome: of a registry over several nodes, whether the others reach this one.
    fn is_joined(&self) -> bool {
        true
    }

    /// Shows every connection of this process, with its id, in no order.
    fn visit(&self, _visit: &mut dyn FnMut(&str, ConnectionInfo)) {}

    /// The registry as a person sees it who looks at the page, in JSON; `null` if there is nothing to see.
    fn overview(&self) -> BoxFuture<'_, serde_json::Value> {
        ready(serde_json::Value::Null).boxed()
    }
}

/// A connection that is known.
#[derive(Debug)]
#[non_exhaustive]
pub struct Opening {
    /// What is delivered to it.
    pub(crate) deliveries: Deliveries,
    /// What the gateway has to do for it.
    pub ownership: Ownership,
}

impl Opening {
    pub(crate) fn new(deliveries: Deliveries, ownership: Ownership) -> Self {
        Self { deliveries, ownership }
    }
}
