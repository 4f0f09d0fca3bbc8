//! A model of SCF whose calls fail at random: for any sequence of faults, each event is handled once, its outcome is sent
//! until it is accepted, and an incomplete event is not handled.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::common::wire::Request;
use crate::common::{Act, DATA_RECV, Process, Wire};

/// What `next` does instead of offering an event.
#[derive(Debug, Clone, Copy)]
enum NextFault {
    Cut,
    ServerError,
    Html,
    ShortBody,
    CutChunk,
    Nonsense,
}

/// How an offer is sent.
#[derive(Debug, Clone, Copy)]
enum Framing {
    Plain,
    Chunked,
    Pieces,
    Bytes,
    ThenClosed,
}

/// What happens to an outcome instead of being accepted.
#[derive(Debug, Clone, Copy)]
enum OutcomeFault {
    Cut,
    CutAnswer,
    ServerError,
}

#[derive(Debug, Clone)]
struct Offer {
    faults: Vec<NextFault>,
    framing: Framing,
    outcome_faults: Vec<OutcomeFault>,
    /// No outcome of this offer is ever accepted, so the event is offered again.
    lost: bool,
    /// The event is offered again although its outcome was accepted.
    repeated: bool,
}

fn offer() -> impl Strategy<Value = Offer> {
    let fault = prop_oneof![
        Just(NextFault::Cut),
        Just(NextFault::ServerError),
        Just(NextFault::Html),
        Just(NextFault::ShortBody),
        Just(NextFault::CutChunk),
        Just(NextFault::Nonsense),
    ];
    let framing = prop_oneof![
        Just(Framing::Plain),
        Just(Framing::Chunked),
        Just(Framing::Pieces),
        Just(Framing::Bytes),
        Just(Framing::ThenClosed),
    ];
    let outcome_fault =
        prop_oneof![Just(OutcomeFault::Cut), Just(OutcomeFault::CutAnswer), Just(OutcomeFault::ServerError)];
    (
        prop::collection::vec(fault, 0..3),
        framing,
        prop::collection::vec(outcome_fault, 0..4),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.3),
    )
        .prop_map(|(faults, framing, outcome_faults, lost, repeated)| Offer {
            faults,
            framing,
            outcome_faults,
            lost,
            repeated,
        })
}

/// The state of the simulated SCF.
struct Scf {
    /// The remaining answers of `next`.
    polls: VecDeque<Poll>,
    current: Option<Poll>,
    /// The accepted outcomes, by the number of the event.
    accepted: Vec<(usize, String)>,
}

#[derive(Debug, Clone)]
enum Poll {
    Fault(NextFault),
    Offer { number: usize, framing: Framing, outcome_faults: VecDeque<OutcomeFault>, lost: bool },
}

const LIMIT_MS: u64 = 500;

fn event(number: usize) -> String {
    DATA_RECV.replace("xxx", &format!("event {number}."))
}

impl Scf {
    fn new(offers: &[Offer]) -> Self {
        let mut polls = VecDeque::new();
        for (number, offer) in offers.iter().enumerate() {
            polls.extend(offer.faults.iter().copied().map(Poll::Fault));
            let poll = |lost, faults: &[OutcomeFault]| Poll::Offer {
                number,
                framing: offer.framing,
                outcome_faults: faults.iter().copied().collect(),
                lost,
            };
            polls.push_back(poll(offer.lost, &offer.outcome_faults));
            if offer.lost || offer.repeated {
                polls.push_back(poll(false, &[]));
            }
        }
        Self { polls, current: None, accepted: Vec::new() }
    }

    fn is_done(&self) -> bool {
        self.polls.is_empty() && self.current.is_none()
    }

    fn answer(&mut self, request: &Request) -> Vec<Act> {
        match request.line.as_str() {
            "GET /runtime/invocation/next" => self.next(),
            "POST /runtime/invocation/response" => self.outcome(request),
            "POST /runtime/invocation/error" => panic!("{}", String::from_utf8_lossy(&request.body)),
            _ => vec![Act::answer(200, "", "{}")],
        }
    }

    fn next(&mut self) -> Vec<Act> {
        self.current = self.polls.pop_front();
        match &self.current {
            None => vec![Act::Wait(Duration::from_mins(1))],
            Some(Poll::Fault(fault)) => faulty_next(*fault),
            Some(Poll::Offer { number, framing, .. }) => framed(*number, *framing),
        }
    }

