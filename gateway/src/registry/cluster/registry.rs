//! The connections of all nodes: those of this one in memory, and the others through their owners.
//!
//! A delivery to a connection of another node succeeds when its owner has put it into the client's queue. Of an owner
//! that does not answer, Redis says whether it is gone, and its connections with it ([`DeliveryError::NotFound`]), or only
//! out of reach ([`DeliveryError::Unreachable`]). While Redis is away everything elsewhere is out of reach.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Cluster, NodeId, Redis,
    inbox::Inbox,
    lease::store::Fate,
    node::{self, Suffix},
    outgoing::{Outcome, Outgoing, Waiting},
    peers::Peers,
    publisher::publish,
    wire::{self, Answer},
};
use crate::{
    observe::{
        log_limit::LogLimit,
        metrics::{Metrics, labels::Way},
    },
    registry::{
        ConnectionInfo, ConnectionRegistry, Delivery, DeliveryError, MemoryRegistry, Outbox, RegistryError,
    },
};

/// How long the start of a gateway waits for the first subscription.
const START_TIMEOUT: Duration = Duration::from_secs(2);
/// How often the connection to Redis is measured.
const MEASURE_INTERVAL: Duration = Duration::from_secs(1);

/// The connections of all nodes; see the module. Dropped, it sends and receives nothing more.
#[derive(Debug)]
pub struct ClusterRegistry {
    cluster: Arc<Cluster>,
    local: Arc<MemoryRegistry>,
    outgoing: Arc<Outgoing>,
    metrics: Arc<Metrics>,
    subscribed: watch::Receiver<bool>,
    _tasks: [AbortOnDropHandle<()>; 3],
}

/// The connections of one other node among those of a delivery.
#[derive(Default)]
struct Group {
    /// Where they stand in the delivery.
    positions: Vec<usize>,
    suffixes: Vec<Suffix>,
}

impl ClusterRegistry {
    /// Begins to send and to receive. Must be called within a tokio runtime.
    #[must_use]
    pub fn new(cluster: Arc<Cluster>, metrics: Arc<Metrics>) -> Arc<Self> {
        let (local, outgoing) = (Arc::<MemoryRegistry>::default(), Arc::<Outgoing>::default());
        let redis = cluster.redis().clone();
        let (sender, subscribed) = watch::channel(false);
        let inbox = Inbox {
            node: cluster.node_changes(),
            redis: redis.clone(),
            local: Arc::clone(&local),
            outgoing: Arc::clone(&outgoing),
            metrics: Arc::clone(&metrics),
            subscribed: sender,
            peers: Peers::default(),
            other_versions: LogLimit::default(),
        };
        let tasks = [
            tokio::spawn(publish(cluster.node_changes(), redis.clone(), Arc::clone(&outgoing))),
            tokio::spawn(inbox.receive()),
            tokio::spawn(measure(redis, Arc::clone(&metrics))),
        ];
        let tasks = tasks.map(AbortOnDropHandle::new);
        Arc::new(Self { cluster, local, outgoing, metrics, subscribed, _tasks: tasks })
    }

    /// Waits until other nodes reach this one, or for two seconds. Whether they do.
    pub async fn joined(&self) -> bool {
        let mut subscribed = self.subscribed.clone();
        matches!(timeout(START_TIMEOUT, subscribed.wait_for(|subscribed| *subscribed)).await, Ok(Ok(_)))
    }

    /// Whether other nodes reach this one.
    #[must_use]
    pub fn subscribed(&self) -> watch::Receiver<bool> {
        self.subscribed.clone()
    }

    fn redis(&self) -> &Redis {
        self.cluster.redis()
    }

    /// The positions of this node's connections, and the connections of the others. What is no id of a connection is not
    /// found here either.
    fn split(&self, ids: &[String]) -> (Vec<usize>, BTreeMap<NodeId, Group>) {
        let (mut local, mut remote) = (Vec::new(), BTreeMap::<_, Group>::new());
        let here = self.cluster.node();
        for (position, id) in ids.iter().enumerate() {
            match node::split(id) {
                Some((owner, suffix)) if owner != here => {
                    let group = remote.entry(owner).or_default();
                    group.positions.push(position);
                    group.suffixes.push(suffix);
                }
                _ => local.push(position),
            }
        }
        (local, remote)
    }

