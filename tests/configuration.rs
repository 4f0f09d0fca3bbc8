//! An invalid variable ends the program with status 2 before `ready`, with one line that names the allowed values.

use scf_websocket_test_harness::{Function, Process, Wire};

/// Runs the bootstrap, whose runtime API must receive no call, and returns the one line of output.
fn refused(env: &[(&str, &str)]) -> String {
    let api = Wire::start(|request| {
        panic!("no call may be made before the configuration is accepted: {request:?}")
    });
    let (status, output) = Process::for_api(api.port, env).wait();
    assert_eq!(status.code(), Some(2), "{output}");
    assert_eq!(output.lines().count(), 1, "{output}");
    assert!(api.requests().is_empty());
    output.trim_end().strip_prefix("ERROR ").expect("an error on standard output").to_owned()
}

const TRANSFER: (&str, &str) = ("WS_ROLE", "transfer");
const CLEANUP: (&str, &str) = ("WS_ROLE", "cleanup");
const URL: (&str, &str) = ("WS_PUSH_URL", "http://127.0.0.1:1/api");

#[test]
fn an_invalid_value_is_named_with_the_allowed_ones() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[], "WS_ROLE is not set; allowed: register, transfer, cleanup, auto"),
        (&[("WS_ROLE", "")], "WS_ROLE is \"\"; allowed: register, transfer, cleanup, auto"),
        (&[("WS_ROLE", "Register")], "WS_ROLE is \"Register\"; allowed: register, transfer, cleanup, auto"),
        (&[TRANSFER], "WS_PUSH_URL is not set; allowed: the reverse push address, http://…"),
        (&[("WS_ROLE", "auto")], "WS_PUSH_URL is not set; allowed: the reverse push address, http://…"),
        (
            &[CLEANUP, ("WS_CLOSE", "a")],
            "WS_PUSH_URL is not set; allowed: the reverse push address, http://…",
        ),
        (&[TRANSFER, ("WS_PUSH_URL", "")], "WS_PUSH_URL is \"\"; allowed:"),
        (&[TRANSFER, ("WS_PUSH_URL", "example.com/api")], "WS_PUSH_URL is \"example.com/api\"; allowed:"),
        (&[TRANSFER, ("WS_PUSH_URL", "http://a/b,")], "WS_PUSH_URL is \"http://a/b,\"; allowed:"),
        (
            &[TRANSFER, ("WS_PUSH_URL", "https://example.com/")],
            "WS_PUSH_URL is \"https://example.com/\"; allowed: the reverse push address, http://host/path, or several separated by commas; https needs a build with the cargo feature tls",
        ),
        (&[TRANSFER, URL, ("WS_PUSH_TO", "a,,b")], "WS_PUSH_TO is \"a,,b\"; allowed:"),
        (&[TRANSFER, URL, ("WS_PUSH_TO", "a,a")], "WS_PUSH_TO is \"a,a\"; allowed:"),
        (&[TRANSFER, URL, ("WS_PUSH_TO", "a,all")], "WS_PUSH_TO is \"a,all\"; allowed:"),
        (&[TRANSFER, URL, ("WS_PUSH_TO", "all")], "WS_STORE is not set; allowed: dir:/absolute/path"),
        (&[TRANSFER, URL, ("WS_PUSH_TO", "others")], "WS_STORE is not set; allowed: dir:/absolute/path"),
        (&[TRANSFER, URL, ("WS_PUSH_ENCODING", "JSON")], "WS_PUSH_ENCODING is \"JSON\"; allowed: json, raw"),
        (
            &[TRANSFER, URL, ("WS_PUSH_CONCURRENCY", "0")],
            "WS_PUSH_CONCURRENCY is \"0\"; allowed: a number, 1 to 256",
        ),
        (
            &[TRANSFER, URL, ("WS_PUSH_CONCURRENCY", "257")],
            "WS_PUSH_CONCURRENCY is \"257\"; allowed: a number, 1 to 256",
        ),
        (&[CLEANUP, ("WS_CLOSE", " ")], "WS_CLOSE is \" \"; allowed:"),
        (&[("WS_ROLE", "register"), ("WS_SUBPROTOCOLS", "a b")], "WS_SUBPROTOCOLS is \"a b\"; allowed:"),
        (
            &[CLEANUP, ("WS_INTEGRATION_RESPONSE", "yes")],
            "WS_INTEGRATION_RESPONSE is \"yes\"; allowed: true, false",
        ),
        (&[CLEANUP, ("WS_STORE", "dir:relative")], "WS_STORE is \"dir:relative\"; allowed:"),
        (&[CLEANUP, ("WS_STORE", "mysql://h/")], "WS_STORE is \"mysql://h/\"; allowed:"),
        (&[CLEANUP, ("WS_STORE", "rediss://h/")], "WS_STORE is \"rediss://h/\"; allowed:"),
        (&[CLEANUP, ("WS_STORE", "redis://h/x")], "WS_STORE is \"redis://h/x\"; allowed:"),
        (&[CLEANUP, ("WS_ROOM", "..")], "WS_ROOM is \"..\"; allowed:"),
        (&[CLEANUP, ("WS_ROOM", "a/b")], "WS_ROOM is \"a/b\"; allowed:"),
        (&[CLEANUP, ("WS_STORE_TTL", "1d")], "WS_STORE_TTL is \"1d\"; allowed: seconds"),
        (
            &[CLEANUP, ("RUST_LOG", "inof")],
            "RUST_LOG is \"inof\"; allowed: off, error, warn, info, debug, trace",
        ),
        (&[CLEANUP, ("RUST_LOG", "")], "RUST_LOG is \"\"; allowed:"),
    ];
    for (env, expected) in cases {
        let line = refused(env);
        assert!(line.starts_with(expected), "{env:?}: {line}");
    }
}

