//! The command line: `--help`, `--version`, `--check`, and a start outside SCF.

use scf_websocket::bootstrap::VARIABLES;

use scf_websocket_test_harness::{Act, Process, PushAddress, Wire};

fn run(env: &[(&str, &str)], args: &[&str]) -> (Option<i32>, String) {
    let (status, output) = Process::start(env, args).wait();
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
    assert_eq!(
        output,
        "ERROR \"--verson\" is not an option; allowed: --check, --check --online, --help, --version\n"
    );
    let (code, output) = run(&[("WS_ROLE", "register")], &["--check", "--onlin"]);
    assert!(code == Some(2) && output.starts_with("ERROR \"--onlin\" is not an option"), "{output}");
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

#[test]
fn check_online_tries_the_store_and_the_push_address() {
    let gateway = PushAddress::start();
    let folder = tempfile::tempdir().expect("a folder");
    let (works, missing) = (format!("dir:{}", folder.path().display()), "dir:/no/such/folder");
    let check = |store: &str, push: &str, option: &str| {
        let env = [("WS_ROLE", "transfer"), ("WS_STORE", store), ("WS_PUSH_URL", push)];
        let (code, output) = run(&env, &["--check", option]);
        assert!(output.starts_with("INFO scf-websocket "), "{output}");
        let errors: Vec<String> = output.lines().skip(1).map(str::to_owned).collect();
        (code, errors)
    };
    assert_eq!(check(&works, &gateway.url(), "--online"), (Some(0), vec![]));

    let (code, errors) = check(missing, "http://127.0.0.1:1/api", "--online");
    assert_eq!(code, Some(1));
    let [store, push] = errors.as_slice() else { panic!("two errors: {errors:?}") };
    assert!(
        store.starts_with(
            "ERROR listing the connections in the store's folder /no/such/folder/default failed: No such"
        ),
        "{store}"
    );
    assert!(
        push.starts_with(
            "ERROR no push of this event reached the gateway at WS_PUSH_URL http://127.0.0.1:1/"
        ),
        "{push}"
    );

    let redis = check("redis://127.0.0.1:1", &gateway.url(), "--online");
    assert!(
        redis.0 == Some(1)
            && redis.1[0].starts_with("ERROR the store redis://127.0.0.1:1/0 cannot be reached"),
        "{redis:?}"
    );
    let (code, errors) = check("redis://127.0.0.1:1", "http://127.0.0.1:1/api", "--online=store");
    assert_eq!((code, errors.len()), (Some(1), 1), "the push address is not tried");

    let other = Wire::start(|_| vec![Act::answer(403, "", r#"{"errNo":403,"errMsg":"not this address"}"#)]);
    let (code, errors) = check(&works, &format!("http://127.0.0.1:{}/api-old", other.port), "--online");
    assert!(
        code == Some(1)
            && errors[0].contains("this is no push address: ")
            && errors[0].contains("not this address"),
        "{errors:?}"
    );
}
