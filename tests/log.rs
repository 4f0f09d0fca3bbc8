//! The log: one line per invocation on standard output, payloads at `debug` only, credentials never.

use crate::common::{CONNECTING, DATA_RECV, Function, PushAddress};

const CREDENTIALS: &[(&str, &str)] = &[
    ("TENCENTCLOUD_SECRETID", "canary-id"),
    ("TENCENTCLOUD_SECRETKEY", "canary-key"),
    ("TENCENTCLOUD_SESSIONTOKEN", "canary-token"),
];

fn output_after(env: &[(&str, &str)], events: &[&str]) -> String {
    let gateway = PushAddress::start();
    let url = format!("{}?canary-path", gateway.url());
    let mut all = vec![("WS_ROLE", "auto"), ("WS_PUSH_URL", url.as_str())];
    all.extend_from_slice(CREDENTIALS);
    all.extend_from_slice(env);
    let function = Function::start(&all);
    for event in events {
        function.invoke(*event);
    }
    function.process.signal("TERM");
    let process = function.process;
    process.wait(std::time::Duration::from_secs(5)).1
}

#[test]
fn each_invocation_has_one_line() {
    let output = output_after(&[], &[CONNECTING, DATA_RECV, "{}", "[]"]);
    assert!(!output.contains("STDERR") && !output.contains('\u{1b}'), "{output}");
    let lines: Vec<&str> = output.lines().filter(|line| line.contains(" invocation ")).collect();
    assert_eq!(lines.len(), 4, "{output}");
    let expected = [
        ("INFO", "request-1", "xawexasdfewezdfsdfeasdfffa==", "outcome=ok"),
        ("INFO", "request-2", "xawexasdfewezdfsdfeasdfffa==", "outcome=ok"),
        ("INFO", "request-3", "-", "outcome=refused errNo=102"),
        ("ERROR", "request-4", "-", "outcome=error message=\"the event is not a JSON object"),
    ];
    for (line, (level, request, connection, outcome)) in lines.iter().zip(expected) {
        assert!(line.starts_with(&format!("{level} invocation request_id={request} role=")), "{line}");
        assert!(line.contains(&format!(" connection={connection} ms=")), "{line}");
        assert!(line.contains(outcome), "{line}");
        let ms = line.split("ms=").nth(1).and_then(|rest| rest.split(' ').next()).expect("milliseconds");
        assert!(ms.parse::<f64>().is_ok(), "{line}");
    }
    let others = output.lines().filter(|line| {
        !line.contains(" invocation ") && !line.contains("SIGTERM") && !line.contains("stopped")
    });
    assert_eq!(others.count(), 1, "the start line is the only other one:\n{output}");
}

#[test]
fn payloads_appear_at_debug_only() {
    let event = DATA_RECV.replace("xxx", "payload-canary");
    for level in ["error", "warn", "info"] {
        assert!(!output_after(&[("RUST_LOG", level)], &[&event]).contains("payload-canary"), "{level}");
    }
    assert!(output_after(&[("RUST_LOG", "debug")], &[&event]).contains("payload-canary"));
}

/// The error about an invalid event does not quote it.
#[test]
fn payloads_appear_in_no_error() {
    let events = [
        r#""payload-canary""#,
        r#"{"websocket":"payload-canary"}"#,
        r#"{"websocket":{"secConnectionID":["payload-canary"]}}"#,
        r#"{"websocket":{"action":"data recv","secConnectionID":"a","data":["payload-canary"]}}"#,
        r#"{"websocket":{"action":"data recv","secConnectionID":"a","data":"payload-canary\ud800"}}"#,
        r#"{"websocket":{"action":"data recv","secConnectionID":"a","data":"payload-canary}}"#,
    ];
    let output = output_after(&[], &events);
    assert_eq!(output.matches("outcome=error").count(), events.len(), "{output}");
    assert!(!output.contains("payload-canary"), "{output}");
}

#[test]
fn foreign_texts_are_cut_short() {
    let id = "i".repeat(10_000);
    let event = format!(r#"{{"websocket":{{"action":"{id}","secConnectionID":"{id}"}}}}"#);
    let output = output_after(&[], &[&event]);
    let line = output.lines().find(|line| line.contains(" invocation ")).expect("its line");
    assert!(line.len() < 1000, "{} bytes", line.len());
}

#[test]
fn credentials_never_appear() {
    let output = output_after(&[("RUST_LOG", "trace")], &[CONNECTING, DATA_RECV, "[]"]);
    for canary in ["canary-id", "canary-key", "canary-token", "canary-path"] {
        assert!(!output.contains(canary), "{canary} in {output}");
    }
}

#[test]
fn an_id_cannot_forge_a_line() {
    let event = r#"{"websocket":{"action":"closing","secConnectionID":"a\nERROR forged \u001b[31m"}}"#;
    let output = output_after(&[], &[event]);
    assert!(!output.lines().any(|line| line.starts_with("ERROR forged")), "{output}");
    assert!(output.contains(r"connection=a\nERROR forged \u{1b}[31m ms="), "{output}");
}
