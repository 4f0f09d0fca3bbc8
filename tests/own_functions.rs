//! A user's own functions: what they see of an event, what they can do, and how their program behaves.

use scf_websocket_test_harness::{
    Api, CLOSING, CONNECTING, DATA_RECV, Function, Process, PushAddress, error, example, frame, response,
};

const BINARY: &str =
    r#"{"websocket":{"action":"data recv","secConnectionID":"a","dataType":"binary","data":"AAEC/w=="}}"#;

fn with_query(query: &str) -> String {
    CONNECTING.replacen('{', &format!(r#"{{"queryString":{query},"#), 1)
}

#[test]
fn the_example_checks_the_query_and_pushes_plain_text() {
    let gateway = PushAddress::start();
    let shout = Function::of_example("shout", &[("WS_PUSH_URL", &gateway.url())]);
    let refused = r#"{"errNo":401,"errMsg":"a token, please"}"#;
    for event in [CONNECTING, &with_query(r#"{"token":"wrong"}"#), &with_query("null")] {
        assert_eq!(response(&shout.invoke(event)), refused);
    }
    let accepted = response(&shout.invoke(with_query(r#"{"token":"sec\u0072et"}"#)));
    assert!(accepted.starts_with(r#"{"errNo":0,"errMsg":"ok","#), "{accepted}");
    assert!(accepted.contains(r#""secWebSocketProtocol":"chat,binary""#), "{accepted}");

    let event = frame("a", "say \"hi\", é");
    assert_eq!(response(&shout.invoke(event.as_str())), event);
    assert_eq!(
        gateway.take_bodies(),
        [
            r#"{"websocket":{"action":"data send","secConnectionID":"a","dataType":"text","data":"SAY \"HI\", É"}}"#
        ]
    );
    assert_eq!(response(&shout.invoke(BINARY)), BINARY);
    assert_eq!(response(&shout.invoke(CLOSING)), CLOSING);
    assert!(gateway.take_bodies().is_empty());
}

#[tokio::test]
async fn the_example_refuses_a_client_of_the_real_gateway_without_its_token() {
    let gateway = Api::example("shout").start();
    assert!(gateway.connect_with("/", &[]).await.is_err());
    assert!(gateway.connect_with("/?token=wrong", &[]).await.is_err());
}

#[tokio::test]
async fn the_example_serves_a_client_of_the_real_gateway_with_its_token() {
    let gateway = Api::example("shout").start();
    let mut client = gateway.connect("/?token=secret").await;
    assert_eq!(client.ask("hello").await, "HELLO");
}

#[test]
fn a_push_without_an_address_is_a_clear_error() {
    let shout = Function::of_example("shout", &[]);
    assert_eq!(
        error(&shout.invoke(DATA_RECV)),
        "WS_PUSH_URL is not set; write the reverse push address, http://…"
    );
    assert_eq!(response(&shout.invoke(BINARY)), BINARY, "a function that does not push needs no address");
}

#[test]
fn an_unreachable_gateway_fails_the_invocation() {
    let shout = Function::of_example("shout", &[("WS_PUSH_URL", "http://127.0.0.1:1/api")]);
    let message = error(&shout.invoke(DATA_RECV));
    assert!(
        message
            .starts_with("no push of this event reached the gateway at WS_PUSH_URL http://127.0.0.1:1/…: "),
        "{message}"
    );
}

#[test]
fn a_push_to_a_gone_connection_is_no_error() {
    let gateway = PushAddress::start();
    gateway.forget("a");
    let shout = Function::of_example("shout", &[("WS_PUSH_URL", &gateway.url()), ("RUST_LOG", "debug")]);
    assert_eq!(response(&shout.invoke(frame("a", "hi"))), frame("a", "hi"));
    let output = shout.process.await_output("DEBUG pushes asked=1 delivered=0 gone=1 failed=0 untried=0");
    assert!(!output.contains("WARN"), "{output}");
}

#[test]
fn every_part_of_an_event_is_visible() {
    let gateway = PushAddress::start();
    let probe = Function::of_example(
        "probe",
        &[
            ("WS_PUSH_URL", &gateway.url()),
            ("SCF_FUNCTIONNAME", "chat"),
            ("SCF_FUNCTIONVERSION", "$LATEST"),
            ("TENCENTCLOUD_REGION", "ap-guangzhou"),
            ("WS_PROBE", "7"),
        ],
    );
    let event = r#"{"headers":{"User-Agent":"x/1"},"queryString":{"a":"b c"},"requestContext":{"path":"/chat","sourceIp":"10.0.2.14","stage":"prod"},"websocket":{"action":"connecting","secConnectionID":"id","secWebSocketProtocol":"chat, binary"}}"#;
    let answer: serde_json::Value =
        serde_json::from_str(&response(&probe.invoke(event))).expect("an answer in JSON");
    let seen = [
        "id=id",
        "path=Some(\"/chat\")",
        "source_ip=Some(\"10.0.2.14\")",
        "agent=Some(\"x/1\")",
        "a=Some(\"b c\")",
        "headers=[(\"user-agent\", \"x/1\")]",
        "query=[(\"a\", \"b c\")]",
        "offered=[\"chat\", \"binary\"]",
        "context={\"path\":\"/chat\",\"sourceIp\":\"10.0.2.14\",\"stage\":\"prod\"}",
        "request_id=request-1",
        "in_time=true",
        "memory=Some(128)",
        "name=Some(\"chat\")",
        "version=Some(\"$LATEST\")",
        "region=Some(\"ap-guangzhou\")",
        "probe=7",
    ];
    assert_eq!(answer["errMsg"].as_str().expect("a message").lines().collect::<Vec<_>>(), seen);

    let sent = |event: &str| {
        response(&probe.invoke(event));
        gateway.take_bodies()
    };
    let push = |rest: &str| format!(r#"{{"websocket":{{{rest}}}}}"#);
    assert_eq!(
        sent(BINARY),
        [push(r#""action":"data send","secConnectionID":"a","dataType":"binary","data":"/wIBAA==""#)],
        "the bytes, reversed"
    );
    assert_eq!(
        sent(&frame("a", r#"{"x":1,"y":2}"#)),
        [push(r#""action":"data send","secConnectionID":"a","dataType":"text","data":"{\"sum\":3}""#)]
    );
    assert_eq!(sent(&frame("a", "bye")), [push(r#""action":"closing","secConnectionID":"a""#)]);
}

/// The probe behind a gateway, and what it pushes for an event.
fn probe_at(gateway: &PushAddress) -> Function {
    Function::of_example("probe", &[("WS_PUSH_URL", &gateway.url()), ("WS_PROBE", "1")])
}

#[test]
fn attributes_are_answered_and_read_from_later_events() {
    let gateway = PushAddress::start();
    let probe = probe_at(&gateway);
    let answer = response(&probe.invoke(with_query(r#"{"attributes":"2"}"#)));
    assert!(answer.ends_with(r#","attributes":{"level":"3","user":"\"\""}}}"#), "{answer}");

    // The braces, names, colons, quotes and a comma around have 23 bytes; each quote in the value is escaped.
    let fits = (4096 - 23) / 2;
    assert!(response(&probe.invoke(with_query(&format!(r#"{{"attributes":"{fits}"}}"#)))).contains("user"));
    let message = error(&probe.invoke(with_query(&format!(r#"{{"attributes":"{}"}}"#, fits + 1))));
    assert_eq!(
        message,
        "the attributes of the connection have 4097 bytes as JSON; a connection has at most 4096"
    );

    let sent = |event: &str, attributes: &str| {
        let event = event.replacen('{', &format!(r#"{{"attributes":{attributes},"#), 1);
        assert_eq!(response(&probe.invoke(event.as_str())), event, "byte for byte");
        let bodies = gateway.take_bodies();
        let body: serde_json::Value = serde_json::from_str(&bodies[0]).expect("JSON");
        body["websocket"]["data"].as_str().expect("a text").to_owned()
    };
    let ann = r#"{"user":"\u0061nn","level":"3","odd":7}"#;
    let asks = frame("a", "attribute user");
    assert_eq!(sent(&asks, ann), r#"["ann",2]"#);
    for none in ["null", "[1]", "{}", "\"user\""] {
        assert_eq!(sent(&asks, none), "[null,0]", "{none}");
    }
    assert_eq!(sent(CLOSING, ann), r#"["ann",[["level","3"],["user","ann"]]]"#);
}

#[test]
fn a_connection_is_closed_with_a_code_and_a_reason() {
    let gateway = PushAddress::start();
    let probe = probe_at(&gateway);
    let long = "é".repeat(61);
    for (code, reason) in [(1000, ""), (1008, "no"), (1011, "\"x\""), (3000, long.as_str()), (4999, "kicked")]
    {
        response(&probe.invoke(frame("a", &format!("kick {code} {reason}"))));
        let close = format!(
            r#""action":"closing","secConnectionID":"a","code":{code},"reason":{}"#,
            serde_json::Value::from(reason)
        );
        assert_eq!(
            gateway.take_bodies(),
            [
                format!(r#"{{"websocket":{{{close}}}}}"#),
                format!(r#"{{"websocket":{{{close},"cleanup":true}}}}"#),
                r#"{"websocket":{"action":"closing","secConnectionID":"a","cleanup":true}}"#.to_owned(),
            ]
        );
    }
    for code in [0, 999, 1001, 1005, 1006, 1009, 1015, 2999, 5000, 65535] {
        let message = error(&probe.invoke(frame("a", &format!("kick {code} x"))));
        assert_eq!(
            message,
            format!("a connection is closed with code 1000, 1008, 1011 or 3000 to 4999, not with {code}")
        );
    }
    let message = error(&probe.invoke(frame("a", &format!("kick 4001 {long}xx"))));
    assert_eq!(message, "the reason of a close has at most 123 bytes, not 124");
    assert!(gateway.take_bodies().is_empty());
}

#[test]
fn data_that_does_not_decode_fails_the_invocation() {
    let gateway = PushAddress::start();
    let probe = Function::of_example("probe", &[("WS_PUSH_URL", &gateway.url()), ("WS_PROBE", "1")]);
    let message = error(&probe.invoke(BINARY.replace("AAEC/w==", "?")));
    assert!(message.starts_with("the event's websocket.data is not Base64: "), "{message}");
    let message = error(&probe.invoke(frame("a", "x").replace("\"x\"", r#""\ud800""#)));
    assert!(message.starts_with("the event's websocket.data is not a string: "), "{message}");
    let message = error(&probe.invoke(frame("a", "{")));
    assert!(message.starts_with("the frame is not the expected JSON: EOF"), "{message}");
    assert!(gateway.take_bodies().is_empty());
}

#[test]
fn a_room_without_a_store_or_with_an_invalid_name_is_a_clear_error() {
    let gateway = PushAddress::start();
    let url = gateway.url();
    let env = [("WS_PUSH_URL", url.as_str()), ("WS_PROBE", "1")];
    let probe = Function::of_example("probe", &env);
    assert!(
        error(&probe.invoke(frame("a", "join lobby")))
            .starts_with("WS_STORE is not set; rooms and stored texts need one")
    );
    let folder = tempfile::tempdir().expect("a folder");
    let store = format!("dir:{}", folder.path().display());
    let probe = Function::of_example("probe", &[env[0], env[1], ("WS_STORE", &store)]);
    let message = error(&probe.invoke(frame("a", "join a/b")));
    assert!(message.starts_with("the room name \"a/b\" is not allowed; allowed: letters"), "{message}");
    assert_eq!(response(&probe.invoke(frame("a", "join lobby"))), frame("a", "join lobby"));
}

fn run(env: &[(&str, &str)], args: &[&str]) -> (Option<i32>, String) {
    let (status, output) = Process::of(&example("probe"), env, args).wait();
    (status.code(), output)
}

#[test]
fn a_program_declares_its_own_variables() {
    let (code, output) = run(&[("WS_PROBE", "7")], &["--check"]);
    assert_eq!(code, Some(0), "{output}");
    assert_eq!(output, "INFO probe 1.2.3 started: role=auto probe=7 store=none integration_response=false\n");
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("WS_PROBE", "x")], "ERROR WS_PROBE is \"x\"; allowed: a number\n"),
        (&[], "ERROR WS_PROBE is not set; allowed: a number\n"),
        (&[("WS_PROBE", "13")], "ERROR 13 brings bad luck\n"),
        (
            &[("WS_PROBE", "7"), ("WS_PUSH_TO", "all")],
            "ERROR WS_PUSH_TO is not a variable of this program; allowed: WS_ROLE, WS_PUSH_URL, WS_PUSH_CONCURRENCY, WS_STORE, WS_STORE_TTL, WS_INTEGRATION_RESPONSE, WS_PROBE\n",
        ),
        (&[("WS_PROBE", "7"), ("WS_ROLE", "none")], "ERROR WS_ROLE is \"none\"; allowed: register, "),
    ];
    for (env, expected) in cases {
        let (code, output) = run(env, &["--check"]);
        assert_eq!(code, Some(2), "{output}");
        assert!(output.starts_with(expected), "{output}");
    }
    let (code, output) = run(&[], &["--version"]);
    assert_eq!((code, output.as_str()), (Some(0), "probe 1.2.3\n"));
    let (code, output) = run(&[], &["--help"]);
    assert!(
        code == Some(0) && output.contains("\n  WS_PROBE\n      a number\n      default: required"),
        "{output}"
    );
    let (code, output) = run(&[("WS_PROBE", "7")], &[]);
    assert!(code == Some(2) && output.starts_with("ERROR SCF_RUNTIME_API is not set"), "{output}");
}
