//! Any bytes as an event: one outcome, with a clear error for malformed events, and the process continues.

use std::sync::LazyLock;

use proptest::prelude::*;

use scf_websocket_test_harness::{CONNECTING, DATA_RECV, Function, Outcome, RuntimeLimits, error, response};

fn auto_function() -> Function {
    Function::start(&[("WS_ROLE", "auto"), ("WS_PUSH_TO", "none"), ("RUST_LOG", "warn")])
}

#[test]
fn a_malformed_event_is_an_error_that_says_why() {
    let function = auto_function();
    let deep_array = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    let deep_field = [
        br#"{"websocket":{"action":"closing","secConnectionID":"a"},"x":"#.as_slice(),
        &b"{\"x\":".repeat(100_000),
        b"1",
        &b"}".repeat(100_001),
    ]
    .concat();
    let deep_frame = format!(
        r#"{{"websocket":{{"action":"data recv","secConnectionID":"a","data":{}1{}}}}}"#,
        "[".repeat(129),
        "]".repeat(129)
    );
    let brackets_in_the_frame =
        r#"{"websocket":{"action":"data recv","secConnectionID":"a","data":"[[[[[["},"x":"#;
    let deep_beside_a_frame = format!("{brackets_in_the_frame}{}{}}}", "[".repeat(129), "]".repeat(129));
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (vec![], "the event is empty; expected a JSON object"),
        (b"hello".to_vec(), "the event is not a JSON object: expected value at line 1 column 1"),
        (b"{\"websocket\":{}".to_vec(), "the event is not a JSON object: EOF"),
        (b"{} {}".to_vec(), "the event is not a JSON object: trailing characters"),
        (b"[1]".to_vec(), "the event is not a JSON object: it is an array"),
        (b"null".to_vec(), "the event is not a JSON object: it is null"),
        (b"{\"a\":\"\xff\"}".to_vec(), "the event is not UTF-8 text from byte 6 on"),
        (vec![0; 100], "the event is not a JSON object"),
        (deep_array, "the event is nested deeper than 128 levels"),
        (deep_field, "the event is nested deeper than 128 levels"),
        (deep_frame.into_bytes(), "the event is nested deeper than 128 levels"),
        (deep_beside_a_frame.into_bytes(), "the event is nested deeper than 128 levels"),
        (vec![b'x'; 6 * 1024 * 1024], "the event is not a JSON object"),
        (vec![b' '; 6 * 1024 * 1024 + 1], "the event is longer than 6291456 bytes"),
        (vec![b' '; 20 * 1024 * 1024], "the event is longer than 6291456 bytes"),
        (br#"{"websocket":[]}"#.to_vec(), "the event's websocket is not an object: it is an array"),
        (br#"{"websocket":null}"#.to_vec(), "the event's websocket is not an object: it is null"),
        (br#"{"websocket":1e999}"#.to_vec(), "the event's websocket is not an object: number out of range"),
        (
            br#"{"websocket":{"\ud800":1}}"#.to_vec(),
            "the event's websocket is not an object: unexpected end of hex escape",
        ),
        (br#"{"websocket":{}}"#.to_vec(), "the event has no websocket.secConnectionID"),
        (
            br#"{"websocket":{"action":"closing","secConnectionID":1}}"#.to_vec(),
            "the event's websocket.secConnectionID is not a string: it is a number",
        ),
        (
            br#"{"websocket":{"action":"closing","secConnectionID":"\ud800"}}"#.to_vec(),
            "the event's websocket.secConnectionID is not a string: ",
        ),
        (
            br#"{"websocket":{"action":"data recv","secConnectionID":"a"}}"#.to_vec(),
            "the event has no websocket.data",
        ),
        (
            br#"{"websocket":{"action":"data recv","secConnectionID":"a","data":{}}}"#.to_vec(),
            "the event's websocket.data is not a string: it is an object",
        ),
        (
            br#"{"websocket":{"action":"data recv","secConnectionID":"a","data":"","dataType":"ping"}}"#
                .to_vec(),
            "the event's websocket.dataType is \"ping\"; known: text, binary",
        ),
    ];
    for (event, expected) in cases {
        let shown = String::from_utf8_lossy(&event[..event.len().min(80)]).into_owned();
        let message = error(&function.invoke(event));
        assert!(message.starts_with(expected), "{shown}: {message}");
        assert_eq!(response(&function.invoke("{}")), r#"{"errNo":102,"errMsg":"not found web socket"}"#);
    }
}

#[test]
fn an_event_of_six_megabytes_is_served() {
    let function = auto_function();
    let event = DATA_RECV.replace("xxx", &"x".repeat(6 * 1024 * 1024 - DATA_RECV.len() + 3));
    assert_eq!(event.len(), 6 * 1024 * 1024);
    assert_eq!(response(&function.invoke(event.clone())), event);
}

#[test]
fn an_answer_over_six_megabytes_is_an_error() {
    let function = Function::start(&[
        ("WS_ROLE", "transfer"),
        ("WS_PUSH_TO", "none"),
        ("WS_INTEGRATION_RESPONSE", "true"),
    ]);
    let event = DATA_RECV.replace("xxx", &"x".repeat(6 * 1024 * 1024 - DATA_RECV.len()));
    let message = error(&function.invoke(event));
    assert!(message.starts_with("the answer has 6291") && message.contains("at most 6291456"), "{message}");
}

#[test]
fn brackets_in_strings_and_nesting_up_to_the_limit_are_accepted() {
    let function = auto_function();
    let brackets = DATA_RECV.replace("xxx", &r#"[{\"["#.repeat(1000));
    assert_eq!(response(&function.invoke(brackets.clone())), brackets);
    let nested = format!(r#"{{"websocket":1,"x":{}{}}}"#, "[".repeat(127), "]".repeat(127));
    assert_eq!(
        error(&function.invoke(nested)).split(':').next(),
        Some("the event's websocket is not an object")
    );
    let wide = format!(r#"{{"x":[{}1]}}"#, "[],".repeat(1000));
    assert!(response(&function.invoke(wide)).contains("102"));
}

#[test]
fn the_last_of_repeated_keys_counts() {
    let function = auto_function();
    let event = r#"{"websocket":5,"websocket":{"action":"dance","action":"closing","secConnectionID":1,"secConnectionID":"a"}}"#;
    assert_eq!(response(&function.invoke(event)), event);
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        "-?[0-9]{1,40}(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,4})?",
        any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
        Just(r#""\ud83d""#.to_owned()),
    ];
    let key = prop_oneof![
        Just("websocket".to_owned()),
        Just("requestContext".to_owned()),
        Just("action".to_owned()),
        Just("secConnectionID".to_owned()),
        Just("dataType".to_owned()),
        Just("data".to_owned()),
        Just("secWebSocketProtocol".to_owned()),
        any::<String>(),
    ];
    leaf.prop_recursive(6, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|fields| {
                let fields: Vec<_> = fields
                    .iter()
                    .map(|(k, v)| format!("{}:{v}", serde_json::Value::from(k.as_str())))
                    .collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}

/// One process for all cases, so that an event that corrupts its state fails a later one.
static SHARED: LazyLock<Function> = LazyLock::new(|| {
    Function::with_limits(
        RuntimeLimits::default(),
        &[("WS_ROLE", "auto"), ("WS_PUSH_TO", "none"), ("WS_SUBPROTOCOLS", "chat"), ("RUST_LOG", "off")],
    )
});

fn has_an_outcome(event: Vec<u8>) {
    match SHARED.invoke(event) {
        Outcome::Response(body) => {
            serde_json::from_slice::<Box<serde_json::value::RawValue>>(&body).expect("a response is JSON");
        }
        Outcome::Error(message) => assert!(!message.is_empty(), "an error says why"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_json_has_an_outcome(event in json()) {
        has_an_outcome(event.into_bytes());
    }

    #[test]
    fn any_bytes_have_an_outcome(event in prop::collection::vec(any::<u8>(), 0..200)) {
        has_an_outcome(event);
    }

    #[test]
    fn mutated_events_have_an_outcome(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut event = CONNECTING.as_bytes().to_vec();
        let at = at.index(event.len());
        event[at] = byte;
        if cut {
            event.truncate(at);
        }
        has_an_outcome(event);
    }
}
