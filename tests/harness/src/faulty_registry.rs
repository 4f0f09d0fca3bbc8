//! A connection registry with faults: it drops, delays and duplicates, as the network between nodes does.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use scf_websocket_gateway::registry::{
    Cleaner, ConnectionInfo, ConnectionRegistry, Deliver, Delivery, DeliveryError, MemoryRegistry,
    NewConnection, Opening, RegistryError,
};
use tokio::time::sleep;

/// What goes wrong with what is asked of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The request is lost: it is not carried out and fails.
    DropRequest,
    /// The answer is lost: the request is carried out and fails.
    DropAnswer,
    /// The request takes this long.
    Delay(Duration),
    /// The request is carried out twice.
    Duplicate,
}

/// Connections in memory, reached through faults that the test sets.
#[derive(Debug)]
pub struct FaultyRegistry {
    memory: MemoryRegistry,
    fault: Mutex<Fault>,
}

impl FaultyRegistry {
    /// Without a fault so far.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { memory: MemoryRegistry::default(), fault: Mutex::new(Fault::None) })
    }

    /// From now on this goes wrong.
    pub fn fail(&self, fault: Fault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The result of a request that is subject to the fault; `None` if it or its answer is lost.
    async fn request<'a, T>(&self, carry_out: impl Fn() -> BoxFuture<'a, T>) -> Option<T> {
        match self.fault() {
            Fault::None => Some(carry_out().await),
            Fault::DropRequest => None,
            Fault::DropAnswer => {
                carry_out().await;
                None
            }
            Fault::Delay(delay) => {
                sleep(delay).await;
                Some(carry_out().await)
            }
            Fault::Duplicate => {
                let first = carry_out().await;
                carry_out().await;
                Some(first)
            }
        }
    }
}

fn lost() -> RegistryError {
    RegistryError::new("the network lost it")
}

fn unreachable() -> DeliveryError {
    DeliveryError::Unreachable("the network lost it".to_owned())
}

impl Deliver for FaultyRegistry {
    fn deliver<'a>(
        &'a self,
        ids: &'a [String],
        delivery: Delivery,
    ) -> BoxFuture<'a, Vec<Result<(), DeliveryError>>> {
        Box::pin(async move {
            let mut results = Vec::new();
            for id in ids {
                let deliver = || self.memory.deliver(std::slice::from_ref(id), delivery.clone());
                let result = self.request(deliver).await.and_then(|mut results| results.pop());
                results.push(result.unwrap_or_else(|| Err(unreachable())));
            }
            results
        })
    }

    fn look_up<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<ConnectionInfo, DeliveryError>> {
        Box::pin(async move { self.request(|| self.memory.look_up(id)).await.ok_or_else(unreachable)? })
    }
}

impl ConnectionRegistry for FaultyRegistry {
    fn open(&self, new: NewConnection) -> BoxFuture<'_, Result<Opening, RegistryError>> {
        let settled =
            |opened: Result<Opening, RegistryError>| opened.map(|opening| opening.ownership.settle());
        Box::pin(async move {
            let open = || self.memory.open(new.clone());
            match self.fault() {
                Fault::DropRequest => Err(lost()),
                // If the answer is lost, the caller settles the connection.
                Fault::DropAnswer => settled(open().await).and(Err(lost())),
                Fault::Duplicate => settled(open().await).and(open().await),
                Fault::Delay(delay) => {
                    sleep(delay).await;
                    open().await
                }
                Fault::None => open().await,
            }
        })
    }

    fn start_cleaning(&self, cleaner: Arc<dyn Cleaner>) {
        self.memory.start_cleaning(cleaner);
    }

    fn stop_cleaning(&self, time: Duration) -> BoxFuture<'_, ()> {
        self.memory.stop_cleaning(time)
    }
}
