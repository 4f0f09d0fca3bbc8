//! The command line: `--help`, `--version`, `--check`, and a start outside SCF.

use std::time::Duration;

use scf_websocket::bootstrap::VARIABLES;

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
    assert_eq!(output, "ERROR \"--verson\" is not an option; allowed: --check, --help, --version\n");
}

#[test]
fn a_start_outside_scf_is_a_clear_error() {
    for env in [&[][..], &[("WS_ROLE", "register")], &[("WS_ROLE", "transfer")]] {
        let (code, output) = run(env, &[]);
        assert_eq!(code, Some(2));
        assert_eq!(
            output,
            "ERROR SCF_RUNTIME_API is not set: SCF starts this program and sets it; `make run` tries it on this machine\n"
        );
    }
}

#[test]
fn check_prints_the_start_line_without_scf() {
    let version = env!("CARGO_PKG_VERSION");
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("WS_ROLE", "register")], "role=register sub_protocols=as-offered store=none"),
        (&[("WS_ROLE", "cleanup"), ("RUST_LOG", "error")], "role=cleanup close=none store=none"),
    ];
    for (env, expected) in cases {
        let (code, output) = run(env, &["--check"]);
        assert_eq!(code, Some(0), "{output}");
        let line = format!("INFO scf-websocket {version} started: {expected} integration_response=false\n");
        assert_eq!(output, line);
    }
}

#[test]
fn check_reports_what_is_wrong_with_status_2() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[], "ERROR WS_ROLE is not set; allowed: register, transfer, cleanup, auto\n"),
        (&[("WS_ROLE", "transfer")], "ERROR WS_PUSH_URL is not set; allowed: the reverse push address, "),
        (&[("WS_ROLE", "cleanup"), ("WS_ROM", "a")], "ERROR WS_ROM is not a variable of this program; "),
        (&[("WS_ROLE", "cleanup"), ("RUST_LOG", "loud")], "ERROR RUST_LOG is \"loud\"; allowed: off, "),
    ];
    for (env, expected) in cases {
        let (code, output) = run(env, &["--check"]);
        assert_eq!(code, Some(2), "{output}");
        assert!(output.starts_with(expected) && output.lines().count() == 1, "{output}");
    }
}
