//! The connections of all nodes: those of this one in memory, and the others through their owners.
//!
//! A delivery to a connection of another node succeeds when its owner has put it into the client's queue. Of an owner
//! that does not answer, Redis says whether it is gone, and its connections with it ([`DeliveryError::NotFound`]), or only
//! out of reach ([`DeliveryError::Unreachable`]). While Redis is away everything elsewhere is out of reach.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _, join_all, ready};
use parking_lot::Mutex;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Cluster, NodeId, Overview, Redis,
    inbox::Inbox,
    lease::LeaseState,
    node::{self, Suffix},
    outgoing::{DELIVERY_TIMEOUT, OutgoingMessages, RequestOutcome, Waiting},
    publisher::publish,
    takeover::TakeOver,
    wire::{self, OwnerAnswer},
};
use crate::{
    observe::metrics::{Metrics, labels::Way},
    registry::{
        Cleaner, ConnectionInfo, ConnectionRegistry, DeferredCleanups, Deliver, Delivery, DeliveryError,
        NewConnection, Opening, Owner, Ownership, RegistryError, outbox,
    },
};

/// How long the start of a gateway waits for the first subscription.
const START_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a client waits for a node that Redis answers to join.
const JOIN_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a client, and a push to another node, waits for a node that may have been frozen.
const WAKE_TIMEOUTS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(2));
/// Before it is looked again whether the connection of such a node works.
const WAKE_DELAY: Duration = Duration::from_millis(10);
/// How often the connection to Redis is measured.
const MEASURE_INTERVAL: Duration = Duration::from_secs(1);

/// The connections of all nodes; see the module. Dropped, it sends and receives nothing more.
#[derive(Debug)]
pub struct ClusterRegistry {
    cluster: Cluster,
    outgoing: Arc<OutgoingMessages>,
    metrics: Arc<Metrics>,
    /// Whether the last wait for Redis was in vain.
    waited_in_vain: AtomicBool,
    cleaning: Mutex<Option<(DeferredCleanups, TakeOver)>>,
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
    pub fn new(cluster: Cluster, metrics: Arc<Metrics>) -> Arc<Self> {
        let outgoing = Arc::<OutgoingMessages>::default();
        let shared = cluster.shared();
        let redis = cluster.redis().clone();
        let inbox = Inbox::new(Arc::clone(shared), Arc::clone(&outgoing), Arc::clone(&metrics));
        let tasks = [
            tokio::spawn(publish(shared.node_changes(), redis, Arc::clone(&outgoing))),
            tokio::spawn(inbox.receive()),
            tokio::spawn(measure(Arc::clone(shared), Arc::clone(&metrics))),
        ];
        let tasks = tasks.map(AbortOnDropHandle::new);
        Arc::new(Self {
            cluster,
            outgoing,
            metrics,
            waited_in_vain: AtomicBool::default(),
            cleaning: Mutex::default(),
            _tasks: tasks,
        })
    }

    /// Waits until other nodes reach this one, or for two seconds. Whether they do.
    pub async fn joined(&self) -> bool {
        timeout(START_TIMEOUT, self.cluster.shared().joined()).await.is_ok()
    }

    /// The server that the nodes share.
    #[must_use]
    pub fn redis(&self) -> &Redis {
        self.cluster.redis()
    }

    /// Waits, in a process that may have been frozen, until its connections to Redis work. With the answer to what has
    /// woken it the process may be frozen again, so that nothing but a wait would ever repair them.
    async fn awake(&self, time: Duration) {
        if !self.cluster.may_freeze {
            return;
        }
        // While Redis is away not every request has to wait for long.
        let time = if self.waited_in_vain.load(Ordering::Relaxed) { JOIN_TIMEOUT } else { time };
        let works = async {
            // First, since what is under way on a connection that has died without a word takes longer to fail.
            while !self.redis().works().await {
                sleep(WAKE_DELAY).await;
            }
            self.cluster.shared().joined().await;
        };
        let in_vain = timeout(time, works).await.is_err();
        self.waited_in_vain.store(in_vain, Ordering::Relaxed);
    }

