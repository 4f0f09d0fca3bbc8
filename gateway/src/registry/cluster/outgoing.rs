//! What waits to be sent to other nodes, and the requests whose answers are awaited.
//!
//! A request gets its number and its place in the queue at once, so the requests to a node arrive in the order in which
//! they were made. Both the queue and the requests that wait are bounded.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, oneshot, watch},
    time::{Instant, timeout_at},
};

use super::{
    NodeId,
    wire::{self, OwnerAnswer},
};

/// How long the owner of a connection may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// How long it may take to be delivered: less than an answer, so that nothing is delivered after it counts as failed.
pub(crate) const DELIVERY_TIMEOUT: Duration = Duration::from_millis(1750);
/// Requests that may wait for their answers.
const MAX_REQUESTS: usize = 16 * 1024;
/// Bytes that may wait to be sent.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// Records and bytes that are sent at once; one larger record is sent alone.
pub(super) const BATCH_RECORDS: usize = 1024;
const BATCH_BYTES: usize = 1024 * 1024;

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum RequestOutcome {
    /// The owner has answered.
    Answered(OwnerAnswer),
    /// No node listens under the owner's id, or it does not answer in time.
    Silent,
    /// Not sent, or not understood. The reason is a part of a sentence.
    Failed(String),
}

/// The queue and the requests; see the module.
#[derive(Debug, Default)]
pub(crate) struct OutgoingMessages {
    state: Mutex<OutgoingState>,
    queued: Notify,
}

#[derive(Debug, Default)]
struct OutgoingState {
    last_number: u64,
    queue: VecDeque<Item>,
    queued_bytes: usize,
    waiting: HashMap<u64, PendingRequest>,
    /// Why nothing can be sent now.
    suspended: Option<String>,
}

#[derive(Debug)]
struct Item {
    to: NodeId,
    content: QueuedContent,
}

#[derive(Debug)]
enum QueuedContent {
    Request(u64, Vec<u8>),
    Record(Vec<u8>),
    Refusal,
}

#[derive(Debug)]
struct PendingRequest {
    owner: NodeId,
    outcome: oneshot::Sender<RequestOutcome>,
    /// Whether it may arrive.
    is_sent: bool,
}

/// A request that was made; it is forgotten when this is dropped.
#[derive(Debug)]
pub(crate) struct Waiting {
    number: u64,
    give_up: Instant,
    outcome: Option<oneshot::Receiver<RequestOutcome>>,
    outgoing: Arc<OutgoingMessages>,
}

/// A message to one node, and the requests in it.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) to: NodeId,
    pub(crate) bytes: Vec<u8>,
    pub(crate) requests: Vec<u64>,
}

impl OutgoingMessages {
    /// Puts a request into the queue, with the number that it gets. The error says why it cannot be sent.
    pub(crate) fn request(self: &Arc<Self>, owner: NodeId, mut record: Vec<u8>) -> Result<Waiting, String> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.state.lock();
        if let Some(reason) = &state.suspended {
            return Err(reason.clone());
        }
        if state.waiting.len() >= MAX_REQUESTS || state.queued_bytes + record.len() > MAX_BYTES {
            return Err("this node has too many requests to other nodes in flight".to_owned());
        }
        state.last_number += 1;
        let number = state.last_number;
        wire::set_number(&mut record, number);
        state.waiting.insert(number, PendingRequest { owner, outcome: sender, is_sent: false });
        state.push(owner, QueuedContent::Request(number, record));
        drop(state);
        self.queued.notify_one();
        let give_up = Instant::now() + ANSWER_TIMEOUT;
        Ok(Waiting { number, give_up, outcome: Some(receiver), outgoing: Arc::clone(self) })
    }

    /// Puts a record into the queue to which there is no answer. It is dropped while nothing can be sent.
    pub(crate) fn send(&self, to: NodeId, record: Vec<u8>) {
        self.put(to, QueuedContent::Record(record));
    }

    /// Likewise, a message to a node of another version.
    pub(crate) fn refuse(&self, to: NodeId) {
        self.put(to, QueuedContent::Refusal);
    }

    fn put(&self, to: NodeId, content: QueuedContent) {
        let mut state = self.state.lock();
        if state.suspended.is_none() && state.queued_bytes + content.len() <= MAX_BYTES {
            state.push(to, content);
            drop(state);
            self.queued.notify_one();
        }
    }

    /// Ends a request. One that nothing waits for, as of a late or second answer, is passed over.
    pub(crate) fn settle(&self, number: u64, from: Option<NodeId>, outcome: RequestOutcome) {
        let mut state = self.state.lock();
        let belongs = |asked: &PendingRequest| from.is_none_or(|from| from == asked.owner);
        if state.waiting.get(&number).is_some_and(belongs)
            && let Some(asked) = state.waiting.remove(&number)
        {
            // The receiver may just have given up.
            let _ = asked.outcome.send(outcome);
        }
    }

    /// Ends all requests to a node.
    pub(crate) fn fail_owner(&self, owner: NodeId, reason: &str) {
        let mut state = self.state.lock();
        for (_, asked) in state.waiting.extract_if(|_, asked| asked.owner == owner) {
            let _ = asked.outcome.send(RequestOutcome::Failed(reason.to_owned()));
        }
    }

    /// Nothing can be sent from now on: ends all requests that were not sent, and empties the queue. Those that were sent
    /// may arrive all the same, and wait for their time.
    pub(crate) fn suspend(&self, reason: &str) {
        let mut state = self.state.lock();
        state.suspended = Some(reason.to_owned());
        state.queue.clear();
        state.queued_bytes = 0;
        for (_, asked) in state.waiting.extract_if(|_, asked| !asked.is_sent) {
            let _ = asked.outcome.send(RequestOutcome::Failed(reason.to_owned()));
        }
    }

    /// Records can be sent again.
    pub(crate) fn resume(&self) {
        self.state.lock().suspended = None;
    }

    /// Waits for what is to be sent next: a message to each of some nodes.
    pub(crate) async fn next_batch(&self, sender: &watch::Receiver<NodeId>) -> Vec<Outbound> {
        loop {
            let batch = self.state.lock().next_batch(*sender.borrow());
            if !batch.is_empty() {
                return batch;
            }
            self.queued.notified().await;
        }
    }
}

