//! The push address fails in many ways; the invocation ends within its time limit with the right outcome. Each test runs
//! for a push to one connection and to several, and with and without batches.

use std::thread;
use std::time::{Duration, Instant};

use scf_websocket_test_harness::{
    Act, Batches, DATA_RECV, Function, Gate, PushAddress, Request, ReservedPort, RuntimeLimits, Wire, error,
    response, wait_until,
};

/// Whom a frame is pushed to, and what the push address offers.
#[derive(Debug, Clone, Copy)]
struct Case {
    connections: usize,
    batches: Batches,
}

impl Case {
    /// All of them at once; each starts what it needs.
    fn each(test: impl Fn(Self) + Sync) {
        thread::scope(|scope| {
            for connections in [1, 3] {
                for batches in Batches::BOTH {
                    let test = &test;
                    scope.spawn(move || test(Self { connections, batches }));
                }
            }
        });
    }

    /// How many requests push a frame.
    fn pushes(self) -> usize {
        if self.batches == Batches::None { self.connections } else { 1 }
    }

    fn is_batch(self) -> bool {
        self.pushes() < self.connections
    }

    /// A function that has not pushed yet.
    fn cold(self, url: &str) -> Function {
        self.cold_within(LIMIT, url)
    }

    fn cold_within(self, limit: Duration, url: &str) -> Function {
        let to = if self.connections == 1 { "sender" } else { "a,b,c" };
        let env =
            [("WS_ROLE", "transfer"), ("WS_PUSH_URL", url), ("WS_PUSH_TO", to), ("WS_PUSH_ENCODING", "raw")];
        Function::with_limits(RuntimeLimits::new(128, limit), &env)
    }

    /// A function that knows what the push address offers.
    fn transfer(self, url: &str) -> Function {
        let function = self.cold(url);
        response(&function.invoke(warm_up()));
        function
    }

    /// A push address that fails in this way, except while the function warms up.
    fn gateway(self, mut fault: impl FnMut() -> Vec<Act> + Send + 'static) -> Wire {
        Wire::start(move |push| if is_warm_up(push) { vec![self.ok()] } else { fault() })
    }

    fn ok(self) -> Act {
        Act::answer(200, "", self.batches.ok())
    }
}

fn warm_up() -> String {
    DATA_RECV.replace("xxx", "warm-up")
}

fn is_warm_up(push: &Request) -> bool {
    String::from_utf8_lossy(&push.body).contains("warm-up")
}

/// The pushes of the events after the first.
fn pushes(gateway: &Wire) -> usize {
    gateway.requests().iter().filter(|push| !is_warm_up(push)).count()
}

/// SCF's default. A tenth of it is what a busy machine may be late by.
const LIMIT: Duration = Duration::from_secs(3);

#[test]
fn clients_that_have_left_are_no_warning() {
    Case::each(|case| {
        let gateway = PushAddress::with(case.batches);
        let function = case.transfer(&gateway.url());
        for id in ["xawexasdfewezdfsdfeasdfffa==", "a", "b", "c"] {
            gateway.forget(id);
        }
        for _ in 0..100 {
            assert_eq!(response(&function.invoke(DATA_RECV)), DATA_RECV);
        }
        // What is logged of an event comes before the line of its outcome.
        let count = 101;
        let output = wait_until(
            || format!("{count} outcomes in:\n{}", function.process.output()),
            || {
                let output = function.process.output();
                (output.matches("outcome=ok").count() == count).then_some(output)
            },
        );
        assert!(!output.contains("WARN"), "{output}");
    });
}

#[test]
fn a_push_that_is_refused_is_a_warning() {
    Case::each(|case| {
        let refused = r#"{"errNo":503,"errMsg":"not now"}"#;
        let gateway = case.gateway(move || vec![Act::answer(503, "", refused)]);
        let function = case.transfer(&gateway.url());
        assert_eq!(response(&function.invoke(DATA_RECV)), DATA_RECV);
        let count = case.connections;
        let line =
            format!("WARN pushes asked={count} delivered=0 gone=0 failed={count} untried=0 last_trouble=");
        function.process.await_output(&line);
    });
}