    /// Puts a request to another node into the queue; `record` gets its deadline. The error says why it cannot be sent.
    fn request(&self, owner: NodeId, record: impl FnOnce(u64) -> Vec<u8>) -> Result<Waiting, DeliveryError> {
        if self.cluster.shared().knowledge().lock().is_lost(owner) {
            return Err(DeliveryError::NotFound);
        }
        let deadline = self.redis().clock().deadline(DELIVERY_TIMEOUT);
        let deadline =
            deadline.ok_or_else(|| DeliveryError::Unreachable("Redis is unavailable".to_owned()))?;
        self.outgoing.request(owner, record(deadline)).map_err(DeliveryError::Unreachable)
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
    async fn answer(
        &self,
        owner: NodeId,
        asked: Result<Waiting, DeliveryError>,
    ) -> Result<(u64, OwnerAnswer), DeliveryError> {
        let asked = asked?;
        let number = asked.number();
        match asked.outcome().await {
            RequestOutcome::Answered(answer) => Ok((number, answer)),
            RequestOutcome::Failed(reason) => Err(DeliveryError::Unreachable(reason)),
            RequestOutcome::Silent => Err(self.silent(owner).await),
        }
    }

    /// What is known of the connections of a node that does not answer.
    async fn silent(&self, owner: NodeId) -> DeliveryError {
        let shared = self.cluster.shared();
        let fate = match shared.store().fate(owner).await {
            Ok(fate) => fate,
            Err(error) => return DeliveryError::Unreachable(error.to_string()),
        };
        let is_settled =
            self.redis().up_since().is_some_and(|since| since.elapsed() >= self.cluster.lease_time());
        if shared.knowledge().lock().is_gone(owner, fate, is_settled) {
            return DeliveryError::NotFound;
        }
        DeliveryError::Unreachable(format!("its node {owner} does not answer, and may be alive"))
    }

    /// Tells the owner of connections that the function which wanted them closed is answered, as far as they were.
    fn confirm(&self, owner: NodeId, number: u64, delivery: &Delivery, answer: &OwnerAnswer) {
        let is_confirmed = matches!(delivery, Delivery::Close(close) if !close.cleanup);
        if is_confirmed
            && matches!(answer, OwnerAnswer::Delivered(results) if results.iter().any(Result::is_ok))
        {
            self.outgoing.send(owner, wire::confirm_record(number));
        }
    }
}

impl Deliver for ClusterRegistry {
    fn deliver<'a>(
        &'a self,
        ids: &'a [String],
        delivery: Delivery,
    ) -> BoxFuture<'a, Vec<Result<(), DeliveryError>>> {
        let (local, remote) = self.split(ids);
        self.metrics.routes.deliveries(Way::Local, local.len());
        let connections = self.cluster.shared().connections();
        if remote.is_empty() {
            return ready(ids.iter().map(|id| connections.deliver(id, delivery.clone(), None)).collect())
                .boxed();
        }
        self.metrics.routes.deliveries(Way::Remote, ids.len() - local.len());
        async move {
            let mut results = vec![Err(DeliveryError::NotFound); ids.len()];
            for position in local {
                results[position] = connections.deliver(&ids[position], delivery.clone(), None);
            }
            self.awake(WAKE_TIMEOUTS.1).await;
            // Before anything else is awaited: the order of calls is the order of what is sent.
            let asked: Vec<_> = remote
                .into_iter()
                .map(|(owner, group)| {
                    let record = |deadline| wire::deliver_record(0, deadline, &group.suffixes, &delivery);
                    let asked = self.request(owner, record);
                    (owner, group.positions, asked)
                })
                .collect();
            let delivery = &delivery;
            let answers = asked.into_iter().map(|(owner, positions, asked)| async move {
                let answer = self.answer(owner, asked).await;
                let confirmed =
                    answer.inspect(|(number, answer)| self.confirm(owner, *number, delivery, answer));
                (positions, confirmed.map(|(_, answer)| answer))
            });
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
            _ => return ready(self.cluster.shared().connections().look_up(id)).boxed(),
        };
        async move {
            self.awake(WAKE_TIMEOUTS.1).await;
            let asked = self.request(owner, |deadline| wire::look_up_record(0, deadline, &suffix));
            match self.answer(owner, asked).await?.1 {
                OwnerAnswer::Found(info) => Ok(info),
                OwnerAnswer::Delivered(results) => match results.into_iter().next() {
                    Some(Err(error)) => Err(error),
                    Some(Ok(())) | None => Err(unfit()),
                },
            }
        }
        .boxed()
    }
}

