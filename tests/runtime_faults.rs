//! The runtime API fails in many ways; no event is handled twice or partially, and no outcome is lost.

use std::time::{Duration, Instant};

use scf_websocket_test_harness::{
    Act, CLOSING, DATA_RECV, Function, HeaderCase, Process, ReservedPort, RuntimeLimits, Wire, response,
    wait_until,
};

const CLEANUP: &[(&str, &str)] = &[("WS_ROLE", "cleanup")];
const HEADERS: &str = "Request_Id: r1\r\ntime_limit_in_ms: 3000\r\nmemory_limit_in_mb: 128\r\n";

const NEXT: &str = "GET /runtime/invocation/next";

fn is_next(line: &str) -> bool {
    line == NEXT
}

fn is_outcome(line: &str) -> bool {
    matches!(line, "POST /runtime/invocation/response" | "POST /runtime/invocation/error")
}

fn ok() -> Act {
    Act::answer(200, "", "{}")
}

/// Leaves the connection open without an answer.
fn silence() -> Vec<Act> {
    vec![Act::Wait(Duration::from_mins(1))]
}

fn event(headers: &str) -> Act {
    Act::answer(200, headers, CLOSING)
}

/// Waits for this many outcomes and returns them.
fn outcomes(api: &Wire, process: &Process, count: usize) -> Vec<String> {
    let posted = || -> Vec<String> {
        let requests = api.requests().into_iter().filter(|request| is_outcome(&request.line));
        requests.map(|request| String::from_utf8_lossy(&request.body).into_owned()).collect()
    };
    wait_until(
        || format!("{count} outcomes instead of {:?}\n{}", posted(), process.output()),
        || Some(posted()).filter(|posted| posted.len() >= count),
    )
}

#[test]
fn ready_is_one_space_and_comes_once() {
    let api = Wire::start(|request| if is_next(&request.line) { silence() } else { vec![ok()] });
    let process = Process::for_api(api.port, CLEANUP);
    api.await_requests(NEXT, 1);
    let requests = api.requests();
    assert_eq!(
        (requests[0].line.as_str(), requests[0].body.as_slice()),
        ("POST /runtime/init/ready", &b" "[..])
    );
    assert!(is_next(&requests[1].line));
    assert_eq!(requests[1].connection, 1, "one connection for all calls");
    drop(process);
}

#[test]
fn header_names_are_case_insensitive() {
    for case in [HeaderCase::Lower, HeaderCase::Title] {
        let function =
            Function::with_limits(RuntimeLimits { header_case: case, ..RuntimeLimits::default() }, CLEANUP);
        assert_eq!(response(&function.invoke(CLOSING)), CLOSING);
        assert!(!function.process.await_output("request_id=request-1").contains("WARN"));
    }
    let api = Wire::start(move |request| match request.line.as_str() {
        line if is_next(line) => {
            vec![event("REQUEST_ID: loud\r\nTIME_LIMIT_IN_MS: 3000\r\nMEMORY_LIMIT_IN_MB: 128\r\n")]
        }
        _ => vec![ok()],
    });
    let process = Process::for_api(api.port, CLEANUP);
    assert!(!process.await_output("request_id=loud").contains("WARN the runtime API"));
}

#[test]
fn missing_limit_headers_are_tolerated_with_a_warning() {
    let limits = RuntimeLimits {
        memory_limit_in_mb: None,
        time_limit_in_ms: None,
        request_id: false,
        ..RuntimeLimits::default()
    };
    let function = Function::with_limits(limits, CLEANUP);
    assert_eq!(response(&function.invoke(CLOSING)), CLOSING);
    let output = function.process.await_output("invocation");
    for part in [
        "WARN the runtime API sent no request_id",
        "WARN the runtime API's header time_limit_in_ms is absent",
        "WARN the runtime API's header memory_limit_in_mb is absent",
    ] {
        assert!(output.contains(part), "{part} in {output}");
    }
}

#[test]
fn absurd_limit_headers_are_tolerated_too() {
    let api = Wire::start(|request| match request.line.as_str() {
        line if is_next(line) => {
            vec![event(
                "request_id: r\r\ntime_limit_in_ms: 18446744073709551615\r\nmemory_limit_in_mb: much\r\n",
            )]
        }
        _ => vec![ok()],
    });
    let process = Process::for_api(api.port, CLEANUP);
    assert_eq!(outcomes(&api, &process, 2)[0], CLOSING);
    process.await_output("header memory_limit_in_mb is \"much\", not a number above 0");
}

