//! The connections of this process alone.

use std::{sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _, ready};
use log::warn;
use parking_lot::Mutex;

use super::{
    cleaner::Cleaner,
    connections::Connections,
    deferred::DeferredCleanups,
    delivery::{ConnectionInfo, Delivery, DeliveryError, RegistryError},
    ids,
    interface::{ConnectionRegistry, NewConnection, Opening},
    outbox::outbox,
    ownership::{Owner, Ownership},
};
use crate::observe::metrics::Gauge;

/// All connections in this process.
#[derive(Debug)]
pub struct MemoryRegistry {
    own: Arc<Alone>,
    cleaning: Mutex<Option<DeferredCleanups>>,
}

/// This process owns its connections until they end.
#[derive(Debug)]
struct Alone(Connections);

impl Owner for Alone {
    fn connections(&self) -> &Connections {
        &self.0
    }
}

impl MemoryRegistry {
    /// The gauge shows how many cleanups wait.
    pub(crate) fn new(pending: Gauge) -> Self {
        Self { own: Arc::new(Alone(Connections::new(pending))), cleaning: Mutex::default() }
    }
}

impl Default for MemoryRegistry {
    fn default() -> Self {
        Self::new(Gauge::default())
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
    use std::{net::Ipv4Addr, sync::Arc};

    use super::*;
    use crate::{
        contract::Frame,
        observe::metrics::Gauge,
        registry::{
            outbox::{Deliveries, outbox},
            send_queue::QueueEnd,
        },
    };

    const LIMIT_BYTES: usize = 1000;

    async fn added(registry: &MemoryRegistry, id: &str) -> Deliveries {
        let (outbox, deliveries) =
            outbox("/chat".into(), Ipv4Addr::LOCALHOST.into(), LIMIT_BYTES, &Gauge::default());
        registry.add(id, outbox).await.expect("memory never fails");
        deliveries
    }

    fn ids<const N: usize>(ids: [&str; N]) -> Vec<String> {
        ids.map(str::to_owned).into()
    }

    #[tokio::test]
    async fn a_connection_ends_once_by_its_client_or_by_a_function() {
        let registry = MemoryRegistry::default();
        let a = added(&registry, "a").await;
        let _b = added(&registry, "b").await;
        assert_eq!(registry.deliver(&ids(["a"]), Delivery::Close).await, [Ok(())]);
        assert!(!registry.remove("a").await.expect("memory"), "a function closed it before");
        assert_eq!(registry.deliver(&ids(["a"]), Delivery::Close).await, [Err(DeliveryError::NotFound)]);
        assert!(registry.remove("b").await.expect("memory"));
        assert_eq!(registry.deliver(&ids(["b"]), Delivery::Close).await, [Err(DeliveryError::NotFound)]);
        assert_eq!(a.next().await, Err(QueueEnd::ClosedByFunction));
        assert!(a.next_waiting().is_none());
    }

    #[tokio::test]
    async fn a_delivery_to_many_shares_the_payload_and_has_a_result_for_each() {
        let registry = MemoryRegistry::default();
        let (a, b) = (added(&registry, "a").await, added(&registry, "b").await);
        let frame = Frame::binary(vec![1; 100]);
        let delivered = registry.deliver(&ids(["a", "none", "b"]), Delivery::Frame(frame.clone())).await;
        assert_eq!(delivered, [Ok(()), Err(DeliveryError::NotFound), Ok(())]);
        for deliveries in [a, b] {
            let received = deliveries.next().await.expect("a frame");
            assert_eq!(received.payload().as_ptr(), frame.payload().as_ptr(), "the payload was copied");
        }
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_not_waited_for() {
        let registry = MemoryRegistry::default();
        let deliveries = added(&registry, "a").await;
        let half = || Delivery::Frame(Frame::text("x".repeat(LIMIT_BYTES / 2)));
        assert_eq!(registry.deliver(&ids(["a"]), half()).await, [Ok(())]);
        assert_eq!(registry.deliver(&ids(["a"]), half()).await, [Err(DeliveryError::TooSlow)]);
        deliveries.full().await;
        assert!(registry.remove("a").await.expect("memory"), "no function has closed it: cleanup follows");
    }

    #[tokio::test]
    async fn an_ended_connection_is_unknown_even_before_it_is_removed() {
        let registry = MemoryRegistry::default();
        drop(added(&registry, "a").await);
        let frame = Delivery::Frame(Frame::text(""));
        assert_eq!(registry.deliver(&ids(["a"]), frame).await, [Err(DeliveryError::NotFound)]);
    }

    #[tokio::test]
    async fn a_look_up_tells_what_waits_and_who_is_there() {
        let registry = MemoryRegistry::default();
        assert_eq!(registry.look_up("a").await, Err(DeliveryError::NotFound));
        let deliveries = added(&registry, "a").await;
        let before = registry.look_up("a").await.expect("known");
        assert_eq!((&before.path, before.source_ip), (&Arc::from("/chat"), Ipv4Addr::LOCALHOST.into()));
        assert_eq!((before.waiting_bytes, before.last_active_at_ms), (0, before.connected_at_ms));
        registry.deliver(&ids(["a"]), Delivery::Frame(Frame::text("x".repeat(100)))).await;
        assert!(registry.look_up("a").await.expect("known").waiting_bytes >= 100);
        deliveries.next().await.expect("a frame");
        deliveries.note_data();
        let after = registry.look_up("a").await.expect("known");
        assert_eq!(after.waiting_bytes, 0);
        assert!(after.last_active_at_ms >= before.last_active_at_ms);
    }
}
