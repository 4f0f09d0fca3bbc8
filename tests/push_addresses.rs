//! Several push addresses, of gateways that serve the same clients: one is used until it cannot be reached.

use std::{fs, time::Duration};

use scf_websocket_test_harness::{
    Act, DATA_RECV, Function, HangingLookUps, PushAddress, ReservedPort, RuntimeLimits, Wire, error, response,
};

fn transfer(to: &str, addresses: &[&str]) -> Function {
    let addresses = addresses.join(",");
    Function::start(&[("WS_ROLE", "transfer"), ("WS_PUSH_TO", to), ("WS_PUSH_URL", &addresses)])
}

/// An address that refuses connections.
fn refusing(port: &ReservedPort) -> String {
    format!("http://127.0.0.1:{}/api-local", port.number())
}

#[test]
fn the_next_address_is_used_while_one_refuses_connections_and_stays_in_use() {
    let port = ReservedPort::new();
    let second = PushAddress::start();
    let function = transfer("sender", &[&refusing(&port), &second.url()]);
    for _ in 0..3 {
        assert_eq!(response(&function.invoke(DATA_RECV)), DATA_RECV);
        assert_eq!(second.take().len(), 1);
    }
    let output = function.process.output();
    assert_eq!(output.matches("push address 1 of 2 is not reached").count(), 1, "{output}");
}

#[test]
fn a_server_that_takes_no_requests_is_left_for_the_next_address() {
    let first = Wire::start(|_| vec![Act::answer(503, "", "<html>no gateway is up</html>")]);
    let second = PushAddress::start();
    let function = transfer("sender", &[&first.url(), &second.url()]);
    for _ in 0..2 {
        assert_eq!(response(&function.invoke(DATA_RECV)), DATA_RECV);
        assert_eq!(second.take().len(), 1);
    }
    assert_eq!(first.requests().len(), 1);
}

/// The gateway itself has tried to reach the client, and may have.
#[test]
fn what_a_gateway_may_have_accepted_is_not_pushed_to_the_next_one() {
    let refusal = r#"{"errNo":503,"errMsg":"the connection cannot be reached now"}"#;
    for fault in [vec![Act::answer(503, "", refusal)], vec![Act::answer(500, "", "oops")], vec![Act::Close]] {
        let first = Wire::start(move |_| fault.clone());
        let second = PushAddress::start();
        let function = transfer("sender", &[&first.url(), &second.url()]);
        function.invoke(DATA_RECV);
        assert_eq!((first.requests().len(), second.take().len()), (1, 0));
    }
}

#[test]
fn a_batch_goes_to_the_next_address_once_that_has_offered_to_take_batches() {
    let (first, second) = (PushAddress::start(), PushAddress::start());
    let function = transfer("a,b,c,d", &[&first.url(), &second.url()]);
    for _ in 0..2 {
        assert_eq!(response(&function.invoke(DATA_RECV)), DATA_RECV);
    }
    first.take();
    drop(first);
    let mut pushed = Vec::new();
    for _ in 0..2 {
        assert_eq!(response(&function.invoke(DATA_RECV)), DATA_RECV);
        pushed.push(second.take_bodies());
    }
    assert!(pushed[0][0].contains("\"secConnectionID\""), "not a batch: {pushed:?}");
    assert_eq!(pushed[1].len(), 1, "one batch: {pushed:?}");
}

#[test]
fn the_outcome_names_all_addresses_if_none_is_reached() {
    let ports = [ReservedPort::new(), ReservedPort::new()];
    let addresses = ports.each_ref().map(refusing);
    let function = transfer("sender", &addresses.each_ref().map(String::as_str));
    let message = error(&function.invoke(DATA_RECV));
    for port in &ports {
        assert!(message.contains(&format!("http://127.0.0.1:{}/…", port.number())), "{message}");
    }
}

/// A look-up outlives the event that it was for; SCF gives a function few threads.
#[test]
fn look_ups_that_hang_take_few_threads_and_the_log_says_so() {
    let Some(look_ups) = HangingLookUps::new("BOOTSTRAP") else { return };
    let (variable, library) = look_ups.env();
    let function = Function::with_limits(
        RuntimeLimits::new(128, Duration::from_secs(1)),
        &[("WS_ROLE", "transfer"), ("WS_PUSH_URL", "http://hangs.example/api-x"), (variable, &library)],
    );
    let threads =
        || fs::read_dir(format!("/proc/{}/task", function.process.id())).expect("a process").count();
    let push = || error(&function.invoke(DATA_RECV));
    let hung: Vec<_> = (0..4).map(|_| push()).collect();
    assert!(hung[3].contains("looking up the host name hangs.example took too long"), "{hung:?}");
    let (most, refused) = (threads(), push());
    assert!(refused.contains("the name server has not answered 8 look-ups yet"), "{refused}");
    assert_eq!(threads(), most);
}