#[test]
fn a_runtime_api_that_comes_late_is_waited_for() {
    let port = ReservedPort::new();
    let process = Process::for_api(port.number(), CLEANUP);
    process.await_output("ready failed, trying again in 640ms");
    let api = Wire::on(port.listen(), |request| match request.line.as_str() {
        line if is_next(line) => vec![event(HEADERS)],
        _ => vec![ok()],
    });
    assert_eq!(outcomes(&api, &process, 1)[0], CLOSING);
}

#[test]
fn a_runtime_api_that_is_gone_ends_the_process_after_thirty_seconds() {
    let since = Instant::now();
    let port = ReservedPort::new();
    let process = Process::for_api(port.number(), CLEANUP);
    let (status, output) = process.wait();
    assert_eq!(status.code(), Some(1), "{output}");
    assert!(since.elapsed() >= Duration::from_secs(30), "{:?}", since.elapsed());
    let last = output.lines().last().expect("a line");
    assert!(
        last.starts_with("ERROR giving up: the runtime API's ready has failed for 30 s; the last failure: ")
    );
    assert!(last.ends_with("Connection refused (os error 111)"), "{last}");
    assert!(output.lines().count() < 50, "too many lines in spite of the back-off:\n{output}");
}

#[test]
fn an_outcome_whose_answer_is_cut_is_sent_again_and_the_event_is_handled_once() {
    let gateway = Wire::start(|_| vec![Act::answer(200, "", r#"{"errNo":0,"errMsg":"ok"}"#)]);
    let (mut offered, mut cuts) = (false, 0);
    let api = Wire::start(move |request| match request.line.as_str() {
        line if is_next(line) && !offered => {
            offered = true;
            vec![Act::answer(200, HEADERS, DATA_RECV)]
        }
        line if is_next(line) => silence(),
        line if is_outcome(line) && cuts < 5 => {
            cuts += 1;
            vec![Act::Close]
        }
        _ => vec![ok()],
    });
    let env = [("WS_ROLE", "transfer"), ("WS_PUSH_URL", &gateway.url())];
    let process = Process::for_api(api.port, &env);
    let posted = outcomes(&api, &process, 6);
    assert!(posted.iter().all(|outcome| outcome == DATA_RECV));
    api.await_requests(NEXT, 2);
    assert_eq!(gateway.requests().len(), 1, "one push");
    process.await_output("WARN outcome request_id=r1 not accepted, sending it again in 10ms");
}

#[test]
fn an_event_offered_again_is_answered_with_its_stored_outcome() {
    let gateway = Wire::start(|_| vec![Act::answer(200, "", r#"{"errNo":0,"errMsg":"ok"}"#)]);
    let mut offers = 0;
    let api = Wire::start(move |request| match request.line.as_str() {
        line if is_next(line) => {
            offers += 1;
            match offers {
                1..=3 => vec![Act::answer(200, "request_id: r1\r\ntime_limit_in_ms: 1000\r\n", DATA_RECV)],
                4 => vec![Act::answer(200, "request_id: r2\r\ntime_limit_in_ms: 1000\r\n", DATA_RECV)],
                _ => silence(),
            }
        }
        // The outcome of the first offer is never accepted.
        line if is_outcome(line) && offers == 1 => vec![Act::answer(503, "", "busy")],
        _ => vec![ok()],
    });
    let env = [("WS_ROLE", "transfer"), ("WS_PUSH_URL", &gateway.url())];
    let process = Process::for_api(api.port, &env);
    process.await_output("request_id=r2 role");
    let output = process.output();
    assert!(output.contains("ERROR outcome request_id=r1 not delivered before its time limit"), "{output}");
    assert!(output.contains("WARN event request_id=r1 offered again: its outcome is sent again"), "{output}");
    assert_eq!(gateway.requests().len(), 2, "one push for each of two events");
}

#[test]
fn an_outcome_that_is_refused_is_not_sent_again() {
    let mut offers = 0;
    let api = Wire::start(move |request| match request.line.as_str() {
        line if is_next(line) => {
            offers += 1;
            if offers == 1 { vec![event(HEADERS)] } else { silence() }
        }
        line if is_outcome(line) => vec![Act::answer(403, "", "already decided")],
        _ => vec![ok()],
    });
    let process = Process::for_api(api.port, CLEANUP);
    let line = "ERROR outcome request_id=r1 refused by the runtime API: status 403: \"already decided\"";
    process.await_output(line);
    api.await_requests(NEXT, 2);
    assert_eq!(outcomes(&api, &process, 1).len(), 1);
}

#[test]
fn an_error_response_is_logged_as_far_as_it_arrives_soon_and_fits() {
    let long = "sorry ".repeat(1_000);
    let mut polls = 0;
    let api = Wire::start(move |request| {
        if !is_next(&request.line) {
            return vec![ok()];
        }
        polls += 1;
        match polls {
            1 => vec![Act::answer(501, "", &long)],
            2 => vec![Act::Send(
                format!("HTTP/1.1 502 No\r\nTransfer-Encoding: chunked\r\n\r\n1770\r\n{long}\r\n0\r\n\r\n")
                    .into(),
            )],
            3 => vec![Act::Send(format!("HTTP/1.1 503 No\r\n\r\n{long}").into()), Act::Close],
            // This answer never ends.
            4 => vec![Act::Send(b"HTTP/1.1 504 No\r\n\r\nwait".to_vec()), Act::Wait(Duration::from_mins(1))],
            5 => vec![event(HEADERS)],
            _ => silence(),
        }
    });
    let process = Process::for_api(api.port, CLEANUP);
    assert_eq!(outcomes(&api, &process, 1), [CLOSING]);
    for status in [501, 502, 503] {
        process.await_output(&format!("status {status}: \"{}sorr\"\n", "sorry ".repeat(42)));
    }
    process.await_output("status 504: \"wait\"");
}

#[test]
fn an_accepting_answer_that_never_ends_delays_nothing() {
    for headers in ["", "Content-Length: 100\r\n"] {
        let mut polls = 0;
        let api = Wire::start(move |request| match request.line.as_str() {
            line if is_next(line) => {
                polls += 1;
                let id = format!("request_id: r{polls}\r\ntime_limit_in_ms: 60000\r\n");
                if polls < 3 { vec![event(&id)] } else { silence() }
            }
            line if is_outcome(line) => {
                let begun = Act::Send(format!("HTTP/1.1 200 OK\r\n{headers}\r\nfine").into());
                [vec![begun], silence()].concat()
            }
            _ => vec![ok()],
        });
        let process = Process::for_api(api.port, CLEANUP);
        assert_eq!(outcomes(&api, &process, 2), [CLOSING, CLOSING], "{headers:?}");
    }
}

#[test]
fn next_that_fails_is_polled_again_and_a_partial_event_is_not_handled() {
    let mut polls = 0;
    let head = |length: usize| format!("HTTP/1.1 200 OK\r\n{HEADERS}Content-Length: {length}\r\n\r\n");
    let api = Wire::start(move |request| {
        if !is_next(&request.line) {
            return vec![ok()];
        }
        polls += 1;
        match polls {
            1 => vec![Act::Close],
            2 => vec![Act::answer(500, "", "internal error")],
            3 => vec![Act::answer(502, "Content-Type: text/html\r\n", "<html>Bad gateway</html>")],
            4 => vec![
                Act::Send([head(CLOSING.len()).as_bytes(), &CLOSING.as_bytes()[..20]].concat()),
                Act::Close,
            ],
            5 => vec![Act::Send(b"HTTP/1.1 200 OK\r\nReque".to_vec()), Act::Close],
            6 => vec![Act::Send(b"\x00\xff nonsense \r\n\r\n".to_vec()), Act::Close],
            7 => vec![
                Act::Send(
                    format!("HTTP/1.1 200 OK\r\n{HEADERS}Transfer-Encoding: chunked\r\n\r\n5\r\n{{\"web")
                        .into(),
                ),
                Act::Close,
            ],
            8 => vec![event(HEADERS)],
            _ => silence(),
        }
    });
    let process = Process::for_api(api.port, CLEANUP);
    assert_eq!(outcomes(&api, &process, 1), [CLOSING]);
    let output = process.await_output("invocation request_id");
    assert_eq!(output.matches("invocation request_id").count(), 1, "{output}");
    assert!(
        output.contains("next failed, trying again in 40ms: status 502: \"<html>Bad gateway</html>\""),
        "{output}"
    );
}

#[test]
fn an_answer_that_is_not_http_is_polled_again_and_the_log_says_why() {
    let chunked = |rest: &str| format!("Transfer-Encoding: chunked\r\n\r\n{rest}");
    let cases = [
        ("Content-Length: +2\r\n\r\n{}".to_owned(), "content-length \"+2\""),
        ("Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}".to_owned(), "content-length 2 and 3"),
        (chunked("two\r\n{}\r\n0\r\n\r\n"), "the size of a chunk is not a number"),
        (chunked("1\r\n{}\r\n0\r\n\r\n"), "a chunk is longer than its size"),
        (chunked("2\r\n{}\r\n\r\n\r\n"), "the size of a chunk is not a number"),
        (
            "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n".to_owned(),
            "transfer-encoding \"gzip, chunked\"",
        ),
        (format!("{}\r\n", "x: y\r\n".repeat(129)), "too many headers"),
        (format!("x: {}\r\n\r\n", "y".repeat(17_000)), "it has a head or a line longer than 16384 bytes"),
        ("no header\r\n\r\n".to_owned(), "invalid header name"),
    ];
    let answers = cases.clone().map(|(rest, _)| Act::Send(format!("HTTP/1.1 200 OK\r\n{rest}").into()));
    let (mut answers, mut bad) = (answers.into_iter(), false);
    // Each malformed answer is followed by an event, which must be handled.
    let api = Wire::start(move |request| {
        if !is_next(&request.line) {
            return vec![ok()];
        }
        bad = !bad;
        match answers.len() {
            0 if bad => silence(),
            _ if bad => answers.next().into_iter().chain([Act::Wait(Duration::from_millis(100))]).collect(),
            left => vec![event(&format!("request_id: with-{left}-left\r\ntime_limit_in_ms: 3000\r\n"))],
        }
    });
    let process = Process::for_api(api.port, CLEANUP);
    assert_eq!(outcomes(&api, &process, cases.len()), vec![CLOSING; cases.len()]);
    for (_, why) in cases {
        process.await_output(&format!("the answer is not HTTP: {why}"));
    }
}

#[test]
fn any_framing_that_http_allows_makes_no_difference() {
    let chunked = |way: usize, end: &str| {
        let chunk =
            |bytes: &[u8]| format!("{:x};any=thing\r\n{}\r\n", bytes.len(), String::from_utf8_lossy(bytes));
        let chunks: Vec<String> = closing_of(way).as_bytes().chunks(7).map(chunk).collect();
        format!("{}Transfer-Encoding: chunked\r\n\r\n{}0\r\n{end}\r\n", head(way, "1.1"), chunks.concat())
    };
    let with_length = |way: usize, headers: &str| {
        let event = closing_of(way);
        format!("{}{headers}content-length: {}\r\n\r\n{event}", head(way, "1.1"), event.len())
    };
    let until_closed = |way: usize, version: &str| format!("{}\r\n{}", head(way, version), closing_of(way));
    let interim = |way: usize| {
        let early = "HTTP/1.1 103 Early Hints\r\nlink: </>\r\n\r\n";
        format!("HTTP/1.1 100 Continue\r\n\r\n{early}{}", with_length(way, ""))
    };
    let pause = Duration::from_micros(300);
    let plain = with_length(3, "");
    let split = plain.split_at(30);
    let ways = vec![
        vec![Act::Send(chunked(0, "").into())],
        vec![Act::Trickle(chunked(1, "Checksum: 12\r\nMore: of it\r\n").into(), pause)],
        vec![Act::Trickle(with_length(2, "").into(), pause)],
        vec![Act::Send(split.0.into()), Act::Wait(Duration::from_millis(50)), Act::Send(split.1.into())],
        vec![Act::Send(with_length(4, "Connection: Close\r\n").into()), Act::Close],
        vec![Act::Send(until_closed(5, "1.0").into()), Act::Close],
        vec![Act::Send(until_closed(6, "1.1").into()), Act::Close],
        vec![Act::Send(interim(7).into())],
        vec![Act::Trickle(interim(8).into(), pause)],
        // Bytes after an answer close the connection and are not part of the next answer.
        vec![Act::Send((with_length(9, "") + "HTTP/1.1 403 Forbidden\r\n\r\n").into())],
        vec![Act::Send(chunked(10, "Checksum: 12\r\n").into())],
    ];
    let count = ways.len();
    let expected: Vec<String> = (0..count).map(closing_of).collect();
    for after_an_outcome in [vec![ok()], vec![ok(), Act::Close]] {
        let mut polls = ways.clone().into_iter();
        let api = Wire::start(move |request| {
            if is_next(&request.line) {
                polls.next().unwrap_or_else(silence)
            } else {
                after_an_outcome.clone()
            }
        });
        let process = Process::for_api(api.port, CLEANUP);
        assert_eq!(outcomes(&api, &process, count), expected);
        let output = process.await_output(&format!("invocation request_id=way-{} ", count - 1));
        assert_eq!(output.matches("outcome=ok").count(), count, "{output}");
        assert!(!output.contains("WARN outcome") && !output.contains("ERROR"), "{output}");
    }
}

/// The status line and first headers of an event; `way` is part of its request id.
fn head(way: usize, version: &str) -> String {
    format!("HTTP/{version} 200 OK\r\nRequest_Id: way-{way}\r\ntime_limit_in_ms: 3000\r\n")
}

fn closing_of(way: usize) -> String {
    CLOSING.replacen('{', &format!("{{\"way\":{way},"), 1)
}
