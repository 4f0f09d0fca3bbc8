//! Pushes to several connections become batches as soon as the push address has offered them, and only then.

use std::collections::BTreeSet;
use std::time::Duration;

use scf_websocket_test_harness::{
    Act, Batches, CLOSING, DATA_RECV, Function, PushAddress, RuntimeLimits, Wire, error, pushed_ids, response,
};

/// Ample, since nothing here is about time.
const LIMIT: Duration = Duration::from_secs(20);

fn ids(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("connection/{number}==")).collect()
}

/// Pushes each frame to these connections, this many requests at once.
fn transfer(url: &str, ids: &[String], concurrency: usize) -> Function {
    let (to, concurrency) = (ids.join(","), concurrency.to_string());
    let env = [
        ("WS_ROLE", "transfer"),
        ("WS_PUSH_URL", url),
        ("WS_PUSH_TO", to.as_str()),
        ("WS_PUSH_ENCODING", "raw"),
        ("WS_PUSH_CONCURRENCY", concurrency.as_str()),
    ];
    Function::with_limits(RuntimeLimits::new(128, LIMIT), &env)
}

/// The ids in each of the bodies.
fn pushes(bodies: &[String]) -> Vec<Vec<String>> {
    bodies.iter().map(|body| pushed_ids(body)).collect()
}

fn sizes(bodies: &[String]) -> Vec<usize> {
    pushes(bodies).iter().map(Vec::len).collect()
}

fn assert_each_once(bodies: &[String], ids: &[String]) {
    let pushed: Vec<String> = pushes(bodies).concat();
    assert_eq!(pushed.len(), ids.len(), "one push for each connection: {:?}", sizes(bodies));
    assert_eq!(pushed.iter().collect::<BTreeSet<_>>(), ids.iter().collect());
}

fn bodies(gateway: &Wire) -> Vec<String> {
    gateway.requests().into_iter().map(|push| String::from_utf8(push.body).expect("UTF-8")).collect()
}

fn invoke(function: &Function) {
    assert_eq!(response(&function.invoke(DATA_RECV)), DATA_RECV);
}

#[test]
fn the_first_answer_of_a_cold_start_makes_batches_of_the_rest() {
    let ids = ids(2500);
    for concurrency in [1, 32] {
        let gateway = PushAddress::start();
        let function = transfer(&gateway.url(), &ids, concurrency);
        invoke(&function);
        let cold = gateway.take_bodies();
        assert_each_once(&cold, &ids);
        // However slow this machine is: each worker makes at most one single push before the first answer.
        let singles = sizes(&cold).into_iter().filter(|size| *size == 1).count();
        assert!(singles <= concurrency, "{:?}", sizes(&cold));
        invoke(&function);
        let warm = gateway.take_bodies();
        assert_each_once(&warm, &ids);
        let mut sizes = sizes(&warm);
        sizes.sort_unstable();
        assert_eq!(sizes, [500, 1000, 1000]);
        function.process.await_output("request_id=request-2");
    }
}

#[test]
fn a_push_to_one_connection_learns_of_batches_too() {
    let gateway = PushAddress::start();
    let env = [("WS_ROLE", "auto"), ("WS_PUSH_URL", &gateway.url()), ("WS_CLOSE", "a,b")];
    let function = Function::start(&env);
    invoke(&function);
    assert_eq!(response(&function.invoke(CLOSING)), CLOSING);
    let closing = r#"{"websocket":{"action":"closing","secConnectionIDs":["a","b"]}}"#;
    assert_eq!(gateway.take_bodies()[1..], [closing]);
}

