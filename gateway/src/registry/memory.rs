//! The connections of this process.

use std::collections::HashMap;

use futures_util::future::{BoxFuture, FutureExt as _, ready};
use parking_lot::Mutex;

use super::{
    delivery::{ConnectionInfo, Delivery, DeliveryError, RegistryError},
    interface::ConnectionRegistry,
    outbox::Outbox,
};

/// All connections in this process. It never fails.
#[derive(Debug, Default)]
pub struct MemoryRegistry {
    outboxes: Mutex<HashMap<String, Outbox>>,
}

impl MemoryRegistry {
    fn deliver_one(&self, id: &str, delivery: Delivery) -> Result<(), DeliveryError> {
        let outbox = match delivery {
            Delivery::Frame(_) => self.outboxes.lock().get(id).cloned(),
            Delivery::Close => self.outboxes.lock().remove(id),
        };
        outbox.ok_or(DeliveryError::NotFound)?.deliver(delivery)
    }
}

impl ConnectionRegistry for MemoryRegistry {
    fn add<'a>(&'a self, id: &'a str, outbox: Outbox) -> BoxFuture<'a, Result<(), RegistryError>> {
        self.outboxes.lock().insert(id.to_owned(), outbox);
        ready(Ok(())).boxed()
    }

    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, RegistryError>> {
        ready(Ok(self.outboxes.lock().remove(id).is_some())).boxed()
    }

    fn deliver<'a>(
        &'a self,
        ids: &'a [String],
        delivery: Delivery,
    ) -> BoxFuture<'a, Vec<Result<(), DeliveryError>>> {
        ready(ids.iter().map(|id| self.deliver_one(id, delivery.clone())).collect()).boxed()
    }

    fn look_up<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<ConnectionInfo, DeliveryError>> {
        let info = self.outboxes.lock().get(id).map(Outbox::info).ok_or(DeliveryError::NotFound);
        ready(info).boxed()
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