#[test]
fn a_misspelled_variable_is_an_error() {
    let line = refused(&[TRANSFER, URL, ("WS_PUSHTO", "none")]);
    assert!(line.starts_with("WS_PUSHTO is not a variable of this program; allowed: WS_ROLE, "), "{line}");
}

#[test]
fn an_invalid_url_is_shown_without_its_password() {
    let line = refused(&[TRANSFER, ("WS_PUSH_URL", "ftp://user:sesame@host/")]);
    assert!(line.starts_with("WS_PUSH_URL is \"ftp://…@host/\""), "{line}");
    let line = refused(&[CLEANUP, ("WS_STORE", "redis://user:sesame@host/x")]);
    assert!(line.contains("redis://…@host/x") && !line.contains("sesame"), "{line}");
}

#[test]
fn the_first_line_shows_the_configuration_without_secrets() {
    let function = Function::start(&[
        ("WS_ROLE", "transfer"),
        ("WS_PUSH_URL", "http://user:sesame@127.0.0.1:1/api-secret"),
        ("WS_PUSH_TO", "others"),
        ("WS_STORE", "redis://user:sesame@127.0.0.1:6399/2"),
        ("TENCENTCLOUD_SECRETKEY", "sesame"),
    ]);
    let output = function.process.await_output("started");
    let first = output.lines().next().expect("a line");
    assert!(
        first
            .starts_with(&format!("INFO scf-websocket {} started: role=transfer", env!("CARGO_PKG_VERSION")))
    );
    for part in [
        "push_to=others",
        "push_encoding=json",
        "push_url=http://127.0.0.1:1/…",
        "push_concurrency=32",
        "store=redis://127.0.0.1:6399/2",
        "room=default",
        "store_ttl_s=86400",
        "integration_response=false",
    ] {
        assert!(first.contains(part), "{part} in {first}");
    }
    assert!(!output.contains("sesame") && !output.contains("api-secret"), "{output}");
}