#[test]
fn nothing_changes_on_the_wire_without_an_offer() {
    let gateway = PushAddress::with(Batches::None);
    let ids = ids(40);
    let function = transfer(&gateway.url(), &ids, 8);
    for _ in 0..3 {
        invoke(&function);
        let mut arrived = gateway.take();
        arrived.sort_by(|one, other| one.body.cmp(&other.body));
        let mut expected: Vec<String> = ids
            .iter()
            .map(|id| {
                format!(
                    r#"{{"websocket":{{"action":"data send","secConnectionID":"{id}","dataType":"text","data":"xxx"}}}}"#
                )
            })
            .collect();
        expected.sort();
        assert!(arrived.iter().all(|push| push.content_type == "application/json"));
        assert_eq!(arrived.into_iter().map(|push| push.body).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_batch_is_no_larger_than_offered_and_one_connection_is_no_batch() {
    let ids = ids(10);
    for (offered, expected) in [(3, vec![1, 3, 3, 3]), (4, vec![2, 4, 4]), (1, vec![1; 10]), (0, vec![1; 10])]
    {
        let gateway = PushAddress::with(Batches::Offered(offered));
        let function = transfer(&gateway.url(), &ids, 4);
        invoke(&function);
        gateway.take();
        invoke(&function);
        let bodies = gateway.take_bodies();
        assert_each_once(&bodies, &ids);
        let mut sizes = sizes(&bodies);
        sizes.sort_unstable();
        assert_eq!(sizes, expected, "{offered} offered");
        assert_eq!(bodies.iter().any(|body| body.contains("IDs")), offered > 1, "{bodies:?}");
    }
}

/// The gateway reads a quarter of a megabyte of ids.
#[test]
fn long_ids_are_spread_over_several_batches() {
    let ids: Vec<String> = (0..100).map(|number| format!("{number}-{}", "x".repeat(5000))).collect();
    let gateway = Wire::start(|_| vec![Act::answer(200, "", Batches::Offered(1000).ok())]);
    let store = tempfile::tempdir().expect("a folder");
    let url = format!("dir:{}", store.path().display());
    // More than a variable may hold: a room.
    let register = Function::start(&[("WS_ROLE", "register"), ("WS_STORE", &url)]);
    let env =
        [("WS_ROLE", "transfer"), ("WS_PUSH_URL", &gateway.url()), ("WS_PUSH_TO", "all"), ("WS_STORE", &url)];
    let function = Function::with_limits(RuntimeLimits::new(128, LIMIT), &env);
    for id in &ids {
        let event = format!(
            r#"{{"requestContext":{{}},"websocket":{{"action":"connecting","secConnectionID":"{id}"}}}}"#
        );
        assert!(response(&register.invoke(event)).starts_with(r#"{"errNo":0,"#));
    }
    let event = DATA_RECV.replace("xawexasdfewezdfsdfeasdfffa==", &ids[0]);
    assert_eq!(response(&function.invoke(event.clone())), event);
    let bodies = bodies(&gateway);
    assert_each_once(&bodies, &ids);
    assert!(bodies.iter().all(|body| body.len() < 200_000) && bodies.len() < 40, "{:?}", sizes(&bodies));
}

#[test]
fn those_that_failed_are_gone_with_404_and_kept_with_503() {
    let store = tempfile::tempdir().expect("a folder");
    let url = format!("dir:{}", store.path().display());
    let gateway = Wire::start(|push| {
        let offer = Batches::Offered(1000);
        let is_batch = String::from_utf8_lossy(&push.body).contains("IDs");
        let answer = if is_batch { offer.failed(&[("b", 404), ("c", 503), ("d", 404)]) } else { offer.ok() };
        vec![Act::answer(200, "", answer)]
    });
    let env =
        [("WS_ROLE", "auto"), ("WS_PUSH_URL", &gateway.url()), ("WS_STORE", &url), ("WS_PUSH_TO", "all")];
    let function = Function::start(&env);
    invoke(&function);
    for id in ["a", "b", "c", "d"] {
        let event = format!(
            r#"{{"requestContext":{{}},"websocket":{{"action":"connecting","secConnectionID":"{id}"}}}}"#
        );
        response(&function.invoke(event));
    }
    invoke(&function);
    function.process.await_output("WARN pushes asked=5 delivered=2 gone=2 failed=1 untried=0 last_trouble=");
    let mut members: Vec<_> = std::fs::read_dir(store.path().join("default"))
        .expect("the room's folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    members.sort();
    assert_eq!(members, ["a", "c", "xawexasdfewezdfsdfeasdfffa=="]);
}

/// A hundred bytes for each connection that is gone: more than the answer to a single push may have.
#[test]
fn an_answer_that_lists_a_thousand_connections_is_read() {
    let ids = ids(1001);
    let gateway = PushAddress::start();
    for id in &ids[1..] {
        gateway.forget(id);
    }
    let function = transfer(&gateway.url(), &ids, 1);
    invoke(&function);
    assert_eq!(sizes(&gateway.take_bodies()), [1, 1000]);
    let output = function.process.await_output("outcome=ok");
    assert!(!output.contains("WARN"), "{output}");
}

#[test]
fn an_address_that_takes_no_batches_any_more_gets_single_pushes_for_those_of_the_batch() {
    let refusals = [
        Act::answer(400, "", r#"{"errNo":400,"errMsg":"no secConnectionID"}"#),
        Act::answer(404, "", "<html>nothing here</html>"),
        Act::answer(405, "", ""),
        Act::answer(200, "", r#"{"errNo":101,"errMsg":"no such connection"}"#),
    ];
    for refusal in refusals {
        let ids = ids(6);
        let mut offer = Batches::Offered(3);
        let gateway = Wire::start(move |push| {
            if !String::from_utf8_lossy(&push.body).contains("IDs") {
                return vec![Act::answer(200, "", offer.ok())];
            }
            // The batch comes to another address than the one that offered it.
            offer = Batches::None;
            vec![refusal.clone()]
        });
        let function = transfer(&gateway.url(), &ids, 1);
        invoke(&function);
        let sent = bodies(&gateway);
        assert_eq!(sizes(&sent), [1, 3, 1, 1, 1, 1, 1], "{sent:?}");
        let singles: Vec<String> = sent.into_iter().filter(|body| !body.contains("IDs")).collect();
        assert_each_once(&singles, &ids);
        function.process.await_output("request_id=request-1");
        invoke(&function);
        assert_eq!(sizes(&bodies(&gateway)[7..]), [1; 6], "the offer is forgotten");
        let output = function.process.await_output("request_id=request-2");
        assert!(!output.contains("WARN"), "all are delivered in the end: {output}");
    }
}

#[test]
fn an_answer_without_the_offer_withdraws_it() {
    let ids = ids(5);
    let gateway = PushAddress::start();
    let function = transfer(&gateway.url(), &ids, 2);
    let once = |batches: Batches| {
        gateway.replace(batches);
        gateway.take();
        invoke(&function);
        let mut sizes = sizes(&gateway.take_bodies());
        sizes.sort_unstable();
        sizes
    };
    assert_eq!(once(Batches::Offered(1000)), [1, 4]);
    assert_eq!(once(Batches::Offered(1000)), [5]);
    assert_eq!(once(Batches::None), [1, 1, 1, 1, 1, 5], "the batch is refused, none of it was delivered");
    assert_eq!(once(Batches::None), [1; 5]);
    // Each of the two workers may be under way with one connection when the first answer offers batches again.
    let back = once(Batches::Offered(1000));
    assert!(back.last().is_some_and(|largest| *largest >= 3), "{back:?}");
    assert_eq!(once(Batches::Offered(1000)), [5]);
}

/// Such as a frame that is too long: each connection alone would be refused too.
#[test]
fn what_an_address_with_an_offer_refuses_is_not_sent_again() {
    let ids = ids(4);
    for status in [400, 413] {
        let gateway = Wire::start(move |push| {
            let is_batch = String::from_utf8_lossy(&push.body).contains("IDs");
            let refusal = r#"{"errNo":413,"errMsg":"too long","batch":1000}"#;
            vec![if is_batch {
                Act::answer(status, "", refusal)
            } else {
                Act::answer(200, "", Batches::Offered(1000).ok())
            }]
        });
        let function = transfer(&gateway.url(), &ids, 2);
        invoke(&function);
        assert_eq!(sizes(&bodies(&gateway)), [1, 3]);
        function
            .process
            .await_output("WARN pushes asked=4 delivered=1 gone=0 failed=3 untried=0 last_trouble=");
    }
}

/// It may have pushed to some of them already.
#[test]
fn a_batch_that_fails_is_not_sent_again_and_the_next_event_asks_anew() {
    let ids = ids(4);
    let mut outage = vec![Act::answer(502, "", "<html>bad gateway</html>")];
    let gateway = Wire::start(move |push| {
        let is_batch = String::from_utf8_lossy(&push.body).contains("IDs");
        let failure = if is_batch { outage.pop() } else { None };
        vec![failure.unwrap_or_else(|| Act::answer(200, "", Batches::Offered(1000).ok()))]
    });
    let function = transfer(&gateway.url(), &ids, 2);
    invoke(&function);
    assert_eq!(sizes(&bodies(&gateway)), [1, 3]);
    function.process.await_output("WARN pushes asked=4 delivered=1 gone=0 failed=3 untried=0 last_trouble=");
    invoke(&function);
    assert_eq!(sizes(&bodies(&gateway)[2..]), [1, 3]);
}

#[test]
fn a_batch_is_retried_after_429() {
    let ids = ids(4);
    let mut refusals = 3;
    let gateway = Wire::start(move |push| {
        let is_batch = String::from_utf8_lossy(&push.body).contains("IDs");
        refusals -= usize::from(is_batch && refusals > 0);
        let busy = is_batch && refusals > 0;
        vec![if busy { Act::answer(429, "", "") } else { Act::answer(200, "", Batches::Offered(1000).ok()) }]
    });
    let function = transfer(&gateway.url(), &ids, 2);
    invoke(&function);
    assert_eq!(sizes(&bodies(&gateway)), [1, 3, 3, 3]);
    let output = function.process.await_output("request_id=request-1");
    assert!(!output.contains("WARN"), "{output}");
}

/// One connection to a gateway hangs; those after it do not wait until the deadline.
#[test]
fn a_first_push_that_is_not_answered_holds_up_only_itself() {
    let ids = ids(10);
    let mut hangs = true;
    let gateway = Wire::start(move |_| {
        if std::mem::take(&mut hangs) {
            return vec![Act::Wait(Duration::from_mins(1))];
        }
        vec![Act::answer(200, "", Batches::Offered(1000).ok())]
    });
    let (to, limits) = (ids.join(","), RuntimeLimits::new(128, Duration::from_secs(4)));
    let env = [("WS_ROLE", "transfer"), ("WS_PUSH_URL", &gateway.url()), ("WS_PUSH_TO", &to)];
    let function = Function::with_limits(limits, &env);
    invoke(&function);
    assert_each_once(&bodies(&gateway), &ids);
    function.process.await_output("WARN pushes asked=10 delivered=9 gone=0 failed=1 untried=0");
}

#[test]
fn an_outage_in_the_middle_is_no_outage_of_the_event() {
    let ids = ids(4);
    let gateway = Wire::start(move |push| {
        let is_batch = String::from_utf8_lossy(&push.body).contains("IDs");
        vec![if is_batch { Act::Close } else { Act::answer(200, "", Batches::Offered(1000).ok()) }]
    });
    let function = transfer(&gateway.url(), &ids, 1);
    invoke(&function);
    function.process.await_output("WARN pushes asked=4 delivered=1 gone=0 failed=3 untried=0");
    let gateway = Wire::start(|_| vec![Act::Close]);
    let function = transfer(&gateway.url(), &ids, 1);
    assert!(error(&function.invoke(DATA_RECV)).starts_with("no push of this event reached the gateway"));
}

#[test]
fn a_connection_that_could_not_be_closed_stays_in_the_room() {
    for batches in Batches::BOTH {
        let store = tempfile::tempdir().expect("a folder");
        let url = format!("dir:{}", store.path().display());
        let gateway = Wire::start(move |push| {
            let body = String::from_utf8_lossy(&push.body);
            vec![match (body.contains("IDs"), body.contains(r#""c""#)) {
                (true, _) => Act::answer(200, "", batches.failed(&[("c", 503)])),
                (false, true) => Act::answer(503, "", batches.ok()),
                (false, false) => Act::answer(200, "", batches.ok()),
            }]
        });
        let gateway_url = gateway.url();
        let env = [
            ("WS_ROLE", "auto"),
            ("WS_PUSH_URL", gateway_url.as_str()),
            ("WS_STORE", url.as_str()),
            ("WS_CLOSE", "a,b,c"),
        ];
        let function = Function::start(&env);
        for id in ["a", "b", "c", "d"] {
            let event = format!(
                r#"{{"requestContext":{{}},"websocket":{{"action":"connecting","secConnectionID":"{id}"}}}}"#
            );
            response(&function.invoke(event));
        }
        response(&function.invoke(CLOSING));
        function.process.await_output("WARN pushes asked=3 delivered=2 gone=0 failed=1 untried=0");
        let members = std::fs::read_dir(store.path().join("default")).expect("the room's folder");
        let mut members: Vec<_> = members.map(|entry| entry.expect("an entry").file_name()).collect();
        members.sort();
        assert_eq!(members, ["c", "d"], "{batches:?}");
    }
}