impl OutgoingState {
    fn push(&mut self, to: NodeId, content: QueuedContent) {
        self.queued_bytes += content.len();
        self.queue.push_back(Item { to, content });
    }

    fn next_batch(&mut self, sender: NodeId) -> Vec<Outbound> {
        let mut batch: Vec<Outbound> = Vec::new();
        let mut open: HashMap<NodeId, usize> = HashMap::new();
        let (mut records, mut bytes) = (0, 0);
        while let Some(item) = self.queue.front() {
            let length = item.content.len();
            if records == BATCH_RECORDS || (records > 0 && bytes + length > BATCH_BYTES) {
                break;
            }
            let Some(Item { to, content }) = self.queue.pop_front() else { break };
            self.queued_bytes -= length;
            let (request, record) = match content {
                QueuedContent::Request(number, record) => match self.waiting.get_mut(&number) {
                    Some(asked) => {
                        asked.is_sent = true;
                        (Some(number), record)
                    }
                    // Its caller has given up.
                    None => continue,
                },
                QueuedContent::Record(record) => (None, record),
                QueuedContent::Refusal => {
                    let refusal = wire::refusal(sender);
                    batch.push(Outbound { to, bytes: refusal, requests: Vec::new() });
                    records += 1;
                    continue;
                }
            };
            (records, bytes) = (records + 1, bytes + length);
            let index = *open.entry(to).or_insert_with(|| {
                batch.push(Outbound { to, bytes: wire::header(sender), requests: Vec::new() });
                batch.len() - 1
            });
            batch[index].bytes.extend_from_slice(&record);
            batch[index].requests.extend(request);
        }
        batch
    }
}

impl QueuedContent {
    fn len(&self) -> usize {
        match self {
            Self::Request(_, record) | Self::Record(record) => record.len(),
            Self::Refusal => size_of::<Item>(),
        }
    }
}

