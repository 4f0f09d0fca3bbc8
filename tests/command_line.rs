//! What the program says of itself, and to somebody who starts it by hand.

use std::time::Duration;

use scf_websocket::config::VARIABLES;

use crate::common::Process;

fn run(env: &[(&str, &str)], args: &[&str]) -> (Option<i32>, String) {
    let (status, output) = Process::start(env, args).wait(Duration::from_secs(5));
    (status.code(), output)
}

#[test]
fn help_lists_every_variable() {
    let (code, output) = run(&[], &["--help"]);
    assert_eq!(code, Some(0));
    for variable in VARIABLES {
        assert!(output.contains(&format!("\n  {}\n", variable.name)), "{} in {output}", variable.name);
    }
    assert!(!output.contains("STDERR"));
}

#[test]
fn version_is_the_package_s() {
    let (code, output) = run(&[], &["--version"]);
    assert_eq!((code, output), (Some(0), format!("scf-websocket {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn an_unknown_option_is_refused() {
    let (code, output) = run(&[], &["--verson"]);
    assert_eq!(code, Some(2));
    assert_eq!(output, "ERROR \"--verson\" is not an option; allowed: --help, --version\n");
}

#[test]
fn started_by_hand_it_says_who_starts_it() {
    for env in [&[][..], &[("WS_ROLE", "register")], &[("WS_ROLE", "transfer")]] {
        let (code, output) = run(env, &[]);
        assert_eq!(code, Some(2));
        assert_eq!(
            output,
            "ERROR SCF_RUNTIME_API is not set: SCF starts this program and sets it; `make run` tries it on this machine\n"
        );
    }
}