    /// The owner's answer, or why there is none.
    async fn answer(&self, owner: NodeId, asked: Result<Waiting, String>) -> Result<Answer, DeliveryError> {
        match asked {
            Err(reason) => Err(DeliveryError::Unreachable(reason)),
            Ok(waiting) => match waiting.outcome().await {
                Outcome::Answered(answer) => Ok(answer),
                Outcome::Failed(reason) => Err(DeliveryError::Unreachable(reason)),
                Outcome::Silent => Err(self.silent(owner).await),
            },
        }
    }

    /// What is known of the connections of a node that does not answer.
    async fn silent(&self, owner: NodeId) -> DeliveryError {
        let is_connected_for_long =
            || self.redis().up_since().is_some_and(|since| since.elapsed() >= self.cluster.lease_time());
        match self.cluster.lease().store().fate(owner).await {
            Err(error) => DeliveryError::Unreachable(error.to_string()),
            Ok(Fate::Gone) => DeliveryError::NotFound,
            // A server that was away may have lost what nodes are about to write again.
            Ok(Fate::Absent) if is_connected_for_long() => DeliveryError::NotFound,
            Ok(Fate::Absent | Fate::Unknown) => {
                DeliveryError::Unreachable(format!("its node {owner} does not answer, and may be alive"))
            }
        }
    }
}

impl ConnectionRegistry for ClusterRegistry {
    fn add<'a>(&'a self, id: &'a str, outbox: Outbox) -> BoxFuture<'a, Result<(), RegistryError>> {
        // A client that no other node reaches would miss what is pushed to it.
        if self.redis().up_since().is_none() {
            let error = RegistryError::new("the node is cut off from its cluster, because Redis is away");
            return std::future::ready(Err(error)).boxed();
        }
        self.local.add(id, outbox)
    }

    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, RegistryError>> {
        self.local.remove(id)
    }

    fn deliver<'a>(
        &'a self,
        ids: &'a [String],
        delivery: Delivery,
    ) -> BoxFuture<'a, Vec<Result<(), DeliveryError>>> {
        let (local, remote) = self.split(ids);
        self.metrics.routes.deliveries(Way::Local, local.len());
        if remote.is_empty() {
            return self.local.deliver(ids, delivery);
        }
        self.metrics.routes.deliveries(Way::Remote, ids.len() - local.len());
        // Before the first await: the order of calls is the order of what is sent.
        let asked: Vec<_> = remote
            .into_iter()
            .map(|(owner, group)| {
                let record = wire::deliver_record(0, &group.suffixes, &delivery);
                (owner, group.positions, self.outgoing.ask(owner, record))
            })
            .collect();
        async move {
            let mut results = vec![Err(DeliveryError::NotFound); ids.len()];
            let local_ids: Vec<_> = local.iter().map(|position| ids[*position].clone()).collect();
            for (position, result) in local.into_iter().zip(self.local.deliver(&local_ids, delivery).await) {
                results[position] = result;
            }
            let answers = asked
                .into_iter()
                .map(|(owner, positions, asked)| async move { (positions, self.answer(owner, asked).await) });
            for (positions, answer) in join_all(answers).await {
                let count = positions.len();
                for (position, result) in positions.into_iter().zip(results_of(answer, count)) {
                    results[position] = result;
                }
            }
            results
        }
        .boxed()
    }

    fn look_up<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<ConnectionInfo, DeliveryError>> {
        let (owner, suffix) = match node::split(id) {
            Some((owner, suffix)) if owner != self.cluster.node() => (owner, suffix),
            _ => return self.local.look_up(id),
        };
        let asked = self.outgoing.ask(owner, wire::look_up_record(0, &suffix));
        async move {
            match self.answer(owner, asked).await? {
                Answer::Found(info) => Ok(info),
                Answer::Delivered(results) => match results.into_iter().next() {
                    Some(Err(error)) => Err(error),
                    Some(Ok(())) | None => Err(unfit()),
                },
            }
        }
        .boxed()
    }
}

/// A result for each of so many connections.
fn results_of(answer: Result<Answer, DeliveryError>, count: usize) -> Vec<Result<(), DeliveryError>> {
    match answer {
        Ok(Answer::Delivered(results)) if results.len() == count => results,
        Ok(_) => vec![Err(unfit()); count],
        Err(error) => vec![Err(error); count],
    }
}

fn unfit() -> DeliveryError {
    DeliveryError::Unreachable("its node gave an answer to something else".to_owned())
}

/// Measures the connection for as long as it is polled.
async fn measure(redis: Redis, metrics: Arc<Metrics>) {
    let mut interval = interval(MEASURE_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        metrics.routes.redis(redis.up_since().is_some(), redis.connects());
    }
}
