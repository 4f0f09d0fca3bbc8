//! The answers and pushes of the three roles match the documentation byte for byte.

use scf_websocket_test_harness::{
    Batches, CLOSING, CONNECTING, DATA_RECV, Function, PushAddress, error, response,
};

const ID: &str = "xawexasdfewezdfsdfeasdfffa==";

#[test]
fn register_accepts_and_returns_what_the_client_offered() {
    let register = Function::start(&[("WS_ROLE", "register")]);
    let accept = |rest: &str| {
        format!(
            r#"{{"errNo":0,"errMsg":"ok","websocket":{{"action":"connecting","secConnectionID":"{ID}"{rest}}}}}"#
        )
    };
    assert_eq!(
        response(&register.invoke(CONNECTING)),
        accept(r#","secWebSocketProtocol":"chat,binary","secWebSocketExtensions":"""#)
    );
    let plain = format!(r#"{{"requestContext":{{}},"websocket":{{"secConnectionID":"{ID}"}}}}"#);
    assert_eq!(response(&register.invoke(plain)), accept(""));
    let odd = format!(
        r#"{{"requestContext":null,"websocket":{{"secWebSocketProtocol": [1,  "x"] ,"secConnectionID":"{ID}"}}}}"#
    );
    assert_eq!(response(&register.invoke(odd)), accept(r#","secWebSocketProtocol":[1,  "x"]"#));
}

#[test]
fn register_says_which_key_is_absent() {
    let register = Function::start(&[("WS_ROLE", "register")]);
    let cases = [
        ("{}", r#"{"errNo":101,"errMsg":"not found request context"}"#),
        (DATA_RECV, r#"{"errNo":101,"errMsg":"not found request context"}"#),
        (r#"{"websocket":5}"#, r#"{"errNo":101,"errMsg":"not found request context"}"#),
        // Valid JSON that `serde_json::Value` cannot represent.
        (r#"{"websocket":1e999}"#, r#"{"errNo":101,"errMsg":"not found request context"}"#),
        (r#"{"websocket":"\ud800"}"#, r#"{"errNo":101,"errMsg":"not found request context"}"#),
        (r#"{"websocket":{"\ud800":1}}"#, r#"{"errNo":101,"errMsg":"not found request context"}"#),
        (r#"{"requestContext":{}}"#, r#"{"errNo":102,"errMsg":"not found websocket"}"#),
        (r#"{"requestContext":null}"#, r#"{"errNo":102,"errMsg":"not found websocket"}"#),
        // An escaped key is the same key.
        (r#"{"request\u0043ontext":0}"#, r#"{"errNo":102,"errMsg":"not found websocket"}"#),
    ];
    for (event, expected) in cases {
        assert_eq!(response(&register.invoke(event)), expected, "{event}");
    }
}

#[test]
fn register_chooses_the_preferred_sub_protocol() {
    let register = Function::start(&[("WS_ROLE", "register"), ("WS_SUBPROTOCOLS", "superchat, chat")]);
    let connect = |offered: &str| {
        format!(r#"{{"requestContext":{{}},"websocket":{{"secConnectionID":"{ID}"{offered}}}}}"#)
    };
    let chosen = |outcome| {
        let answer: serde_json::Value = serde_json::from_str(&response(&outcome)).expect("JSON");
        assert_eq!(answer["errNo"], 0, "{answer}");
        answer["websocket"]["secWebSocketProtocol"].as_str().expect("a string").to_owned()
    };
    assert_eq!(chosen(register.invoke(connect(r#","secWebSocketProtocol":"chat,superchat""#))), "superchat");
    assert_eq!(chosen(register.invoke(connect(r#","secWebSocketProtocol":"binary , chat""#))), "chat");
    for offered in ["", r#","secWebSocketProtocol":"""#, r#","secWebSocketProtocol":"CHAT,supercha""#] {
        let answer = response(&register.invoke(connect(offered)));
        assert!(answer.starts_with(r#"{"errNo":103,"errMsg":"no sub-protocol in common"#), "{answer}");
    }
    let message = error(&register.invoke(connect(r#","secWebSocketProtocol":7"#)));
    assert_eq!(message, "the event's websocket.secWebSocketProtocol is not a string: it is a number");
}

#[test]
fn transfer_pushes_to_the_sender_and_returns_the_event_as_it_came() {
    let gateway = PushAddress::start();
    let transfer = Function::start(&[("WS_ROLE", "transfer"), ("WS_PUSH_URL", &gateway.url())]);
    let event = concat!(
        "  {\"websocket\" : {\"data\":\"xxx\",\"secConnectionID\":\"a/b\\u003d\\u003d\",\"dataType\":\"text\"},\n",
        "\t\"big\":12345678901234567890123456789,\"e\":1e999,\"unknown\":[1.0, 1.50, -0],\"z\":1,\"a\":2} \n"
    );
    assert_eq!(response(&transfer.invoke(event)), event);
    let pushes = gateway.take();
    assert_eq!(pushes.len(), 1);
    assert_eq!(pushes[0].content_type, "application/json");
    assert_eq!(
        pushes[0].body,
        r#"{"websocket":{"action":"data send","secConnectionID":"a/b\u003d\u003d","dataType":"text","data":"\"xxx\""}}"#
    );
}

#[test]
fn pushes_share_one_connection() {
    let gateway = PushAddress::start();
    let transfer = Function::start(&[("WS_ROLE", "transfer"), ("WS_PUSH_URL", &gateway.url())]);
    for _ in 0..20 {
        transfer.invoke(DATA_RECV);
    }
    let peers: std::collections::HashSet<_> = gateway.take().iter().map(|push| push.peer).collect();
    assert_eq!(peers.len(), 1, "one connection for twenty pushes");
}

#[test]
fn frames_are_encoded_as_configured() {
    let gateway = PushAddress::start();
    let url = gateway.url();
    let json = Function::start(&[("WS_ROLE", "transfer"), ("WS_PUSH_URL", &url)]);
    let raw = Function::start(&[("WS_ROLE", "transfer"), ("WS_PUSH_URL", &url), ("WS_PUSH_ENCODING", "raw")]);
    let frame = |data_type: &str, data: &str| {
        format!(r#"{{"websocket":{{"secConnectionID":"c"{data_type},"data":{data}}}}}"#)
    };
    let sent = |function: &Function, event: String| {
        response(&function.invoke(event));
        let bodies = gateway.take_bodies();
        assert_eq!(bodies.len(), 1);
        let head = r#"{"websocket":{"action":"data send","secConnectionID":"c","dataType":""#;
        bodies[0].strip_prefix(head).and_then(|rest| rest.strip_suffix("}}")).expect("a data send").to_owned()
    };
    let text = r#","dataType":"text""#;
    let binary = r#","dataType":"binary""#;
    assert_eq!(sent(&json, frame(text, r#""h\u00e9 \"q\"""#)), r#"text","data":"\"h\\u00e9 \\\"q\\\"\"""#);
    assert_eq!(sent(&json, frame(text, "\"é\"")), r#"text","data":"\"\\u00e9\"""#);
    assert_eq!(sent(&json, frame("", r#""no type""#)), r#"text","data":"\"no type\"""#);
    assert_eq!(sent(&json, frame(binary, r#""AAEC/w==""#)), r#"binary","data":"AAEC/w==""#);
    assert_eq!(sent(&raw, frame(text, "\"é \\\"q\\\"\"")), "text\",\"data\":\"é \\\"q\\\"\"");
    assert_eq!(sent(&raw, frame(binary, r#""AAEC/w==""#)), r#"binary","data":"AAEC/w==""#);
}

#[test]
fn transfer_pushes_to_the_configured_connections() {
    for batches in Batches::BOTH {
        configured_connections(batches);
    }
}

fn configured_connections(batches: Batches) {
    let gateway = PushAddress::with(batches);
    let url = gateway.url();
    let none = Function::start(&[("WS_ROLE", "transfer"), ("WS_PUSH_TO", "none")]);
    assert_eq!(response(&none.invoke(DATA_RECV)), DATA_RECV);
    let fixed =
        [("WS_ROLE", "transfer"), ("WS_PUSH_URL", url.as_str()), ("WS_PUSH_TO", "one==, t\"wo ,three")];
    let fixed = Function::start(&fixed);
    assert_eq!(response(&fixed.invoke(DATA_RECV)), DATA_RECV);
    let mut ids = gateway.take_ids();
    ids.sort();
    assert_eq!(ids, ["one==", "t\"wo", "three"]);
}

#[test]
fn transfer_and_cleanup_write_web_socket_in_two_words() {
    let transfer = Function::start(&[("WS_ROLE", "transfer"), ("WS_PUSH_TO", "none")]);
    let cleanup = Function::start(&[("WS_ROLE", "cleanup")]);
    for function in [&transfer, &cleanup] {
        for event in ["{}", r#"{"requestContext":{}}"#] {
            assert_eq!(response(&function.invoke(event)), r#"{"errNo":102,"errMsg":"not found web socket"}"#);
        }
    }
}

#[test]
fn cleanup_returns_the_event_and_closes_the_configured_connections() {
    let quiet = Function::start(&[("WS_ROLE", "cleanup")]);
    assert_eq!(response(&quiet.invoke(CLOSING)), CLOSING);
    for batches in Batches::BOTH {
        let gateway = PushAddress::with(batches);
        let url = gateway.url();
        let env = [("WS_ROLE", "cleanup"), ("WS_PUSH_URL", url.as_str()), ("WS_CLOSE", "a,b,c")];
        let closing = Function::start(&env);
        assert_eq!(response(&closing.invoke(CLOSING)), CLOSING);
        let mut bodies = gateway.take_bodies();
        let one = |id| format!(r#"{{"websocket":{{"action":"closing","secConnectionID":"{id}"}}}}"#);
        if batches == Batches::None {
            bodies.sort();
            assert_eq!(bodies, [one("a"), one("b"), one("c")]);
        } else {
            let rest = r#"{"websocket":{"action":"closing","secConnectionIDs":["b","c"]}}"#.to_owned();
            assert_eq!(bodies, [one("a"), rest]);
        }
    }
}

#[test]
fn auto_takes_the_role_from_the_action() {
    let gateway = PushAddress::start();
    let auto = Function::start(&[("WS_ROLE", "auto"), ("WS_PUSH_URL", &gateway.url())]);
    assert!(response(&auto.invoke(CONNECTING)).starts_with(r#"{"errNo":0,"#));
    assert_eq!(response(&auto.invoke(DATA_RECV)), DATA_RECV);
    assert_eq!(response(&auto.invoke(CLOSING)), CLOSING);
    assert_eq!(gateway.take_bodies().len(), 1);
    assert!(response(&auto.invoke("{}")).contains("not found web socket"));
    assert!(response(&auto.invoke(r#"{"requestContext":1}"#)).contains("not found websocket"));
    let dance = error(&auto.invoke(r#"{"websocket":{"action":"dance","secConnectionID":"a"}}"#));
    assert_eq!(dance, r#"the event's websocket.action is "dance"; known: connecting, data recv, closing"#);
    let none = error(&auto.invoke(r#"{"websocket":{"secConnectionID":"a"}}"#));
    assert_eq!(none, "the event has no websocket.action");
}

#[test]
fn integration_response_wraps_every_answer() {
    let gateway = PushAddress::start();
    let url = gateway.url();
    let env = [("WS_ROLE", "auto"), ("WS_PUSH_URL", url.as_str()), ("WS_INTEGRATION_RESPONSE", "true")];
    let auto = Function::start(&env);
    let head =
        r#"{"isBase64Encoded":false,"statusCode":200,"headers":{"Content-Type":"application/json"},"body":""#;
    for (event, inner) in [
        (DATA_RECV, DATA_RECV),
        (CLOSING, CLOSING),
        ("{}", r#"{"errNo":102,"errMsg":"not found web socket"}"#),
    ] {
        let answer = response(&auto.invoke(event));
        assert!(answer.starts_with(head), "{answer}");
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
        assert_eq!(answer["body"], inner);
    }
    assert_eq!(error(&auto.invoke("[]")).split(':').next(), Some("the event is not a JSON object"));
}

/// An id appears neither in the request line nor in the headers, only in its field of the body.
#[test]
fn an_id_stays_in_the_body() {
    let gateway = PushAddress::start();
    let function = Function::start(&[("WS_ROLE", "transfer"), ("WS_PUSH_URL", &gateway.url())]);
    for id in ["a\r\nX-Injected: 1\r\n\r\n", "/../?a=b#c", "\"}},\"x\":{\"", "http://elsewhere/", "\u{0}"] {
        let json = serde_json::Value::from(id).to_string();
        let event = DATA_RECV.replace(r#""xawexasdfewezdfsdfeasdfffa==""#, &json);
        assert_eq!(response(&function.invoke(event.clone())), event);
        let pushed = gateway.take_bodies();
        let body: serde_json::Value = serde_json::from_str(&pushed[0]).expect("JSON");
        let websocket = body["websocket"].as_object().expect("an object");
        assert_eq!(
            (pushed.len(), body.as_object().map(serde_json::Map::len), websocket.len()),
            (1, Some(1), 4)
        );
        assert_eq!(websocket["secConnectionID"], id);
    }
}