impl ConnectionRegistry for ClusterRegistry {
    fn visit(&self, visit: &mut dyn FnMut(&str, ConnectionInfo)) {
        self.cluster.shared().connections().visit(visit);
    }

    fn open(&self, new: NewConnection) -> BoxFuture<'_, Result<Opening, RegistryError>> {
        async move {
            let shared = self.cluster.shared();
            shared.connections().check_capacity()?;
            self.awake(WAKE_TIMEOUTS.0).await;
            // A client that no other node reaches would miss what is pushed to it. A node that has just joined is
            // about to be reached.
            let is_joined = shared.is_joined()
                || self.redis().up_since().is_some() && timeout(JOIN_TIMEOUT, shared.joined()).await.is_ok();
            if !is_joined {
                return Err(RegistryError::new("the node is cut off from its cluster"));
            }
            let member = self.cluster.lease.member();
            let id = member.node().connection().map_err(RegistryError::new)?;
            let (outbox, deliveries) = outbox(new);
            // Before its record is written: a comparison would delete that.
            shared.connections().insert(&id, outbox);
            let opening = Opening::new(deliveries, Ownership::new(&id, member as Arc<dyn Owner>));
            match shared.write(&id).await {
                Ok(()) => Ok(opening),
                Err(error) => {
                    opening.ownership.settle();
                    Err(RegistryError::new(error))
                }
            }
        }
        .boxed()
    }

    fn start_cleaning(&self, cleaner: Arc<dyn Cleaner>) {
        let shared = Arc::clone(self.cluster.shared());
        let owner = self.cluster.lease.member() as Arc<dyn Owner>;
        let deferred = DeferredCleanups::start(owner, Arc::clone(&cleaner));
        let take_over = TakeOver::start(shared, self.cluster.place.clone(), cleaner);
        *self.cleaning.lock() = Some((deferred, take_over));
    }

    fn stop_cleaning(&self, time: Duration) -> BoxFuture<'_, ()> {
        let cleaning = self.cleaning.lock().take();
        async move {
            let Some((deferred, take_over)) = cleaning else { return };
            tokio::join!(deferred.stop(time), take_over.stop(time));
        }
        .boxed()
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        self.cluster.lease.leave().boxed()
    }

    fn is_joined(&self) -> bool {
        self.cluster.shared().is_joined()
    }

    fn overview(&self) -> BoxFuture<'_, serde_json::Value> {
        async move {
            let overview = Overview::of(&self.cluster, &self.metrics).await;
            serde_json::to_value(overview).unwrap_or_default()
        }
        .boxed()
    }
}

/// A result for each of so many connections.
fn results_of(answer: Result<OwnerAnswer, DeliveryError>, count: usize) -> Vec<Result<(), DeliveryError>> {
    match answer {
        Ok(OwnerAnswer::Delivered(results)) if results.len() == count => results,
        Ok(_) => vec![Err(unfit()); count],
        Err(error) => vec![Err(error); count],
    }
}

fn unfit() -> DeliveryError {
    DeliveryError::Unreachable("its node gave an answer to something else".to_owned())
}

/// Measures the connection for as long as it is polled.
async fn measure(shared: Arc<LeaseState>, metrics: Arc<Metrics>) {
    let mut interval = interval(MEASURE_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        metrics.routes.redis(shared.is_joined(), shared.store().redis().connects());
    }
}
