//! Receives what other nodes send to this one: runs their requests, and passes their answers on.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use log::{Level, info};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{
    NodeId, Redis, RedisError,
    lease::{LeaseState, keys},
    outgoing::{OutgoingMessages, RequestOutcome},
    peers::{PeerNodes, Verdict},
    redis::{RedisTime, Subscription},
    wire::{self, OwnerAnswer, OwnerRequest, WireMessage, WireRecord},
};
use crate::{
    observe::{log_limit::LogLimit, metrics::Metrics},
    registry::{Confirmation, Delivery, DeliveryError},
};

/// How often a node sends a probe to itself.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// A subscription on which so many probes and nothing else were missed has ended, whatever its TCP connection says. Time
/// that the process was suspended for does not count.
const MISSED_PROBES: u32 = 4;
/// Before another subscription.
const RETRY_DELAY: Duration = Duration::from_millis(100);
/// Before another one that is refused.
const REFUSED_DELAY: Duration = Duration::from_secs(1);
/// Closes of which it is awaited that they are confirmed, and for how long. One beyond that is in doubt.
const MAX_CLOSES: usize = 16 * 1024;
const CONFIRMED_WITHIN: Duration = Duration::from_secs(4);

/// The receiving side of a node.
pub(crate) struct Inbox {
    pub(crate) shared: Arc<LeaseState>,
    /// Which node this is; another one after it was declared lost.
    pub(crate) node: watch::Receiver<NodeId>,
    pub(crate) outgoing: Arc<OutgoingMessages>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) peers: PeerNodes,
    /// Closes that were run for another node, by its number: whether it has answered the function in time.
    pub(crate) closes: HashMap<(NodeId, u64), (Instant, watch::Sender<bool>)>,
    pub(crate) other_versions: LogLimit,
    pub(crate) malformed: LogLimit,
    pub(crate) refusals: LogLimit,
}

/// The probe that is under way.
#[derive(Default)]
struct Probe {
    number: u64,
    sent: Option<Instant>,
}

