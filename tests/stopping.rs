//! SIGTERM and SIGINT: an idle process ends at once with status 0, a busy one delivers its outcome first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::common::{Act, DATA_RECV, Function, Process, Wire};

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
        let (status, output) = process.wait(Duration::from_secs(20));
        assert_eq!(status.code(), Some(0), "{output}");
        assert!(output.ends_with(&format!("INFO stopped by SIG{signal} while idle\n")), "{output}");
    }
}

#[test]
fn a_function_without_its_runtime_api_ends_at_once_too() {
    let process = Process::for_api(1, &[("WS_ROLE", "cleanup")]);
    process.await_output("ready failed");
    process.signal("TERM");
    let (status, output) = process.wait(Duration::from_secs(2));
    assert_eq!(status.code(), Some(0), "{output}");
}

#[test]
fn the_current_event_is_finished_first() {
    let gateway = Wire::start(|_| {
        vec![Act::Wait(Duration::from_millis(400)), Act::answer(200, "", r#"{"errNo":0,"errMsg":"ok"}"#)]
    });
    let function = Function::start(&[("WS_ROLE", "transfer"), ("WS_PUSH_URL", &gateway.url())]);
    thread::scope(|scope| {
        let outcome = scope.spawn(|| function.invoke(DATA_RECV));
        while gateway.requests().is_empty() {
            thread::sleep(Duration::from_millis(2));
        }
        function.process.signal("TERM");
        assert_eq!(crate::common::response(&outcome.join().expect("an outcome")), DATA_RECV);
    });
    let (status, output) = function.process.wait(Duration::from_secs(5));
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
        while delivered.load(Ordering::SeqCst) < 3 {
            thread::sleep(Duration::from_micros(50));
        }
        thread::sleep(Duration::from_micros(round * 7));
        process.signal("TERM");
        let (status, output) = process.wait(Duration::from_secs(5));
        assert_eq!(status.code(), Some(0), "{output}");
        thread::sleep(Duration::from_millis(2));
        let (offered, delivered) = (offered.load(Ordering::SeqCst), delivered.load(Ordering::SeqCst));
        assert_eq!(offered, delivered, "round {round}");
    }
}
