//! The command line: what is refused, and with which status.

use std::{
    net::TcpListener,
    process::{Command, Output},
};

use scf_websocket_test_harness::gateway_program;

fn gateway(args: &[&str]) -> Output {
    Command::new(gateway_program()).args(args).output().expect("the gateway runs")
}

#[test]
fn a_wrong_command_line_is_status_2_and_says_what_is_wrong() {
    let cases: [(&[&str], &str); 16] = [
        (&["--no-such-flag"], "--no-such-flag"),
        (&["--listen", "nonsense"], "nonsense"),
        (&["--listen", "127.0.0.1"], "127.0.0.1"),
        (&["--push-token", "a/b"], "letters, digits"),
        (&["--push-token", ""], "letters, digits"),
        (&["--env", "NAME"], "NAME=VALUE"),
        (&["--env", "1NAME=x"], "start with a letter"),
        (&["--env", "NA-ME=x"], "letters, digits"),
        (&["--env", "=x"], "start with a letter"),
        (&["--env", "SCF_NAMESPACE=x"], "SCF_"),
        (&["--env", "QCLOUD_X=x"], "QCLOUD_"),
        (&["--env", "TENCENTCLOUD_REGION=x"], "TENCENTCLOUD_"),
        (&["--max-instances", "0"], "max-instances"),
        (&["--timeout", "soon"], "timeout"),
        (&["--idle-timeout", "0"], "idle-timeout"),
        (&["--client-page", "/no/such/file"], "cannot be read"),
    ];
    for (args, named) in cases {
        let output = gateway(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(named), "{args:?}: {said}");
    }
}

#[test]
fn what_cannot_start_is_status_1_and_one_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    let cases: [(&[&str], &str); 4] = [
        (&["--bootstrap", "/no/such/file"], "/no/such/file"),
        (&["--bootstrap", "/etc/passwd"], "not an executable file"),
        (&["--bootstrap", "/etc"], "not an executable file"),
        (&["--bootstrap", "/bin/true", "--listen", &taken], &taken),
    ];
    for (args, named) in cases {
        let _kept = (args[0] != "--listen").then(|| TcpListener::bind(&taken));
        let output = gateway(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(named), "{args:?}: {said}");
        assert!(said.contains("see --"), "which flag to change: {said}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn help_names_every_flag() {
    let output = gateway(&["--help"]);
    let help = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    for flag in [
        "--listen",
        "--push-listen",
        "--push-token",
        "--bootstrap",
        "--env",
        "--max-instances",
        "--init-timeout",
        "--timeout",
        "--memory",
        "--idle-timeout",
        "--integration-response",
        "--trace",
        "--page",
    ] {
        assert!(help.contains(flag), "{flag}");
    }
    assert!(!help.contains("reap"), "only the gateway itself starts an orphan reaper");
}

#[test]
fn of_a_flag_given_twice_the_last_one_counts() {
    let output = gateway(&[
        "--bootstrap",
        "/no/such/first",
        "--page",
        "--timeout",
        "1",
        "--bootstrap",
        "/no/such/last",
        "--page",
        "--timeout",
        "2",
    ]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("/no/such/last"), "{said}");
}