    fn outcome(&mut self, request: &Request) -> Vec<Act> {
        let Some(Poll::Offer { number, outcome_faults, lost, .. }) = &mut self.current else {
            panic!("an outcome without an event: {request:?}");
        };
        let fault = outcome_faults.pop_front().or(lost.then_some(OutcomeFault::ServerError));
        match fault {
            Some(OutcomeFault::Cut) => vec![Act::Close],
            Some(OutcomeFault::CutAnswer) => vec![Act::Send(b"HTTP/1.1 20".to_vec()), Act::Close],
            Some(OutcomeFault::ServerError) => vec![Act::answer(503, "", "busy")],
            None => {
                self.accepted.push((*number, String::from_utf8_lossy(&request.body).into_owned()));
                self.current = None;
                vec![Act::answer(200, "", "{}")]
            }
        }
    }
}

fn head(number: usize, length: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nRequest_Id: r{number}\r\ntime_limit_in_ms: {LIMIT_MS}\r\nmemory_limit_in_mb: 128\r\n{length}\r\n\r\n"
    )
}

fn faulty_next(fault: NextFault) -> Vec<Act> {
    let body = event(999);
    match fault {
        NextFault::Cut => vec![Act::Close],
        NextFault::ServerError => vec![Act::answer(500, "", "broken")],
        NextFault::Html => vec![Act::answer(502, "Content-Type: text/html\r\n", "<html>no</html>")],
        NextFault::ShortBody => {
            let whole = format!("{}{body}", head(999, &format!("Content-Length: {}", body.len() + 1)));
            vec![Act::Send(whole.into()), Act::Close]
        }
        NextFault::CutChunk => {
            let chunk = format!("{}{:x}\r\n{body}", head(999, "Transfer-Encoding: chunked"), body.len() + 1);
            vec![Act::Send(chunk.into()), Act::Close]
        }
        NextFault::Nonsense => vec![Act::Send(b"\x00\xff\r\n\r\n".to_vec()), Act::Close],
    }
}

fn framed(number: usize, framing: Framing) -> Vec<Act> {
    let body = event(number);
    let plain = format!("{}{body}", head(number, &format!("Content-Length: {}", body.len())));
    match framing {
        Framing::Plain => vec![Act::Send(plain.into())],
        Framing::Chunked => {
            let (one, two) = body.split_at(body.len() / 2);
            let chunks = format!("{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n", one.len(), two.len());
            vec![Act::Send(format!("{}{chunks}", head(number, "Transfer-Encoding: chunked")).into())]
        }
        Framing::Pieces => {
            let (one, two) = plain.split_at(40);
            vec![Act::Send(one.into()), Act::Wait(Duration::from_millis(5)), Act::Send(two.into())]
        }
        Framing::Bytes => vec![Act::Trickle(plain.into(), Duration::ZERO)],
        Framing::ThenClosed => vec![Act::Send(plain.into()), Act::Close],
    }
}

fn locked(scf: &Mutex<Scf>) -> MutexGuard<'_, Scf> {
    scf.lock().expect("the model has not panicked")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_faults_loses_or_duplicates_an_event(offers in prop::collection::vec(offer(), 1..5)) {
        let scf = Arc::new(Mutex::new(Scf::new(&offers)));
        let expected: Vec<(usize, String)> = offers
            .iter()
            .enumerate()
            .flat_map(|(number, offer)| {
                vec![(number, event(number)); 1 + usize::from(offer.repeated && !offer.lost)]
            })
            .collect();
        let gateway = Wire::start(|_| vec![Act::answer(200, "", r#"{"errNo":0,"errMsg":"ok"}"#)]);
        let side = Arc::clone(&scf);
        let api = Wire::start(move |request| locked(&side).answer(request));
        let env =
            [("WS_ROLE", "transfer"), ("WS_PUSH_URL", &gateway.url()), ("WS_PUSH_ENCODING", "raw")];
        let process = Process::for_api(api.port, &env);

        let since = Instant::now();
        while !locked(&scf).is_done() {
            prop_assert!(since.elapsed() < Duration::from_secs(15), "stuck:\n{}", process.output());
            thread::sleep(Duration::from_millis(2));
        }
        prop_assert_eq!(&locked(&scf).accepted, &expected, "{}", process.output());
        let pushed: Vec<String> =
            gateway.requests().iter().map(|push| String::from_utf8_lossy(&push.body).into_owned()).collect();
        prop_assert_eq!(pushed.len(), offers.len(), "one push per event: {:?}", pushed);
        for (number, push) in pushed.iter().enumerate() {
            let data = format!("event {number}.");
            prop_assert!(push.contains(&data), "{}", push);
        }
    }
}
