//! A frozen instance resumes with all its sockets dead: its next event succeeds and is pushed once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use scf_websocket_test_harness::{
    Act, Batches, DATA_RECV, Gate, Need, Process, Redis, Wire, needs, pushed_ids, wait_until,
};

/// When the peers of a frozen process close its idle connections.
#[derive(Clone, Copy)]
enum Idle {
    /// While the process is frozen.
    Closed,
    /// When the next request arrives, without reading it.
    ClosedAtUse,
}

#[test]
fn the_first_event_after_a_freeze_succeeds_and_is_pushed_once() {
    if !needs(Need::Redis) {
        return;
    }
    for idle in [Idle::Closed, Idle::ClosedAtUse] {
        for batches in Batches::BOTH {
            resume_after_freeze(idle, batches);
        }
    }
}

/// The frame goes to the room's only member, or as a batch to three connections.
fn resume_after_freeze(idle: Idle, batches: Batches) {
    let mut redis = Redis::start(&[]);
    let frozen = Gate::default();
    let before_close = match idle {
        Idle::Closed => Act::Until(frozen.clone()),
        Idle::ClosedAtUse => Act::CloseAtInput,
    };
    let gateway = Wire::start(move |push| {
        let answer = Act::answer(200, "", batches.ok());
        let is_single = pushed_ids(&String::from_utf8_lossy(&push.body)).len() == 1;
        if is_single && batches != Batches::None {
            // The first push, whose answer offers batches.
            return vec![answer];
        }
        vec![answer, before_close.clone(), Act::Close]
    });
    let (push_to, expected) = match batches {
        Batches::None => ("all", vec![1, 1]),
        Batches::Offered(_) => ("a,b,c", vec![1, 2, 3]),
    };
    let polls = Arc::new(AtomicUsize::new(0));
    let outcomes = Arc::new(AtomicUsize::new(0));
    let resumed = Arc::new(AtomicUsize::new(0));
    let api = {
        let (polls, outcomes, resumed) = (Arc::clone(&polls), Arc::clone(&outcomes), Arc::clone(&resumed));
        let frozen = frozen.clone();
        Wire::start(move |request| match request.line.as_str() {
            "GET /runtime/invocation/next" => {
                let poll = polls.fetch_add(1, Ordering::SeqCst);
                let offer = |id: &str| {
                    let headers =
                        format!("Request_Id: {id}\r\ntime_limit_in_ms: 3000\r\nmemory_limit_in_mb: 128\r\n");
                    vec![Act::answer(200, &headers, DATA_RECV)]
                };
                match (poll, resumed.load(Ordering::SeqCst)) {
                    (0, _) => offer("before"),
                    // The connection of the long poll is closed while the process is frozen.
                    (_, 0) => vec![Act::Until(frozen.clone()), Act::Close],
                    (_, 1) => {
                        resumed.store(2, Ordering::SeqCst);
                        offer("after")
                    }
                    _ => vec![Act::Wait(Duration::from_mins(1))],
                }
            }
            "POST /runtime/invocation/response" => {
                outcomes.fetch_add(1, Ordering::SeqCst);
                vec![Act::answer(200, "", "{}")]
            }
            _ => vec![Act::answer(200, "", "{}")],
        })
    };
    let env = [
        ("WS_ROLE", "transfer"),
        ("WS_PUSH_URL", &gateway.url()),
        ("WS_PUSH_TO", push_to),
        ("WS_STORE", &redis.url()),
    ];
    let process = Process::for_api(api.port, &env);
    let reaches = |counter: &AtomicUsize, count| {
        wait_until(
            || format!("{count} calls:\n{}", process.output()),
            || (counter.load(Ordering::SeqCst) == count).then_some(()),
        );
    };
    reaches(&polls, 2);
    process.freeze();
    redis.stop();
    redis.restart();
    frozen.open();
    api.await_closed(1);
    if let Idle::Closed = idle {
        gateway.await_closed(1);
    }
    resumed.store(1, Ordering::SeqCst);
    process.resume();
    reaches(&outcomes, 2);

    let output = process.await_output("request_id=after");
    assert_eq!(output.matches("outcome=ok").count(), 2, "{output}");
    assert!(!output.contains("outcome=error"), "{output}");
    let pushes: Vec<usize> = gateway
        .requests()
        .iter()
        .map(|push| pushed_ids(&String::from_utf8_lossy(&push.body)).len())
        .collect();
    assert_eq!(pushes, expected, "each event is pushed once:\n{output}");
}