impl Inbox {
    pub(crate) fn new(
        shared: Arc<LeaseState>,
        outgoing: Arc<OutgoingMessages>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            node: shared.node_changes(),
            shared,
            outgoing,
            metrics,
            peers: PeerNodes::default(),
            closes: HashMap::new(),
            other_versions: LogLimit::default(),
            malformed: LogLimit::default(),
            refusals: LogLimit::default(),
        }
    }

    fn redis(&self) -> &Redis {
        self.shared.store().redis()
    }

    /// Receives for as long as it is polled.
    pub(crate) async fn receive(mut self) {
        loop {
            let node = *self.node.borrow_and_update();
            let channel = keys::channel(self.redis().url().database(), node);
            self.redis().up().await;
            let connects = self.redis().connects();
            match self.redis().subscribe(&channel).await {
                Ok(subscription) => {
                    self.shared.set_subscribed(connects);
                    let redis = self.redis().clone();
                    let reason = tokio::select! {
                        reason = self.serve(node, subscription) => reason,
                        () = redis.replaced(connects) => "the connection ended",
                    };
                    self.shared.set_subscribed(0);
                    info!("node {node} no longer receives what other nodes send to it: {reason}");
                }
                Err(RedisError::Unavailable(_)) => {}
                Err(error @ RedisError::Refused(_)) => {
                    self.log_refusal(node, &channel, &error);
                    sleep(REFUSED_DELAY).await;
                }
            }
            sleep(RETRY_DELAY).await;
        }
    }

    /// Serves a subscription until it ends, and returns why.
    async fn serve(&mut self, node: NodeId, mut subscription: Subscription) -> &'static str {
        let mut probes = interval(PROBE_INTERVAL);
        probes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut probe = Probe::default();
        let mut missed = 0;
        loop {
            tokio::select! {
                message = subscription.next() => {
                    let Some(message) = message else { return "the connection ended" };
                    missed = 0;
                    self.message(node, message, &mut probe);
                }
                // The cluster lives longer than this.
                Ok(()) = self.node.changed() => return "it is another node now",
                _ = probes.tick() => {
                    if missed == MISSED_PROBES {
                        return "nothing arrives";
                    }
                    missed += 1;
                    probe = Probe { number: probe.number + 1, sent: Some(Instant::now()) };
                    self.outgoing.send(node, wire::probe_record(probe.number));
                    self.closes.retain(|_, (at, _)| at.elapsed() < CONFIRMED_WITHIN);
                }
            }
        }
    }

    fn message(&mut self, node: NodeId, message: Bytes, probe: &mut Probe) {
        match wire::decode(message) {
            Ok(WireMessage::Records(from, records)) => {
                for record in records {
                    self.record(node, from, record, probe);
                }
            }
            Ok(WireMessage::OtherVersion(from, version)) => {
                self.log_version(from, version);
                self.outgoing.refuse(from);
            }
            Ok(WireMessage::Refusal(from, version)) => {
                self.log_version(from, version);
                let reason = format!(
                    "its node speaks version {version} of the cluster's protocol, this one {}",
                    wire::VERSION
                );
                self.outgoing.fail_owner(from, &reason);
            }
            Err(wire::MalformedMessage) => {
                let line = format_args!("node {node} received something that is no message");
                self.malformed.log(Level::Warn, None, line);
            }
        }
    }

    fn log_refusal(&self, node: NodeId, channel: &str, error: &RedisError) {
        let line = format_args!("node {node} cannot subscribe to {channel}, and accepts no clients: {error}");
        self.refusals.log(Level::Warn, None, line);
    }

    fn log_version(&self, from: NodeId, version: u8) {
        let line = format_args!(
            "node {from} speaks version {version} of the cluster's protocol, and this node {}: pushes between them are \
             answered with 503 until both run the same version of the gateway",
            wire::VERSION
        );
        self.other_versions.log(Level::Warn, None, line);
    }

    fn record(&mut self, node: NodeId, from: NodeId, record: WireRecord, probe: &mut Probe) {
        match record {
            WireRecord::Request(number, deadline, request) => {
                self.request(node, (from, number), deadline, request);
            }
            WireRecord::Answer(number, answer) => {
                self.outgoing.settle(number, Some(from), RequestOutcome::Answered(answer));
            }
            WireRecord::Probe(number) => {
                if number == probe.number
                    && let Some(sent) = probe.sent.take()
                {
                    self.metrics.routes.round_trip(sent.elapsed());
                }
            }
            WireRecord::Confirm(number) => {
                if let Some((_, close)) = self.closes.remove(&(from, number)) {
                    // The connection may have waited long enough.
                    let _ = close.send(true);
                }
            }
        }
    }

    fn request(
        &mut self,
        node: NodeId,
        (from, number): (NodeId, u64),
        deadline: RedisTime,
        request: OwnerRequest,
    ) {
        let record = match self.peers.judge(from, number) {
            Verdict::Repeated(record) => record,
            Verdict::Stale => wire::answer_record(number, &not_run(&request, "overtaken")),
            Verdict::New => {
                // Its asker has given it up.
                let is_late = self.redis().clock().may_have_passed(deadline);
                let answer =
                    if is_late { not_run(&request, "late") } else { self.run(node, (from, number), request) };
                let record = wire::answer_record(number, &answer);
                self.peers.answered(from, number, record.clone());
                record
            }
        };
        self.outgoing.send(from, record);
    }

    fn run(&mut self, node: NodeId, asked: (NodeId, u64), request: OwnerRequest) -> OwnerAnswer {
        match request {
            OwnerRequest::Deliver(connections, delivery) => {
                let confirmation = self.confirmation(asked, &delivery);
                let local = self.shared.connections();
                let deliver = |suffix| {
                    local.deliver(&node.connection_of(suffix), delivery.clone(), confirmation.as_ref())
                };
                OwnerAnswer::Delivered(connections.iter().map(deliver).collect())
            }
            OwnerRequest::LookUp(suffix) => {
                match self.shared.connections().look_up(&node.connection_of(&suffix)) {
                    Ok(info) => OwnerAnswer::Found(info),
                    Err(error) => OwnerAnswer::Delivered(vec![Err(error)]),
                }
            }
        }
    }

    /// How a connection that is closed for another node hears whether the function was answered.
    fn confirmation(&mut self, asked: (NodeId, u64), delivery: &Delivery) -> Option<Confirmation> {
        matches!(delivery, Delivery::Close(close) if !close.cleanup).then(|| {
            let (sender, confirmation) = Confirmation::new();
            if self.closes.len() < MAX_CLOSES {
                self.closes.insert(asked, (Instant::now(), sender));
            }
            confirmation
        })
    }
}

/// The answer to a request that is not run.
fn not_run(request: &OwnerRequest, why: &str) -> OwnerAnswer {
    let results = match request {
        OwnerRequest::Deliver(connections, _) => connections.len(),
        OwnerRequest::LookUp(_) => 1,
    };
    OwnerAnswer::Delivered(vec![Err(DeliveryError::Unreachable(why.to_owned())); results])
}

#[cfg(test)]
mod tests {
    use scf_websocket_test_harness::{Need, needs};
    use tokio::time::timeout;

