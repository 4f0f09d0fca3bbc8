//! The gateway as it runs in production: one file, two APIs, one of them in the cloud, over wss; a certificate that is
//! replaced, and a shutdown that takes its time.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use rustls::version::TLS13;
use scf_websocket_test_harness::{
    SOON,
    elsewhere::cloud::{Cloud, REGION},
    from_file, request,
};
use tokio::time::sleep;

use crate::wss::{
    Client,
    authority::{Authority, Pair},
};

const SECRET_ID: &str = "AKIDexampleOfASecretId";

#[tokio::test]
async fn two_apis_are_served_over_wss_through_reloads_to_a_paced_end() {
    let Some(cloud) = Cloud::start().await else { return };
    cloud.account(SECRET_ID, "example-of-a-secret-key", None);
    let authority = Authority::new();
    let old = authority.issue(2000, 3000);
    authority.install(&old);
    let files = authority.files();
    let mut gateway = from_file(&format!(
        r#"
        listen = "127.0.0.1:0"
        push_listen = "127.0.0.1:0"
        push_token = "secret"
        admin_listen = "127.0.0.1:0"
        drain_seconds = 2
        [tls]
        certificate = "{}"
        key = "{}"
        [scf]
        region = "{REGION}"
        endpoint = "{}"
        [[api]]
        path = "/cloud"
        register = "scf:chat-register"
        transfer = "scf:chat-transfer"
        cleanup = "scf:chat-cleanup"
        [[api]]
        path = "/local"
        register = "process:$RUNTIMES/echo.py"
        transfer = "process:$RUNTIMES/echo.py"
        cleanup = "process:$RUNTIMES/echo.py"
        [api.env]
        RECORD = "$FOLDER/record"
        "#,
        files.certificate.display(),
        files.key.display(),
        cloud.endpoint()
    ))
    .own_env("SSL_CERT_FILE", &cloud.authority.file.display().to_string())
    .own_env("TENCENTCLOUD_SECRET_ID", SECRET_ID)
    .own_env("TENCENTCLOUD_SECRET_KEY", "example-of-a-secret-key")
    .start();
    let echo = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runtimes/echo.py");
    for role in ["register", "transfer", "cleanup"] {
        let env = [("WS_ROLE", role), ("WS_PUSH_URL", gateway.push.as_str())];
        cloud.function("default", &format!("chat-{role}"), &echo, &env);
    }
    assert!(gateway.clients.starts_with("wss://"), "{}", gateway.clients);
    let connector = || authority.client(&[&TLS13]);
    let mut far = Client::connect_to(&gateway, &connector(), "/cloud").await;
    let mut near = Client::connect_to(&gateway, &connector(), "/local").await;
    far.ask("over the cloud").await;
    near.ask("here").await;

    // A certificate that is half written changes nothing, the whole one is served, and no client is cut.
    let new = authority.issue(2000, 3000);
    let half = new.certificate[..new.certificate.len() / 2].to_owned();
    authority.install(&Pair { certificate: half, key: new.key.clone() });
    gateway.signal("HUP");
    gateway.wait_for_log("the certificate in use stays").await;
    let newcomer = Client::connect_to(&gateway, &connector(), "/local").await;
    assert_eq!(newcomer.certificate(), near.certificate());
    authority.install(&new);
    gateway.signal("HUP");
    gateway.wait_for_log("new certificate ").await;
    let newcomer = Client::connect_to(&gateway, &connector(), "/local").await;
    assert_ne!(newcomer.certificate(), near.certificate());
    far.ask("over the cloud").await;
    near.ask("here").await;
    drop(newcomer);

    let admin = gateway.page.clone().expect("the page at the admin address");
    let admin = admin.trim_start_matches("http://").trim_end_matches('/').to_owned();
    assert_eq!(request(&admin, "GET", "/readyz", &[], b"").await.status, 200);
    // A frame may be echoed before its function has answered.
    for line in [
        r#"scf_gateway_events_total{api="/cloud",role="transfer",outcome="ok"} 2"#,
        r#"scf_gateway_events_total{api="/local",role="transfer",outcome="ok"} 2"#,
        r#"scf_gateway_circuit_state{api="/cloud",role="transfer"} 0"#,
        r#"scf_gateway_reloads_total{what="certificate",outcome="applied"} 1"#,
    ] {
        wait_for_metric(&admin, line).await;
    }

    gateway.signal("TERM");
    let drained = async { tokio::join!(far.closed(), near.closed()) };
    let goodbye = (1001, "the gateway is shutting down".to_owned());
    assert_eq!(drained.await, (goodbye.clone(), goodbye));
    assert_eq!(gateway.ended().await.code(), Some(0));
    let log = gateway.log();
    assert!(log.contains("closing ") && log.contains(" connections over 2 s"), "{log}");
    assert!(!log.contains("were dropped"), "{log}");
    let cleanups = gateway.events("cleanup").len();
    assert!(cleanups >= 3, "{cleanups} cleanups of the clients of /local");
}

#[tokio::test]
async fn a_second_sigterm_ends_a_shutdown_that_takes_its_time() {
    let mut gateway = from_file(
        r#"
        listen = "127.0.0.1:0"
        drain_seconds = 3600
        [[api]]
        path = "/"
        register = "process:$RUNTIMES/echo.py"
        transfer = "process:$RUNTIMES/echo.py"
        cleanup = "process:$RUNTIMES/echo.py"
        [api.env]
        RECORD = "$FOLDER/record"
        "#,
    )
    .start();
    let (mut first, mut second) = (gateway.connect("/").await, gateway.connect("/").await);
    gateway.signal("TERM");
    // One has its turn at once, the other half an hour later: which is which does not matter.
    let one = tokio::select! { closed = first.closed() => closed, closed = second.closed() => closed };
    assert_eq!(u16::from(one.0), 1001);
    gateway.signal("TERM");
    gateway.wait_for_log("SIGTERM again").await;
    assert_eq!(gateway.ended().await.code(), Some(0));
}

/// Waits until this line is exposed.
async fn wait_for_metric(admin: &str, line: &str) {
    let begun = Instant::now();
    loop {
        let metrics = request(admin, "GET", "/metrics", &[], b"").await.body;
        if metrics.lines().any(|exposed| exposed == line) {
            return;
        }
        assert!(begun.elapsed() < SOON, "no {line} in\n{metrics}");
        sleep(Duration::from_millis(10)).await;
    }
}
