//! The connections of this process alone.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _, ready};
use log::warn;
use parking_lot::Mutex;

use super::{
    cleaner::Cleaner,
    connections::Connections,
    deferred::DeferredCleanups,
    delivery::{ConnectionInfo, Delivery, DeliveryError, NewConnection, RegistryError},
    ids,
    interface::{ConnectionRegistry, Deliver, Opening},
    outbox::outbox,
    owner::{Deferred, Owner},
    ownership::Ownership,
};
use crate::observe::metrics::Gauge;

/// All connections in this process.
pub struct MemoryRegistry {
    own: Arc<Alone>,
    cleaning: Mutex<Option<DeferredCleanups>>,
}

/// This process owns its connections until they end.
struct Alone(Connections, Deferred);

impl Owner for Alone {
    fn connections(&self) -> &Connections {
        &self.0
    }

    fn deferred(&self) -> &Deferred {
        &self.1
    }
}

impl MemoryRegistry {
    /// The gauge shows how many cleanups wait.
    pub(crate) fn new(pending: Gauge) -> Self {
        Self {
            own: Arc::new(Alone(Connections::new(pending), Deferred::default())),
            cleaning: Mutex::default(),
        }
    }
}

impl fmt::Debug for MemoryRegistry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MemoryRegistry").field("connections", &self.own.0).finish_non_exhaustive()
    }
}

impl Default for MemoryRegistry {
    fn default() -> Self {
        Self::new(Gauge::default())
    }
}

impl Deliver for MemoryRegistry {
    fn deliver<'a>(
        &'a self,
        ids: &'a [String],
        delivery: Delivery,
    ) -> BoxFuture<'a, Vec<Result<(), DeliveryError>>> {
        ready(ids.iter().map(|id| self.own.0.deliver(id, delivery.clone(), None)).collect()).boxed()
    }

    fn look_up<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<ConnectionInfo, DeliveryError>> {
        ready(self.own.0.look_up(id)).boxed()
    }
}

