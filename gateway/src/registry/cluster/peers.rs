//! What other nodes have asked of this one, so that a request which arrives twice is carried out once.
//!
//! A node numbers its requests in the order in which it makes them, and repeats some if its connection to Redis broke
//! while it sent them. A request with a higher number than all before it is new. One that is not is answered as before,
//! or, if that is forgotten, not carried out: it would overtake those behind it.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use super::{NodeId, outgoing::BATCH_RECORDS};

/// Answers that are kept for each node: as many as it may repeat requests.
const ANSWERS: usize = BATCH_RECORDS;
/// A node that has asked for nothing for this long repeats nothing.
const FORGET_AFTER: Duration = Duration::from_mins(1);

/// The nodes that have asked for something.
#[derive(Debug, Default)]
pub(crate) struct PeerNodes(HashMap<NodeId, PeerNode>);

#[derive(Debug)]
struct PeerNode {
    last_number: u64,
    answers: VecDeque<(u64, Vec<u8>)>,
    heard: Instant,
}

/// What to do with a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Run it.
    New,
    /// It was run; the record of the answer.
    Repeated(Vec<u8>),
    /// It is older than others that were run, and its answer is not known.
    Stale,
}

impl PeerNodes {
    /// Takes note of a request.
    pub(crate) fn judge(&mut self, from: NodeId, number: u64) -> Verdict {
        let now = Instant::now();
        let Some(peer) = self.0.get_mut(&from) else {
            self.0.retain(|_, peer| now.duration_since(peer.heard) < FORGET_AFTER);
            let peer = PeerNode { last_number: number, answers: VecDeque::new(), heard: now };
            self.0.insert(from, peer);
            return Verdict::New;
        };
        peer.heard = now;
        if number > peer.last_number {
            peer.last_number = number;
            return Verdict::New;
        }
        let answer = peer.answers.iter().find(|(answered, _)| *answered == number);
        answer.map_or(Verdict::Stale, |(_, record)| Verdict::Repeated(record.clone()))
    }

    /// Keeps the record of the answer to a new request.
    pub(crate) fn answered(&mut self, from: NodeId, number: u64, record: Vec<u8>) {
        let Some(peer) = self.0.get_mut(&from) else { return };
        if peer.answers.len() == ANSWERS {
            peer.answers.pop_front();
        }
        peer.answers.push_back((number, record));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: NodeId = NodeId::from_bytes([1; 6]);
    const OTHER: NodeId = NodeId::from_bytes([2; 6]);

    fn carry_out(peers: &mut PeerNodes, number: u64) {
        assert_eq!(peers.judge(PEER, number), Verdict::New, "{number}");
        peers.answered(PEER, number, number.to_be_bytes().into());
    }

    #[test]
    fn a_repeated_request_is_answered_as_before() {
        let mut peers = PeerNodes::default();
        for number in [5, 6, 9] {
            carry_out(&mut peers, number);
        }
        assert_eq!(peers.judge(PEER, 5), Verdict::Repeated(5_u64.to_be_bytes().into()));
        assert_eq!(peers.judge(PEER, 9), Verdict::Repeated(9_u64.to_be_bytes().into()));
        assert_eq!(peers.judge(OTHER, 5), Verdict::New);
    }

    #[test]
    fn a_request_that_was_overtaken_is_not_carried_out() {
        let mut peers = PeerNodes::default();
        carry_out(&mut peers, 2);
        assert_eq!(peers.judge(PEER, 1), Verdict::Stale);
        for number in 3..3 + ANSWERS as u64 {
            carry_out(&mut peers, number);
        }
        assert_eq!(peers.judge(PEER, 2), Verdict::Stale, "its answer is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn nodes_that_are_gone_are_forgotten() {
        let mut peers = PeerNodes::default();
        carry_out(&mut peers, 1);
        tokio::time::advance(FORGET_AFTER).await;
        assert_eq!(peers.judge(OTHER, 1), Verdict::New);
        assert_eq!(peers.0.len(), 1);
    }
}
