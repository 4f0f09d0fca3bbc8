//! Who holds a connection: the seam between whatever pushes to clients and the connections.
//!
//! A connection is known by its id from [`ConnectionRegistry::add`] until it is removed or closed, whichever comes
//! first; that decides whether the client left or a function closed the connection. [`MemoryRegistry`] holds the
//! connections of this process alone. A registry that spans several nodes keeps the outboxes of its own connections,
//! and passes deliveries for the others on; that is why every method is asynchronous and may fail.

pub mod cluster;
mod delivery;
pub(crate) mod ids;
mod interface;
mod memory;
mod outbox;
mod send_queue;

pub use self::{
    delivery::{ConnectionInfo, Delivery, DeliveryError, RegistryError},
    interface::ConnectionRegistry,
    memory::MemoryRegistry,
    outbox::Outbox,
};
pub(crate) use self::{
    outbox::{Deliveries, outbox},
    send_queue::QueueEnd,
};
