//! What the gateway asks of a connection registry.

use futures_util::future::BoxFuture;

use super::{
    delivery::{ConnectionInfo, Delivery, DeliveryError, RegistryError},
    outbox::Outbox,
};

/// Holds connections by their ids.
pub trait ConnectionRegistry: Send + Sync {
    /// Makes a connection known: from now on deliveries for this id go into the outbox. The caller removes it even if
    /// this fails, because another node may have taken note of it.
    fn add<'a>(&'a self, id: &'a str, outbox: Outbox) -> BoxFuture<'a, Result<(), RegistryError>>;

    /// The client has left. Whether the connection was still known: `false` if a function closed it before.
    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, RegistryError>>;

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
