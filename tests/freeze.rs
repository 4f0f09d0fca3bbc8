//! A frozen instance resumes with all its sockets dead: its next event succeeds and is pushed once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Act, DATA_RECV, Process, Redis, Wire};

const ANSWER: &str = r#"{"errNo":0,"errMsg":"ok"}"#;
const FROZEN: Duration = Duration::from_millis(300);

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
    for idle in [Idle::Closed, Idle::ClosedAtUse] {
        resume_after_freeze(idle);
    }
}

fn resume_after_freeze(idle: Idle) {
    let mut redis = Redis::start(&[]);
    let gateway = Wire::start(move |_| vec![Act::answer(200, "", ANSWER), before_close(idle), Act::Close]);
    let polls = Arc::new(AtomicUsize::new(0));
    let outcomes = Arc::new(AtomicUsize::new(0));
    let resumed = Arc::new(AtomicUsize::new(0));
    let api = {
        let (polls, outcomes, resumed) = (Arc::clone(&polls), Arc::clone(&outcomes), Arc::clone(&resumed));
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
                    (_, 0) => vec![Act::Wait(FROZEN / 2), Act::Close],
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
    wait_until(|| polls.load(Ordering::SeqCst) == 2, &process);
    process.signal("STOP");
    redis.stop();
    redis.restart();
    thread::sleep(FROZEN);
    resumed.store(1, Ordering::SeqCst);
    process.signal("CONT");
    wait_until(|| outcomes.load(Ordering::SeqCst) == 2, &process);

    let output = process.await_output("request_id=after");
    assert_eq!(output.matches("outcome=ok").count(), 2, "{output}");
    assert!(!output.contains("outcome=error"), "{output}");
    let pushes = gateway.requests().len();
    assert_eq!(pushes, 2, "one push per event:\n{output}");
}

fn before_close(idle: Idle) -> Act {
    match idle {
        Idle::Closed => Act::Wait(FROZEN / 2),
        Idle::ClosedAtUse => Act::CloseAtInput,
    }
}

fn wait_until(condition: impl Fn() -> bool, process: &Process) {
    let since = Instant::now();
    while !condition() {
        assert!(since.elapsed() < Duration::from_secs(10), "the condition is not met:\n{}", process.output());
        thread::sleep(Duration::from_millis(2));
    }
}
