//! `--check`: everything that is wrong with a file, and what its backends say, without starting anything.

use std::{path::Path, process::Output, sync::Arc};

use scf_websocket_test_harness::{
    FromFile,
    elsewhere::{
        cloud::{Cloud, REGION},
        server::{Reply, Server},
    },
    from_file,
};

const LOCAL: &str = "[[api]]\npath = \"/local\"\nregister = \"process:$RUNTIMES/echo.py\"\n\
                     transfer = \"process:$RUNTIMES/echo.py\"\ncleanup = \"process:$RUNTIMES/echo.py\"\n";

async fn output(gateway: FromFile, args: &'static [&'static str]) -> (Option<i32>, String, String) {
    let run = tokio::task::spawn_blocking(move || gateway.args(args).output());
    let Output { status, stdout, stderr } = run.await.expect("no panic");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

#[tokio::test]
async fn every_error_is_reported_at_once_with_its_line() {
    let wrong = "listen = \"localhost\"\ndrain_seconds = -1\n[[api]]\npath = \"chat\"\nregister = \"scf:\"\n\
                 transfer = \"process:missing\"\n";
    for args in [&["--check"][..], &[]] {
        let (status, stdout, stderr) = output(from_file(wrong), args).await;
        assert_eq!((status, stdout.as_str()), (Some(2), ""), "{stderr}");
        let lines: Vec<_> = stderr.lines().collect();
        let places = ["1:10: ", "2:17: ", "3:1: ", "4:8: ", "5:12: ", "6:12: "];
        assert_eq!(lines.len(), places.len(), "{stderr}");
        for (line, place) in lines.iter().zip(places) {
            assert!(line.contains(&format!("/gateway.toml:{place}")), "{place}: {stderr}");
        }
    }
}

/// As with `--check | head -1`.
#[test]
fn nobody_has_to_read_what_it_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("gateway.toml");
    let api = "[[api]]\npath = \"/\"\nregister = \"http://127.0.0.1:1/\"\ntransfer = \"http://127.0.0.1:1/\"\n\
               cleanup = \"http://127.0.0.1:1/\"\n";
    std::fs::write(&file, api).expect("a file");
    let mut command = std::process::Command::new(scf_websocket_test_harness::gateway_program());
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = command.arg("--config").arg(&file).arg("--check").stdout(writer).output().expect("it runs");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[tokio::test]
async fn a_sound_file_is_summed_up_and_nothing_is_started() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address");
    let sound = format!("listen = \"{taken}\"\npush_token = \"very-secret\"\n{LOCAL}");
    let (status, stdout, stderr) = output(from_file(&sound), &["--check"]).await;
    assert_eq!((status, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert!(stdout.contains(&format!("clients  ws://{taken}\npush     http://{taken}/api-…\n")), "{stdout}");
    assert!(stdout.contains("api      /local: register process:"), "{stdout}");
    assert!(!stdout.contains("very-secret"), "{stdout}");
}

#[tokio::test]
async fn a_missing_file_is_named_and_so_is_a_flag_that_a_file_replaces() {
    let gateway = |args: &[&str]| {
        let output = std::process::Command::new(scf_websocket_test_harness::gateway_program())
            .args(args)
            .output()
            .expect("the gateway runs");
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    let (status, said) = gateway(&["--config", "/no/such/file", "--check"]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("/no/such/file: cannot read the configuration: No such file"), "{said}");
    for flag in [&["--listen", "127.0.0.1:0"][..], &["--env", "A=b"], &["--integration-response"]] {
        let (status, said) = gateway(&[&["--config", "x"], flag].concat());
        assert_eq!(status, Some(2), "{said}");
        assert!(said.contains("'--config <FILE>' cannot be used with") && said.contains(flag[0]), "{said}");
    }
    for args in [&["--check"][..], &["--config", "x", "--online"]] {
        let (status, said) = gateway(args);
        assert_eq!(status, Some(2), "{said}");
    }
}

#[tokio::test]
async fn backends_are_asked_if_that_is_wanted_and_no_function_runs() {
    let up = Server::start(Arc::new(|_| Box::pin(async { Reply::ok("") })), None).await;
    let down = tokio::net::TcpSocket::new_v4().expect("a socket");
    down.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let down = down.local_addr().expect("an address");
    let text = format!(
        "{LOCAL}[[api]]\npath = \"/far\"\nregister = \"http://{0}/register\"\ntransfer = \"http://{down}/transfer\"\n\
         cleanup = \"http://{0}/cleanup\"\n",
        up.addr
    );
    let (status, stdout, stderr) = output(from_file(&text), &["--check", "--online"]).await;
    assert_eq!(status, Some(1), "{stdout}{stderr}");
    assert!(
        stdout.contains(&format!("ok     /far register: http://{}/register can be reached", up.addr)),
        "{stdout}"
    );
    let failed: Vec<_> = stdout.lines().filter(|line| line.starts_with("FAILED")).collect();
    assert_eq!(failed.len(), 1, "{stdout}");
    assert!(
        failed[0].contains(&format!("/far transfer: http://{down}/transfer cannot be reached")),
        "{stdout}"
    );
    assert!(up.seen().iter().all(|request| request.target().starts_with("HEAD ")), "no function runs");
}

/// A refused signature, a missing function and a wrong region are one clear line each.
#[tokio::test]
async fn the_cloud_is_asked_with_a_signed_call() {
    let Some(cloud) = Cloud::start().await else { return };
    cloud.account("AKIDexample", "the-secret-key", None);
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runtimes/echo.py");
    for name in ["register", "transfer", "cleanup"] {
        cloud.function("default", name, &program, &[("WS_ROLE", name)]);
    }
    let cases = [
        (REGION, "the-secret-key", "transfer", 0, "ok     /cloud transfer: "),
        (
            REGION,
            "the-secret-key",
            "missing",
            1,
            "FAILED /cloud transfer: there is no scf:missing in the region ap-guangzhou",
        ),
        (REGION, "another-key", "transfer", 1, "TENCENTCLOUD_SECRET_KEY"),
        ("ap-nowhere", "the-secret-key", "transfer", 1, "ap-nowhere"),
    ];
    for (region, key, transfer, expected, named) in cases {
        let text = format!(
            "[scf]\nregion = \"{region}\"\nendpoint = \"{}\"\n[[api]]\npath = \"/cloud\"\nregister = \"scf:register\"\n\
             transfer = \"scf:{transfer}\"\ncleanup = \"scf:cleanup\"\n",
            cloud.endpoint()
        );
        let gateway = from_file(&text)
            .own_env("SSL_CERT_FILE", &cloud.authority.file.display().to_string())
            .own_env("TENCENTCLOUD_SECRET_ID", "AKIDexample")
            .own_env("TENCENTCLOUD_SECRET_KEY", key);
        let (status, stdout, stderr) = output(gateway, &["--check", "--online"]).await;
        assert_eq!(status, Some(expected), "{stdout}{stderr}");
        assert!(stdout.contains(named), "{named}: {stdout}");
        let asked = stdout.lines().filter(|line| line.starts_with("ok ") || line.starts_with("FAILED"));
        assert_eq!(asked.count(), 3, "a line for each function: {stdout}");
        assert!(!format!("{stdout}{stderr}").contains(key), "{stdout}{stderr}");
    }
    assert!(cloud.accepted().iter().all(|call| call.action != "InvokeFunction"), "no function runs");
}
