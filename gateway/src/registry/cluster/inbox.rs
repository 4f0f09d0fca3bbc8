//! Receives what other nodes send to this one: carries out their requests, and passes their answers on.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use log::{Level, info, warn};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{
    NodeId, Redis, RedisError, names,
    outgoing::{Outcome, Outgoing},
    peers::{Peers, Verdict},
    redis::Subscription,
    wire::{self, Answer, Message, Record, Request},
};
use crate::{
    observe::{log_limit::LogLimit, metrics::Metrics},
    registry::{ConnectionRegistry, DeliveryError, MemoryRegistry},
};

/// How often a node sends a probe to itself.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// A subscription on which so many probes and nothing else were missed has ended, whatever its TCP connection says. Time
/// that the process was suspended for does not count.
const MISSED_PROBES: u32 = 4;
/// Before another subscription.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// The receiving side of a node.
pub(crate) struct Inbox {
    /// Which node this is; another one after it was declared dead.
    pub(crate) node: watch::Receiver<NodeId>,
    pub(crate) redis: Redis,
    pub(crate) local: Arc<MemoryRegistry>,
    pub(crate) outgoing: Arc<Outgoing>,
    pub(crate) metrics: Arc<Metrics>,
    /// Whether other nodes reach this one.
    pub(crate) subscribed: watch::Sender<bool>,
    pub(crate) peers: Peers,
    pub(crate) other_versions: LogLimit,
}

/// The probe that is under way.
#[derive(Default)]
struct Probe {
    number: u64,
    sent: Option<Instant>,
}

impl Inbox {
    /// Receives for as long as it is polled.
    pub(crate) async fn receive(mut self) {
        loop {
            let node = *self.node.borrow_and_update();
            let channel = names::channel(self.redis.url().database(), node);
            self.redis.up().await;
            match self.redis.subscribe(&channel).await {
                Ok(subscription) => {
                    self.subscribed.send_replace(true);
                    let reason = self.serve(node, subscription).await;
                    self.subscribed.send_replace(false);
                    info!("node {node} no longer receives what other nodes send to it: {reason}");
                }
                Err(RedisError::Unavailable(_)) => {}
                Err(error @ RedisError::Refused(_)) => {
                    warn!("node {node} cannot subscribe to {channel}: {error}");
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
                    self.message(node, message, &mut probe).await;
                }
                // The cluster lives longer than this.
                Ok(()) = self.node.changed() => return "it is another node now",
                _ = probes.tick() => {
                    if missed == MISSED_PROBES {
                        return "nothing arrives";
                    }
                    missed += 1;
                    probe = Probe { number: probe.number + 1, sent: Some(Instant::now()) };
                    self.outgoing.tell(node, wire::probe_record(probe.number));
                }
            }
        }
    }

    async fn message(&mut self, node: NodeId, message: Bytes, probe: &mut Probe) {
        match wire::decode(message) {
            Ok(Message::Records(from, records)) => {
                for record in records {
                    self.record(node, from, record, probe).await;
                }
            }
            Ok(Message::OtherVersion(from, version)) => {
                self.log_version(from, version);
                self.outgoing.refuse(from);
            }
            Ok(Message::Refusal(from, version)) => {
                self.log_version(from, version);
                let reason = format!(
                    "its node speaks version {version} of the cluster's protocol, this one {}",
                    wire::VERSION
                );
                self.outgoing.fail_owner(from, &reason);
            }
            Err(wire::Malformed) => warn!("node {node} received something that is no message"),
        }
    }

    fn log_version(&self, from: NodeId, version: u8) {
        let line = format_args!(
            "node {from} speaks version {version} of the cluster's protocol, and this node {}: pushes between them are \
             answered with 503 until both run the same version of the gateway",
            wire::VERSION
        );
        self.other_versions.log(Level::Warn, None, line);
    }

