//! `examples/gateway.toml`, with addresses, certificate and functions of the test's own: two APIs over `wss`, one whose
//! functions are in the cloud and at an HTTP address, one whose functions are processes.

use std::{fs, path::Path, sync::Arc};

use scf_websocket_test_harness::{
    elsewhere::{
        cloud::{Cloud, REGION},
        server::{Reply, Server},
    },
    from_file,
};

use crate::wss::{Client, authority::Authority};

/// The file with these texts replaced. Each must be there.
fn example(replaced: &[(&str, &str)]) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/gateway.toml");
    let text = fs::read_to_string(file).expect("the example");
    replaced.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "the example no longer contains {from}");
        text.replace(from, to)
    })
}

#[tokio::test]
async fn serves_two_apis_over_wss() {
    let Some(cloud) = Cloud::start().await else { return };
    cloud.account("AKIDexample", "the-key", None);
    let cleanup = Server::start(Arc::new(|_| Box::pin(async { Reply::ok("{}") })), None).await;
    let authority = Authority::new();
    authority.install(&authority.issue(2000, 3000));
    let files = authority.files();
    let (certificate, key) = (files.certificate.display().to_string(), files.key.display().to_string());
    let (region, endpoint) = (format!("region = \"{REGION}\""), cloud.endpoint());
    let text = example(&[
        ("0.0.0.0:9000", "127.0.0.1:0"),
        ("push_url = \"http://127.0.0.1:9001\"", ""),
        ("127.0.0.1:9001", "127.0.0.1:0"),
        ("127.0.0.1:9002", "127.0.0.1:0"),
        ("tls/fullchain.pem", &certificate),
        ("tls/privkey.pem", &key),
        ("region = \"ap-guangzhou\"", &region),
        ("# endpoint = \"https://scf.tencentcloudapi.com\"", &format!("endpoint = \"{endpoint}\"")),
        ("127.0.0.1:8080", &cleanup.addr.to_string()),
        ("process:../target/package/bootstrap", "process:$RUNTIMES/echo.py"),
        ("WS_STORE = \"dir:/var/lib/scf-websocket/rooms\"", "RECORD = \"$FOLDER/record\""),
    ]);
    let gateway = from_file(&text)
        .own_env("SSL_CERT_FILE", &cloud.authority.file.display().to_string())
        .own_env("TENCENTCLOUD_SECRET_ID", "AKIDexample")
        .own_env("TENCENTCLOUD_SECRET_KEY", "the-key")
        .start();
    assert!(gateway.push.starts_with("http://127.0.0.1:") && gateway.push.ends_with("/api-change-me"));
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runtimes/echo.py");
    for role in ["register", "transfer"] {
        let variables = [("WS_ROLE", role), ("WS_PUSH_URL", gateway.push.as_str())];
        cloud.function("default", &format!("chat-{role}"), &program, &variables);
    }
    let connector = || authority.client(rustls::ALL_VERSIONS);
    let mut far = Client::connect_to(&gateway, &connector(), "/chat").await;
    let mut near = Client::connect_to(&gateway, &connector(), "/local").await;
    far.ask("over the cloud").await;
    near.ask("on this machine").await;
    drop((far, near));
    cleanup.requests(1).await;
    assert_eq!(cleanup.seen()[0].target(), "POST /cleanup");
    gateway.wait_for_events("cleanup", 1).await;
    assert_eq!(cloud.called(2).await, ["chat-register", "chat-transfer"]);
}
