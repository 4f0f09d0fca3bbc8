//! A handler that never returns: its error is reported before SCF would kill the instance, then the process ends.

use std::process::Command;
use std::time::{Duration, Instant};

use scf_websocket_test_harness::{
    Act, Batches, CONNECTING, DATA_RECV, Function, Process, RuntimeLimits, Wire, error, response,
};

const LIMIT: Duration = Duration::from_secs(1);

/// Creates a named pipe. Opening it without a reader blocks for ever, like a file on a network mount that hangs.
fn named_pipe(path: &std::path::Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo");
    assert!(made.success());
}

#[test]
fn a_stuck_handler_is_reported_before_the_limit_and_the_process_ends() {
    let store = tempfile::tempdir().expect("a folder");
    let url = format!("dir:{}", store.path().display());
    let function =
        Function::with_limits(RuntimeLimits::new(128, LIMIT), &[("WS_ROLE", "register"), ("WS_STORE", &url)]);
    assert!(response(&function.invoke(CONNECTING)).contains(r#""errNo":0"#));

    let stuck = CONNECTING.replace("xawexasdfewezdfsdfeasdfffa==", "stuck");
    response(&function.invoke(stuck.clone()));
    let file = std::fs::read_dir(store.path().join("default"))
        .expect("the room's folder")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.to_string_lossy().contains("stuck"))
        .expect("the connection's file");
    std::fs::remove_file(&file).expect("removed");
    named_pipe(&file);

    let since = Instant::now();
    let message = error(&function.invoke(stuck));
    assert!(message.starts_with("the handler was still at work when its time limit was near"), "{message}");
    assert!(since.elapsed() > LIMIT / 2, "{:?}", since.elapsed());
    let (status, output) = function.process.wait();
    assert_eq!(status.code(), Some(1), "{output}");
    let last = output.lines().last().expect("a line");
    assert!(last.starts_with("ERROR invocation request_id=request-3 outcome=error message="), "{last}");
    assert!(last.ends_with("reported to SCF"), "{last}");
}

#[test]
fn a_stuck_process_ends_even_if_its_error_report_is_never_answered() {
    let store = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(store.path().join("default")).expect("the room's folder");
    named_pipe(&store.path().join("default/stuck"));
    let api = Wire::start(|request| match request.line.as_str() {
        "GET /runtime/invocation/next" => {
            let event = CONNECTING.replace("xawexasdfewezdfsdfeasdfffa==", "stuck");
            vec![Act::answer(200, "request_id: r1\r\ntime_limit_in_ms: 1000\r\n", event)]
        }
        "POST /runtime/invocation/error" => vec![
            Act::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec()),
            Act::Wait(Duration::from_mins(1)),
        ],
        _ => vec![Act::answer(200, "", "{}")],
    });
    let url = format!("dir:{}", store.path().display());
    let process = Process::for_api(api.port, &[("WS_ROLE", "register"), ("WS_STORE", &url)]);
    // Long before the answer's end, which never comes.
    let (status, output) = process.wait();
    assert_eq!(status.code(), Some(1), "{output}");
    assert!(output.ends_with("reported to SCF\n"), "{output}");
}

#[test]
fn events_within_the_limit_do_not_trigger_the_watchdog() {
    for batches in Batches::BOTH {
        events_within_the_limit(batches);
    }
}

fn events_within_the_limit(batches: Batches) {
    let gateway = Wire::start(move |request| {
        let slow = String::from_utf8_lossy(&request.body).contains("slow");
        let pause = if slow { LIMIT / 2 } else { Duration::ZERO };
        vec![Act::Wait(pause), Act::answer(200, "", batches.ok())]
    });
    let env = [("WS_ROLE", "transfer"), ("WS_PUSH_URL", &gateway.url()), ("WS_PUSH_TO", "a,b,c")];
    let function = Function::with_limits(RuntimeLimits::new(128, LIMIT), &env);
    for _ in 0..3 {
        for data in ["quick", "quick", "slow"] {
            let event = DATA_RECV.replace("xxx", data);
            assert_eq!(response(&function.invoke(event.clone())), event);
        }
    }
}