    async fn record(&mut self, node: NodeId, from: NodeId, record: Record, probe: &mut Probe) {
        match record {
            Record::Request(number, request) => self.request(node, from, number, request).await,
            Record::Answer(number, answer) => {
                self.outgoing.settle(number, Some(from), Outcome::Answered(answer));
            }
            Record::Probe(number) => {
                if number == probe.number
                    && let Some(sent) = probe.sent.take()
                {
                    self.metrics.routes.round_trip(sent.elapsed());
                }
            }
        }
    }

    async fn request(&mut self, node: NodeId, from: NodeId, number: u64, request: Request) {
        let record = match self.peers.judge(from, number) {
            Verdict::Repeated(record) => record,
            Verdict::Stale => {
                let results = match request {
                    Request::Deliver(connections, _) => connections.len(),
                    Request::LookUp(_) => 1,
                };
                let stale = Err(DeliveryError::Unreachable("overtaken".to_owned()));
                wire::answer_record(number, &Answer::Delivered(vec![stale; results]))
            }
            Verdict::New => {
                let record = wire::answer_record(number, &self.carry_out(node, request).await);
                self.peers.answered(from, number, record.clone());
                record
            }
        };
        self.outgoing.tell(from, record);
    }

    async fn carry_out(&self, node: NodeId, request: Request) -> Answer {
        match request {
            Request::Deliver(connections, delivery) => {
                let ids: Vec<_> = connections.iter().map(|suffix| node.connection_of(suffix)).collect();
                Answer::Delivered(self.local.deliver(&ids, delivery).await)
            }
            Request::LookUp(suffix) => match self.local.look_up(&node.connection_of(&suffix)).await {
                Ok(info) => Answer::Found(info),
                Err(error) => Answer::Delivered(vec![Err(error)]),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::{
        contract::Frame,
        function::remote::client::Trust,
        registry::{Delivery, cluster::RedisUrl, outbox},
    };

    /// Port 1 of this machine: what the node sends stays in its queue.
    const NOWHERE: &str = "redis://127.0.0.1:1";

    #[tokio::test]
    async fn a_request_that_arrives_twice_is_carried_out_once_and_one_that_was_overtaken_never() {
        let (here, there) = (NodeId::from_bytes([1; 6]), NodeId::from_bytes([2; 6]));
        let metrics = Arc::<Metrics>::default();
        let redis = Redis::connect(&RedisUrl::parse(NOWHERE).expect("a URL"), &Trust::System);
        let mut inbox = Inbox {
            node: watch::channel(here).1,
            redis: redis.expect("without TLS"),
            local: Arc::default(),
            outgoing: Arc::default(),
            metrics: Arc::clone(&metrics),
            subscribed: watch::channel(false).0,
            peers: Peers::default(),
            other_versions: LogLimit::default(),
        };
        let suffix = [7; 10];
        let (outbox, deliveries) =
            outbox("/".into(), Ipv4Addr::LOCALHOST.into(), 1_000_000, &metrics.queue_bytes);
        inbox.local.add(&here.connection_of(&suffix), outbox).await.expect("memory never fails");
        for number in [2, 2, 1, 3, 2] {
            let frame = Delivery::Frame(Frame::text(number.to_string()));
            inbox.request(here, there, number, Request::Deliver(vec![suffix], frame)).await;
        }
        let received: Vec<_> = std::iter::from_fn(|| deliveries.next_waiting()).collect();
        assert_eq!(received, [Frame::text("2"), Frame::text("3")]);
        let answers = inbox.outgoing.flight(&inbox.node).await;
        let Ok(Message::Records(_, answers)) = wire::decode(answers[0].bytes.clone().into()) else {
            panic!("answers")
        };
        let accepted = |record: &Record| match record {
            Record::Answer(number, Answer::Delivered(results)) => (*number, results[0].is_ok()),
            other => panic!("an answer, not {other:?}"),
        };
        let accepted: Vec<_> = answers.iter().map(accepted).collect();
        assert_eq!(accepted, [(2, true), (2, true), (1, false), (3, true), (2, true)]);
    }
}
