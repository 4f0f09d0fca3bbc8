//! A frozen instance resumes with all its sockets dead: its next event succeeds and is pushed once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use scf_websocket_test_harness::{Act, DATA_RECV, Gate, Need, Process, Redis, Wire, needs, wait_until};

const ANSWER: &str = r#"{"errNo":0,"errMsg":"ok"}"#;

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
        resume_after_freeze(idle);
    }
}

fn resume_after_freeze(idle: Idle) {
    let mut redis = Redis::start(&[]);
    let frozen = Gate::default();
    let before_close = match idle {
        Idle::Closed => Act::Until(frozen.clone()),
        Idle::ClosedAtUse => Act::CloseAtInput,
    };
    let gateway = Wire::start(move |_| vec![Act::answer(200, "", ANSWER), before_close.clone(), Act::Close]);
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
        ("WS_PUSH_TO", "all"),
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
    let pushes = gateway.requests().len();
    assert_eq!(pushes, 2, "one push per event:\n{output}");
}
