//! SIGTERM and SIGINT: an idle process ends at once with status 0, a busy one delivers its outcome first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use scf_websocket_test_harness::{Act, Batches, DATA_RECV, Function, Process, Wire, response, wait_until};

const NEXT: &str = "GET /runtime/invocation/next";

#[test]
fn an_idle_function_ends_at_once() {
    for signal in ["TERM", "INT"] {
        let mut offers = 0;
        let api = Wire::start(move |request| {
            if request.line != NEXT {
                return vec![Act::answer(200, "", "{}")];
            }
            offers += 1;
            if offers == 1 {
                vec![Act::answer(200, "request_id: r1\r\ntime_limit_in_ms: 3000\r\n", DATA_RECV)]
            } else {
                vec![Act::Wait(Duration::from_mins(1))]
            }
        });
        let process = Process::for_api(api.port, &[("WS_ROLE", "cleanup")]);
        api.await_requests(NEXT, 2);
        process.signal(signal);
        let (status, output) = process.wait();
        assert_eq!(status.code(), Some(0), "{output}");
        assert!(output.ends_with(&format!("INFO stopped by SIG{signal} while idle\n")), "{output}");
    }
}

#[test]
fn a_function_without_its_runtime_api_ends_at_once_too() {
    let process = Process::for_api(1, &[("WS_ROLE", "cleanup")]);
    process.await_output("ready failed");
    process.signal("TERM");
    let (status, output) = process.wait();
    assert_eq!(status.code(), Some(0), "{output}");
}

#[test]
fn the_current_event_is_finished_first() {
    for batches in Batches::BOTH {
        finish_the_current_event(batches);
    }
}

fn finish_the_current_event(batches: Batches) {
    let gateway =
        Wire::start(move |_| vec![Act::Wait(Duration::from_millis(200)), Act::answer(200, "", batches.ok())]);
    let env = [("WS_ROLE", "transfer"), ("WS_PUSH_URL", &gateway.url()), ("WS_PUSH_TO", "a,b,c")];
    let function = Function::start(&env);
    thread::scope(|scope| {
        let outcome = scope.spawn(|| function.invoke(DATA_RECV));
        gateway.await_requests("POST /api-wire", 1);
        function.process.signal("TERM");
        assert_eq!(response(&outcome.join().expect("an outcome")), DATA_RECV);
    });
    let pushes = if batches == Batches::None { 3 } else { 2 };
    assert_eq!(gateway.requests().len(), pushes, "every push of the event is made");
    let (status, output) = function.process.wait();
    assert_eq!(status.code(), Some(0), "{output}");
    assert!(output.contains("INFO SIGTERM: finishing the current event first\n"), "{output}");
}

/// Stops the process under load, at a hundred different moments of its cycle.
#[test]
fn each_offered_event_has_an_outcome_whenever_the_signal_arrives() {
    for round in 0..100u64 {
        let (offered, delivered) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (offers, deliveries) = (Arc::clone(&offered), Arc::clone(&delivered));
        let api = Wire::start(move |request| {
            let body = match request.line.as_str() {
                "GET /runtime/invocation/next" => {
                    let id = offers.fetch_add(1, Ordering::SeqCst);
                    let headers =
                        format!("Request_Id: {id}\r\ntime_limit_in_ms: 3000\r\nmemory_limit_in_mb: 128\r\n");
                    return vec![Act::answer(200, &headers, DATA_RECV)];
                }
                "POST /runtime/invocation/response" => {
                    deliveries.fetch_add(1, Ordering::SeqCst);
                    "{}"
                }
                _ => "{}",
            };
            vec![Act::answer(200, "", body)]
        });
        let env = [("WS_ROLE", "transfer"), ("WS_PUSH_TO", "none"), ("RUST_LOG", "off")];
        let process = Process::for_api(api.port, &env);
        wait_until(
            || format!("three outcomes:\n{}", process.output()),
            || (delivered.load(Ordering::SeqCst) >= 3).then_some(()),
        );
        // Not to wait for anything: this is the moment of the cycle.
        thread::sleep(Duration::from_micros(round * 7));
        process.signal("TERM");
        let (status, output) = process.wait();
        assert_eq!(status.code(), Some(0), "{output}");
        // Each request that the process has sent is counted now.
        api.await_closed(1);
        let (offered, delivered) = (offered.load(Ordering::SeqCst), delivered.load(Ordering::SeqCst));
        assert_eq!(offered, delivered, "round {round}");
    }
}