impl Waiting {
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// What became of the request, in [`ANSWER_TIMEOUT`] at most.
    pub(crate) async fn outcome(mut self) -> RequestOutcome {
        let Some(outcome) = self.outcome.take() else { return RequestOutcome::Silent };
        match timeout_at(self.give_up, outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => RequestOutcome::Silent,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.outgoing.state.lock().waiting.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{contract::Frame, registry::Delivery};

    const HERE: NodeId = NodeId::from_bytes([0; 6]);
    const THERE: NodeId = NodeId::from_bytes([1; 6]);
    const ELSEWHERE: NodeId = NodeId::from_bytes([2; 6]);

    fn here() -> watch::Receiver<NodeId> {
        watch::channel(HERE).1
    }

    fn record(bytes: usize) -> Vec<u8> {
        wire::deliver_record(0, 0, &[[0; 10]], &Delivery::Frame(Frame::binary(vec![0; bytes])))
    }

    fn numbers(message: &Outbound) -> Vec<u64> {
        let Ok(wire::WireMessage::Records(HERE, records)) = wire::decode(message.bytes.clone().into()) else {
            panic!("a message")
        };
        let number = |record: &wire::WireRecord| match record {
            wire::WireRecord::Request(number, ..) => *number,
            other => panic!("a request, not {other:?}"),
        };
        let numbers = records.iter().map(number).collect();
        assert_eq!(numbers, message.requests);
        numbers
    }

    #[tokio::test]
    async fn requests_to_a_node_are_one_message_in_their_order() {
        let outgoing = Arc::new(OutgoingMessages::default());
        let _waiting = [THERE, ELSEWHERE, THERE].map(|to| outgoing.request(to, record(1)).expect("room"));
        let batch = outgoing.next_batch(&here()).await;
        let sent: Vec<_> = batch.iter().map(|message| (message.to, numbers(message))).collect();
        assert_eq!(sent, [(THERE, vec![1, 3]), (ELSEWHERE, vec![2])]);
    }

    #[tokio::test]
    async fn a_batch_has_a_size_and_one_larger_record_is_sent_alone() {
        let outgoing = Arc::new(OutgoingMessages::default());
        let sizes = [BATCH_BYTES / 2, BATCH_BYTES / 3, BATCH_BYTES / 2, 2 * BATCH_BYTES, 1];
        let _waiting = sizes.map(|size| outgoing.request(THERE, record(size)).expect("room"));
        for expected in [vec![1, 2], vec![3], vec![4], vec![5]] {
            assert_eq!(numbers(&outgoing.next_batch(&here()).await[0]), expected);
        }
    }

    #[tokio::test]
    async fn a_request_ends_once_and_by_its_owner_alone() {
        let outgoing = Arc::new(OutgoingMessages::default());
        let waiting = outgoing.request(THERE, record(1)).expect("room");
        let answer = || RequestOutcome::Answered(OwnerAnswer::Delivered(vec![Ok(())]));
        outgoing.settle(1, Some(ELSEWHERE), RequestOutcome::Silent);
        outgoing.settle(2, Some(THERE), RequestOutcome::Silent);
        outgoing.settle(1, Some(THERE), answer());
        outgoing.settle(1, Some(THERE), RequestOutcome::Silent);
        assert!(matches!(waiting.outcome().await, RequestOutcome::Answered(_)));
        assert!(outgoing.state.lock().waiting.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_not_answered_ends_and_is_not_sent_any_more() {
        let outgoing = Arc::new(OutgoingMessages::default());
        let waiting = outgoing.request(THERE, record(1)).expect("room");
        assert!(matches!(waiting.outcome().await, RequestOutcome::Silent));
        let _next = outgoing.request(THERE, record(1)).expect("room");
        assert_eq!(numbers(&outgoing.next_batch(&here()).await[0]), [2]);
    }

    #[tokio::test]
    async fn while_nothing_can_be_sent_requests_end_at_once_that_were_not() {
        let outgoing = Arc::new(OutgoingMessages::default());
        let sent = outgoing.request(THERE, record(1)).expect("room");
        outgoing.next_batch(&here()).await;
        let waiting = outgoing.request(THERE, record(1)).expect("room");
        outgoing.suspend("gone fishing");
        assert!(
            matches!(waiting.outcome().await, RequestOutcome::Failed(reason) if reason == "gone fishing")
        );
        assert_eq!(outgoing.request(THERE, record(1)).expect_err("away"), "gone fishing");
        outgoing.settle(1, Some(THERE), RequestOutcome::Answered(OwnerAnswer::Delivered(vec![Ok(())])));
        assert!(matches!(sent.outcome().await, RequestOutcome::Answered(_)), "it may arrive all the same");
        outgoing.resume();
        let _next = outgoing.request(THERE, record(1)).expect("room");
        assert_eq!(numbers(&outgoing.next_batch(&here()).await[0]), [3]);
    }

    #[test]
    fn the_queue_and_the_requests_are_bounded() {
        let outgoing = Arc::new(OutgoingMessages::default());
        let large: Vec<_> =
            (0..100).map_while(|_| outgoing.request(THERE, record(MAX_BYTES / 10)).ok()).collect();
        assert_eq!(large.len(), 9, "and the overhead of each");
        drop(large);
        let outgoing = Arc::new(OutgoingMessages::default());
        let small: Vec<_> =
            (0..2 * MAX_REQUESTS).map_while(|_| outgoing.request(THERE, record(1)).ok()).collect();
        assert_eq!(small.len(), MAX_REQUESTS);
        drop(small);
        // A node of another version may send without end.
        let outgoing = OutgoingMessages::default();
        for _ in 0..2 * MAX_BYTES / size_of::<Item>() {
            outgoing.refuse(THERE);
        }
        assert_eq!(outgoing.state.lock().queue.len(), MAX_BYTES / size_of::<Item>());
    }
}