#[test]
fn an_event_fails_if_only_another_server_answers_its_pushes() {
    let not_ours = r#"{"errNo":403,"errMsg":"this is not this gateway's push address"}"#;
    for (status, body) in [
        (201, ""),
        (302, ""),
        (400, "<html>"),
        (403, not_ours),
        (404, "<html>"),
        (404, r#"{"errNo":404}"#),
        (410, ""),
        (500, "no"),
        (503, "no"),
    ] {
        Case::each(|case| {
            let gateway =
                case.gateway(move || vec![Act::answer(status, "Location: http://127.0.0.1:1/\r\n", body)]);
            let function = case.transfer(&gateway.url());
            let message = error(&function.invoke(DATA_RECV));
            assert!(message.starts_with("no push of this event reached the gateway"), "{message}");
            assert!(message.contains(&format!("status {status}")), "{message}");
            assert_eq!(message.ends_with("; check WS_PUSH_URL and push_token"), status < 500, "{message}");
            // Where a batch is not taken, its connections follow one by one.
            let more = if case.is_batch() && (400..500).contains(&status) { case.connections } else { 0 };
            assert_eq!(pushes(&gateway), case.pushes() + more, "no redirect is followed: {status} {case:?}");
        });
    }
}

#[test]
fn a_failure_that_the_gateway_answers_is_a_warning() {
    for status in [200, 400, 413, 503] {
        Case::each(|case| {
            let body = case.batches.ok().replace(r#""errNo":0"#, &format!(r#""errNo":{}"#, status.max(400)));
            let gateway = case.gateway(move || vec![Act::answer(status, "", &body)]);
            let function = case.transfer(&gateway.url());
            assert_eq!(response(&function.invoke(DATA_RECV)), DATA_RECV, "{status}");
            let count = case.connections;
            let line = format!("WARN pushes asked={count} delivered=0 gone=0 failed={count} untried=0");
            function.process.await_output(&line);
            assert_eq!(pushes(&gateway), case.pushes(), "{status} {case:?}");
        });
    }
}

#[test]
fn an_event_fails_if_no_push_reaches_the_gateway() {
    Case::each(|case| {
        let port = ReservedPort::new();
        let function = case.cold(&format!("http://127.0.0.1:{}/api", port.number()));
        let message = error(&function.invoke(DATA_RECV));
        assert!(
            message.starts_with("no push of this event reached the gateway at WS_PUSH_URL http://127.0.0.1:")
        );
        assert!(message.ends_with("Connection refused (os error 111)"), "{message}");

        let function = case.cold("http://no-such-host.invalid/api");
        let message = error(&function.invoke(DATA_RECV));
        assert!(message.contains("looking up the host name no-such-host.invalid"), "{message}");
    });
}

#[test]
fn a_gateway_that_hangs_fails_the_push_before_the_time_limit() {
    Case::each(|case| {
        let hang = case.gateway(|| vec![Act::Wait(Duration::from_mins(1))]);
        let function = case.transfer(&hang.url());
        for _ in 0..2 {
            let since = Instant::now();
            let message = error(&function.invoke(DATA_RECV));
            // At the time limit, the watchdog would report another message.
            assert!(message.ends_with("no answer in time"), "{message}");
            assert!(since.elapsed() > LIMIT / 2, "{:?}", since.elapsed());
        }
        let count = case.connections;
        let line = format!("WARN pushes asked={count} delivered=0 gone=0 failed={count} untried=0");
        function.process.await_output(&line);
    });
}

#[test]
fn a_gateway_that_trickles_fails_the_push_before_the_time_limit() {
    Case::each(|case| {
        let slow = case.gateway(move || {
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{}", case.batches.ok());
            vec![Act::Trickle(answer.into(), LIMIT / 10)]
        });
        let function = case.transfer(&slow.url());
        assert!(error(&function.invoke(DATA_RECV)).ends_with("no answer in time"));
    });
}

#[test]
fn at_most_64_kb_of_an_answer_are_read() {
    let (announced, unending) = (
        "HTTP/1.1 500 No\r\nContent-Length: 1073741824\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    for (head, is_announced) in [(announced, true), (unending, false)] {
        Case::each(|case| {
            let flood = case.gateway(move || {
                let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
                let mut acts = vec![Act::Send(head.into())];
                acts.extend((0..1024).map(|_| Act::Send(chunk.clone().into())));
                acts
            });
            let function = case.transfer(&flood.url());
            let outcome = function.invoke(DATA_RECV);
            if is_announced {
                assert!(error(&outcome).ends_with("status 500, \"\""), "{outcome:?}");
            } else {
                assert_eq!(response(&outcome), DATA_RECV);
                function.process.await_output("WARN unparseable push response (longer than is read)");
            }
        });
    }
}

#[test]
fn an_answer_that_announces_a_gigabyte_is_not_waited_for() {
    Case::each(|case| {
        let slow = case.gateway(|| {
            let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n".to_vec();
            vec![Act::Send(head), Act::Wait(Duration::from_mins(1))]
        });
        let function = case.transfer(&slow.url());
        assert_eq!(response(&function.invoke(DATA_RECV)), DATA_RECV);
        function.process.await_output("WARN unparseable push response (longer than is read)");
    });
}

#[test]
fn whom_a_batch_has_reached_is_not_known_if_its_answer_is_cut() {
    Case::each(|case| {
        let cut = case.gateway(|| {
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"errNo\":0,\"failed\":[";
            vec![Act::Send(answer.into()), Act::Close]
        });
        let function = case.transfer(&cut.url());
        assert_eq!(response(&function.invoke(DATA_RECV)), DATA_RECV);
        let output = function.process.await_output("WARN unparseable push response (");
        if case.is_batch() {
            function.process.await_output("WARN pushes asked=3 delivered=0 gone=0 failed=3");
        } else {
            assert!(!output.contains("WARN pushes"), "{output}");
        }
        assert_eq!(pushes(&cut), case.pushes(), "no push is sent twice");
    });
}

#[test]
fn a_push_with_an_unparseable_answer_counts_as_delivered() {
    Case::each(|case| {
        let odd = case.gateway(|| vec![Act::answer(200, "", "<html>fine</html>")]);
        let function = case.transfer(&odd.url());
        assert_eq!(response(&function.invoke(DATA_RECV)), DATA_RECV);
        let output = function
            .process
            .await_output("WARN unparseable push response (expected value at line 1 column 1): status 200");
        assert!(!output.contains("WARN pushes"), "{output}");
        assert_eq!(pushes(&odd), case.pushes(), "no push is sent twice");
    });
}

#[test]
fn a_stale_kept_connection_is_replaced_without_a_warning() {
    Case::each(|case| {
        if case.pushes() > 1 {
            return;
        }
        // Each connection answers once and is closed after the event, as while an instance is frozen.
        let gates = [Gate::default(), Gate::default(), Gate::default()];
        let mut script = gates.clone().into_iter();
        let gateway = case.gateway(move || {
            let after = script.next().map_or(Act::Close, Act::Until);
            vec![case.ok(), after, Act::Close]
        });
        let function = case.transfer(&gateway.url());
        for (gate, closed) in gates.iter().zip(1..) {
            assert_eq!(response(&function.invoke(DATA_RECV)), DATA_RECV);
            gate.open();
            gateway.await_closed(closed);
        }
        assert_eq!(pushes(&gateway), 3, "no push is sent twice");
        let output = function.process.await_output("invocation request_id=request-4");
        assert!(!output.contains("WARN"), "{output}");
    });
}

#[test]
fn a_push_whose_answer_is_cut_is_not_sent_again() {
    Case::each(|case| {
        let gateway = case.gateway(|| vec![Act::Send(b"HTTP/1.1 2".to_vec()), Act::Close]);
        let function = case.transfer(&gateway.url());
        error(&function.invoke(DATA_RECV));
        assert_eq!(pushes(&gateway), case.pushes());
    });
}

#[test]
fn a_gateway_that_reads_nothing_fails_the_push_before_the_time_limit() {
    Case::each(|case| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        // A longer limit leaves more time between the end of the push and the watchdog, for a busy machine.
        let function = case.cold_within(LIMIT * 2, &format!("http://127.0.0.1:{port}/api"));
        // More than the buffers of both ends hold.
        let event = DATA_RECV.replace("xxx", &"x".repeat(5_900_000));
        let error = error(&function.invoke(event));
        assert!(error.ends_with("no answer in time"), "{error}");
        drop(listener);
    });
}
