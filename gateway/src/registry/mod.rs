//! Who owns the connections: the seam between whatever pushes to clients, the connections, and what each of them is due.
//!
//! [`ConnectionRegistry::open`] names a connection before the register function is called. From then on deliveries reach
//! it, and its [`Ownership`] sees to it that its cleanup is called once it has ended, however that comes about.
//! [`MemoryRegistry`] holds the connections of this process alone. A registry that spans several nodes passes deliveries
//! for the others on; that is why every method is asynchronous and may fail.

mod cleaner;
mod closing;
pub mod cluster;
mod connections;
mod deferred;
mod delivery;
pub(crate) mod ids;
mod interface;
mod memory;
mod outbox;
mod owner;
mod ownership;
mod record;
mod send_queue;

pub use self::{
    cleaner::{Cleaned, Cleaner},
    delivery::{ConnectionInfo, Delivery, DeliveryError, NewConnection, RegistryError, Traffic},
    interface::{ConnectionRegistry, Deliver, Opening},
    memory::MemoryRegistry,
    ownership::Ownership,
    record::ConnectionRecord,
};
pub(crate) use self::{
    closing::Confirmation,
    connections::Connections,
    deferred::DeferredCleanups,
    outbox::{Deliveries, outbox},
    owner::{CleanupOf, Deferred, Owner},
    ownership::CleanupDue,
    send_queue::QueueEnd,
};