    use super::*;
    use crate::{
        contract::{Close, Frame},
        function::remote::client::Trust,
        registry::{
            Connections, NewConnection, Opening, Ownership,
            cluster::{
                RedisUrl,
                lease::{Lease, LeaseTimes, store::Store},
            },
            outbox,
        },
    };

    const THERE: NodeId = NodeId::from_bytes([2; 6]);
    const SUFFIX: [u8; 10] = [7; 10];

    /// A node over this server, its inbox, and a connection of it.
    async fn node(url: &str) -> (Lease, Inbox, Opening) {
        let here = NodeId::from_bytes([1; 6]);
        let metrics = Arc::<Metrics>::default();
        let redis = Redis::connect(&RedisUrl::parse(url).expect("a URL"), &Trust::System).expect("no TLS");
        let store = Store::new(redis.clone(), LeaseTimes::of_lease(Duration::from_secs(5)));
        let owned = (Connections::default(), Arc::clone(&metrics.cluster));
        let lease = Lease::start(store, here, "{}".to_owned(), owned);
        redis.up().await;
        let inbox = Inbox::new(Arc::clone(lease.shared()), Arc::default(), metrics);
        let (outbox, deliveries) = outbox(NewConnection::on("/", 1_000_000));
        let id = here.connection_of(&SUFFIX);
        lease.shared().connections().insert(&id, outbox);
        let opening = Opening::new(deliveries, Ownership::new(&id, lease.member()));
        (lease, inbox, opening)
    }

    fn deliver(inbox: &mut Inbox, number: u64, delivery: Delivery, after: Duration) {
        let deadline = inbox.redis().clock().deadline(after).expect("Redis has answered");
        let here = *inbox.node.borrow();
        inbox.request(here, (THERE, number), deadline, OwnerRequest::Deliver(vec![SUFFIX], delivery));
    }

    /// The numbers of the requests that were answered, and whether they were run.
    async fn answers(inbox: &Inbox) -> Vec<(u64, bool)> {
        let batch = inbox.outgoing.next_batch(&inbox.node).await;
        let Ok(WireMessage::Records(_, answers)) = wire::decode(batch[0].bytes.clone().into()) else {
            panic!("answers")
        };
        let run = |record: &WireRecord| match record {
            WireRecord::Answer(number, OwnerAnswer::Delivered(results)) => (*number, results[0].is_ok()),
            other => panic!("an answer, not {other:?}"),
        };
        answers.iter().map(run).collect()
    }

    #[tokio::test]
    async fn a_request_that_arrives_twice_is_run_once_and_one_that_was_overtaken_or_is_late_never() {
        if !needs(Need::Redis) {
            return;
        }
        let redis = scf_websocket_test_harness::Redis::start(&[]);
        let (_lease, mut inbox, opening) = node(&redis.url()).await;
        let minute = Duration::from_mins(1);
        for number in [2, 2, 1, 3, 2] {
            let frame = Delivery::Frame(Frame::text(number.to_string()));
            deliver(&mut inbox, number, frame, minute);
        }
        deliver(&mut inbox, 4, Delivery::Frame(Frame::text("late")), Duration::ZERO);
        deliver(&mut inbox, 5, Delivery::Close(Close::default()), Duration::ZERO);
        let received: Vec<_> = std::iter::from_fn(|| opening.deliveries.next_waiting()).collect();
        assert_eq!(received, [Frame::text("2"), Frame::text("3")]);
        let expected = [(2, true), (2, true), (1, false), (3, true), (2, true), (4, false), (5, false)];
        assert_eq!(answers(&inbox).await, expected);
        assert_eq!(opening.deliveries.closed_by_function(), None, "its asker has given it up");
    }

    #[tokio::test]
    async fn a_close_is_the_functions_once_it_is_confirmed_and_in_doubt_the_cleanup_is_due() {
        if !needs(Need::Redis) {
            return;
        }
        let redis = scf_websocket_test_harness::Redis::start(&[]);
        for news in ["confirmed", "dropped", "lost"] {
            let (lease, mut inbox, opening) = node(&redis.url()).await;
            deliver(&mut inbox, 1, Delivery::Close(Close::default()), Duration::from_mins(1));
            match news {
                "confirmed" => {
                    let here = *inbox.node.borrow();
                    inbox.record(here, THERE, WireRecord::Confirm(1), &mut Probe::default());
                }
                "dropped" => inbox.closes.clear(),
                _ => lease.member().declare_lost(None),
            }
            // Sooner than a confirmation is given up.
            let due = timeout(Duration::from_secs(2), opening.ownership.end()).await.expect("decided");
            assert_eq!(due.is_none(), news == "confirmed", "{news}");
            if let Some(due) = due {
                due.settle();
            }
        }
    }
}
