//! The push address fails in many ways; the invocation ends within its time limit with the right outcome.

use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Act, DATA_RECV, Function, Limits, PushAddress, Wire, error, response, unused_port};

const OK: &str = r#"{"errNo":0,"errMsg":"ok"}"#;

fn transfer(url: &str, limit: Duration) -> Function {
    let env = [("WS_ROLE", "transfer"), ("WS_PUSH_URL", url)];
    Function::with_limits(Limits::new(128, limit), &env)
}

/// SCF's default. A tenth of it is what a busy machine may be late by.
const LIMIT: Duration = Duration::from_secs(3);

#[test]
fn a_push_that_is_refused_is_a_warning() {
    let gateway = PushAddress::start();
    gateway.forget("xawexasdfewezdfsdfeasdfffa==");
    let function = transfer(&gateway.url(), LIMIT);
    assert_eq!(response(&function.invoke(DATA_RECV)), DATA_RECV);
    let output = function.process.await_output("invocation");
    assert!(
        output.contains("WARN pushes asked=1 delivered=0 gone=1 failed=0 untried=0 last_trouble="),
        "{output}"
    );
}

#[test]
fn a_status_that_is_not_200_is_a_warning_too() {
    for status in [201, 302, 403, 404, 500, 503] {
        let gateway =
            Wire::start(move |_| vec![Act::answer(status, "Location: http://127.0.0.1:1/\r\n", "no")]);
        let function = transfer(&gateway.url(), LIMIT);
        assert_eq!(response(&function.invoke(DATA_RECV)), DATA_RECV, "{status}");
        function.process.await_output(&format!("status {status}"));
        assert_eq!(gateway.requests().len(), 1, "no redirect is followed");
    }
}

#[test]
fn an_event_fails_if_no_push_reaches_the_gateway() {
    let function = transfer(&format!("http://127.0.0.1:{}/api", unused_port()), LIMIT);
    let message = error(&function.invoke(DATA_RECV));
    assert!(
        message.starts_with("no push of this event reached the gateway at WS_PUSH_URL http://127.0.0.1:")
    );
    assert!(message.ends_with("Connection refused (os error 111)"), "{message}");

    let function = transfer("http://no-such-host.invalid/api", LIMIT);
    let message = error(&function.invoke(DATA_RECV));
    assert!(message.contains("looking up the host name no-such-host.invalid"), "{message}");
}

#[test]
fn a_gateway_that_hangs_fails_the_push_before_the_time_limit() {
    let hang = Wire::start(|_| vec![Act::Wait(Duration::from_mins(1))]);
    let function = transfer(&hang.url(), LIMIT);
    for _ in 0..2 {
        let since = Instant::now();
        let message = error(&function.invoke(DATA_RECV));
        // At the time limit, the watchdog would report another message.
        assert!(message.ends_with("no answer in time"), "{message}");
        assert!(since.elapsed() > LIMIT / 2, "{:?}", since.elapsed());
    }
}

#[test]
fn a_gateway_that_trickles_fails_the_push_before_the_time_limit() {
    let slow = Wire::start(|_| {
        vec![Act::Trickle(format!("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{OK}").into(), LIMIT / 10)]
    });
    let function = transfer(&slow.url(), LIMIT);
    assert!(error(&function.invoke(DATA_RECV)).ends_with("no answer in time"));
}

#[test]
fn at_most_64_kb_of_an_answer_are_read() {
    let (announced, unending) = (
        "HTTP/1.1 500 No\r\nContent-Length: 1073741824\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    for (head, line) in [
        (announced, "WARN pushes asked=1 delivered=0 gone=0 failed=1"),
        (unending, "WARN unparseable push response (longer than is read)"),
    ] {
        let flood = Wire::start(move |_| {
            let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
            let mut acts = vec![Act::Send(head.into())];
            acts.extend((0..1024).map(|_| Act::Send(chunk.clone().into())));
            acts
        });
        let function = transfer(&flood.url(), LIMIT);
        assert_eq!(response(&function.invoke(DATA_RECV)), DATA_RECV);
        function.process.await_output(line);
    }
}

#[test]
fn an_answer_that_announces_a_gigabyte_is_not_waited_for() {
    let slow = Wire::start(|_| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n".to_vec();
        vec![Act::Send(head), Act::Wait(Duration::from_mins(1))]
    });
    let function = transfer(&slow.url(), LIMIT);
    assert_eq!(response(&function.invoke(DATA_RECV)), DATA_RECV);
    function.process.await_output("WARN unparseable push response (longer than is read)");
}

#[test]
fn a_push_with_an_unparseable_answer_counts_as_delivered() {
    let odd = Wire::start(|_| vec![Act::answer(200, "", "<html>fine</html>")]);
    let function = transfer(&odd.url(), LIMIT);
    assert_eq!(response(&function.invoke(DATA_RECV)), DATA_RECV);
    function
        .process
        .await_output("WARN unparseable push response (expected value at line 1 column 1): status 200");
}

#[test]
fn a_stale_kept_connection_is_replaced_without_a_warning() {
    // Each connection answers once and is closed later, as while an instance is frozen.
    let gateway =
        Wire::start(|_| vec![Act::answer(200, "", OK), Act::Wait(Duration::from_millis(50)), Act::Close]);
    let function = transfer(&gateway.url(), LIMIT);
    for pause in [0, 100, 700] {
        thread::sleep(Duration::from_millis(pause));
        assert_eq!(response(&function.invoke(DATA_RECV)), DATA_RECV);
    }
    assert_eq!(gateway.requests().len(), 3, "no push is sent twice");
    let output = function.process.await_output("invocation request_id=request-3");
    assert!(!output.contains("WARN"), "{output}");
}

#[test]
fn a_push_whose_answer_is_cut_is_not_sent_again() {
    let gateway = Wire::start(|_| vec![Act::Send(b"HTTP/1.1 2".to_vec()), Act::Close]);
    let function = transfer(&gateway.url(), LIMIT);
    error(&function.invoke(DATA_RECV));
    assert_eq!(gateway.requests().len(), 1);
}

#[test]
fn a_gateway_that_reads_nothing_fails_the_push_before_the_time_limit() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let function = transfer(&format!("http://127.0.0.1:{port}/api"), LIMIT);
    // More than the buffers of both ends hold.
    let event = DATA_RECV.replace("xxx", &"x".repeat(5_900_000));
    assert!(error(&function.invoke(event)).ends_with("no answer in time"));
    drop(listener);
}