impl ConnectionRegistry for MemoryRegistry {
    fn open(&self, new: NewConnection) -> BoxFuture<'_, Result<Opening, RegistryError>> {
        let open = || {
            self.own.0.check_capacity()?;
            let id = ids::connection_id().map_err(RegistryError::new)?;
            let (outbox, deliveries) = outbox(new);
            self.own.0.insert(&id, outbox);
            Ok(Opening::new(deliveries, Ownership::new(&id, Arc::clone(&self.own) as Arc<dyn Owner>)))
        };
        ready(open()).boxed()
    }

    fn visit(&self, visit: &mut dyn FnMut(&str, ConnectionInfo)) {
        self.own.0.visit(visit);
    }

    fn start_cleaning(&self, cleaner: Arc<dyn Cleaner>) {
        let owner = Arc::clone(&self.own) as Arc<dyn Owner>;
        *self.cleaning.lock() = Some(DeferredCleanups::start(owner, cleaner));
    }

    fn stop_cleaning(&self, time: Duration) -> BoxFuture<'_, ()> {
        let cleaning = self.cleaning.lock().take();
        async move {
            if let Some(cleaning) = cleaning {
                cleaning.stop(time).await;
            }
            match self.own.0.pending() {
                0 => {}
                1 => warn!("the cleanup of one connection was not called, because its function was unavailable"),
                left => warn!(
                    "the cleanups of {left} connections were not called, because their functions were unavailable"
                ),
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::{
        contract::{Close, Frame},
        observe::metrics::labels::Direction,
        registry::{ownership::CleanupDue, send_queue::QueueEnd},
    };

    const LIMIT_BYTES: usize = 1000;

    fn new_connection() -> NewConnection {
        NewConnection::on("/chat/room", LIMIT_BYTES)
    }

    async fn opened(registry: &MemoryRegistry) -> Opening {
        registry.open(new_connection()).await.expect("memory never fails")
    }

    fn ids<const N: usize>(openings: [&Opening; N]) -> Vec<String> {
        openings.map(|opening| opening.ownership.id().to_owned()).into()
    }

    fn close() -> Delivery {
        Delivery::Close(Close::default())
    }

    #[tokio::test]
    async fn a_connection_ends_once_by_its_client_or_by_a_function() {
        let registry = MemoryRegistry::default();
        let [a, b] = [opened(&registry).await, opened(&registry).await];
        assert_eq!(registry.deliver(&ids([&a]), close()).await, [Ok(())]);
        assert_eq!(registry.deliver(&ids([&a]), close()).await, [Err(DeliveryError::NotFound)]);
        assert!(a.ownership.end().await.is_none(), "a function closed it before");
        let due = b.ownership.end().await.expect("its client has left");
        assert_eq!(registry.deliver(&ids([&b]), close()).await, [Err(DeliveryError::NotFound)]);
        assert_eq!(due.record().expect("kept until it is settled").api(), "/chat");
        assert_eq!(a.deliveries.next().await, Err(QueueEnd::ClosedByFunction));
        assert_eq!(registry.own.0.pending(), 1);
        due.settle();
        assert_eq!(registry.own.0.pending(), 0);
        assert!(registry.own.0.record(b.ownership.id()).is_none(), "nothing is left of it");
    }

    #[tokio::test]
    async fn a_function_may_want_the_cleanup_of_a_connection_that_it_closes() {
        let registry = MemoryRegistry::default();
        let a = opened(&registry).await;
        let kick = Close { code: 4001, reason: "kicked".into(), cleanup: true };
        assert_eq!(registry.deliver(&ids([&a]), Delivery::Close(kick.clone())).await, [Ok(())]);
        assert_eq!(a.deliveries.closed_by_function(), Some(kick));
        a.ownership.end().await.expect("it is due").settle();
    }

    #[tokio::test]
    async fn what_is_due_cannot_be_dropped_unsettled() {
        let registry = MemoryRegistry::default();
        let [a, b, c] = [opened(&registry).await, opened(&registry).await, opened(&registry).await];
        let expected = ids([&a, &b]);
        drop(a);
        drop(b.ownership.end().await.expect("due"));
        c.ownership.settle();
        let deferred: Vec<_> = registry.own.1.take().into_iter().map(|(id, _)| id.into_string()).collect();
        assert_eq!(deferred, expected);
        assert_eq!(registry.own.0.pending(), 2);
    }

    #[tokio::test]
    async fn with_too_many_cleanups_that_wait_no_client_is_accepted() {
        let registry = MemoryRegistry::default();
        for _ in 0..100_000 {
            drop(opened(&registry).await);
        }
        assert!(registry.open(new_connection()).await.is_err());
        let (connection, owner) = registry.own.1.take().pop().expect("deferred");
        CleanupDue::deferred(connection, owner).settle();
        opened(&registry).await;
    }

    #[tokio::test]
    async fn a_delivery_to_many_shares_the_payload_and_has_a_result_for_each() {
        let registry = MemoryRegistry::default();
        let [a, b] = [opened(&registry).await, opened(&registry).await];
        let mut to = ids([&a, &b]);
        to.insert(1, "none".to_owned());
        let frame = Frame::binary(vec![1; 100]);
        let delivered = registry.deliver(&to, Delivery::Frame(frame.clone())).await;
        assert_eq!(delivered, [Ok(()), Err(DeliveryError::NotFound), Ok(())]);
        for opening in [&a, &b] {
            let received = opening.deliveries.next().await.expect("a frame");
            assert_eq!(received.payload().as_ptr(), frame.payload().as_ptr(), "the payload was copied");
        }
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_not_waited_for() {
        let registry = MemoryRegistry::default();
        let a = opened(&registry).await;
        let half = || Delivery::Frame(Frame::text("x".repeat(LIMIT_BYTES / 2)));
        assert_eq!(registry.deliver(&ids([&a]), half()).await, [Ok(())]);
        assert_eq!(registry.deliver(&ids([&a]), half()).await, [Err(DeliveryError::TooSlow)]);
        a.deliveries.full().await;
        assert!(a.ownership.end().await.is_some(), "no function has closed it: cleanup follows");
    }

    #[tokio::test]
    async fn a_look_up_tells_what_waits_and_who_is_there() {
        let registry = MemoryRegistry::default();
        assert_eq!(registry.look_up("a").await, Err(DeliveryError::NotFound));
        let a = opened(&registry).await;
        let id = a.ownership.id();
        let before = registry.look_up(id).await.expect("known");
        assert_eq!((&*before.path, before.source_ip), ("/chat/room", Ipv4Addr::LOCALHOST.into()));
        assert_eq!((before.waiting_bytes, before.last_active_at_ms), (0, before.connected_at_ms));
        registry.deliver(&ids([&a]), Delivery::Frame(Frame::text("x".repeat(100)))).await;
        assert!(registry.look_up(id).await.expect("known").waiting_bytes >= 100);
        a.deliveries.next().await.expect("a frame");
        a.deliveries.note_frame(Direction::Out, 100);

        a.ownership.accept([("user".to_owned(), "ann".to_owned())].into()).await.expect("memory");
        let after = registry.look_up(id).await.expect("known");
        assert_eq!(after.waiting_bytes, 0);
        let traffic = after.traffic.expect("its own").to_string();
        assert_eq!(traffic, "0 frames (0 bytes) in, 1 frames (100 bytes) out");
        assert_eq!(after.attributes.expect("said")["user"], "ann");
        assert!(after.last_active_at_ms >= before.last_active_at_ms);
    }
}
