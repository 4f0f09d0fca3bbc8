//! Several APIs of one file, each with functions of its own: processes, at an HTTP address, in the cloud.

use std::path::Path;

use scf_websocket_test_harness::{
    elsewhere::{
        cloud::{Cloud, REGION},
        server::{Reply, Request, Server},
    },
    from_file, request,
};
use serde_json::{Value, json};
use std::sync::Arc;

const SECRET_ID: &str = "AKIDexampleOfASecretId";
const SECRET_KEY: &str = "example-of-a-secret-key";

/// An API of local processes that record their events.
const LOCAL: &str = r#"
[[api]]
path = "/local"
register = "process:$RUNTIMES/echo.py"
transfer = "process:$RUNTIMES/echo.py"
cleanup = "process:$RUNTIMES/echo.py"
[api.env]
RECORD = "$FOLDER/record"
"#;

fn echo() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runtimes/echo.py")
}

#[tokio::test]
async fn one_api_is_in_the_cloud_and_one_on_this_machine() {
    let Some(cloud) = Cloud::start().await else { return };
    cloud.account(SECRET_ID, SECRET_KEY, None);
    let gateway = from_file(&format!(
        "listen = \"127.0.0.1:0\"\npush_token = \"secret\"\n[scf]\nregion = \"{REGION}\"\nendpoint = \"{}\"\n\
         [[api]]\npath = \"/cloud\"\nregister = \"scf:chat-register\"\ntransfer = \"scf:chat/transfer:blue\"\n\
         cleanup = \"scf:chat-cleanup\"\n{LOCAL}",
        cloud.endpoint()
    ))
    .own_env("SSL_CERT_FILE", &cloud.authority.file.display().to_string())
    .own_env("TENCENTCLOUD_SECRET_ID", SECRET_ID)
    .own_env("TENCENTCLOUD_SECRET_KEY", SECRET_KEY)
    .start();
    assert!(gateway.push.ends_with("/api-secret"), "{}", gateway.push);
    assert_eq!(gateway.page, None, "the page is for operators only");
    assert_eq!(request(gateway.addr(), "GET", "/", &[], b"").await.status, 403);
    for (namespace, name, role) in [
        ("default", "chat-register", "register"),
        ("chat", "transfer", "transfer"),
        ("default", "chat-cleanup", "cleanup"),
    ] {
        cloud.function(namespace, name, &echo(), &[("WS_ROLE", role), ("WS_PUSH_URL", &gateway.push)]);
    }
    let (mut far, mut near) = tokio::join!(gateway.connect("/cloud"), gateway.connect("/local/room"));
    far.send_text("over the cloud").await;
    near.send_text("here").await;
    assert_eq!(far.next_text().await, "over the cloud");
    assert_eq!(near.next_text().await, "here");
    tokio::join!(far.close(), near.close());
    gateway.wait_for_events("cleanup", 1).await;
    assert_eq!(
        cloud.called(3).await,
        ["chat-register", "transfer", "chat-cleanup"],
        "each with a signature that the SDK computes too"
    );
    let paths: Vec<_> =
        gateway.events("register").iter().map(|event| event["requestContext"]["path"].clone()).collect();
    assert_eq!(paths, ["/local/room"], "the other API's events went elsewhere");
    assert_eq!(gateway.ask("/elsewhere", &[]).await.status, 404);
    assert_eq!(gateway.ask("/locality", &[]).await.status, 404);
    let log = gateway.log();
    assert!(!log.contains(SECRET_ID) && !log.contains(SECRET_KEY), "{log}");
}

#[tokio::test]
async fn a_function_at_an_http_address_answers_as_its_api_says() {
    let wrapped = |answer: Value| {
        let body =
            json!({"isBase64Encoded": false, "statusCode": 200, "headers": {}, "body": answer.to_string()});
        Reply::ok(body.to_string())
    };
    let server = Server::start(
        Arc::new(move |request: Request| {
            let event: Value = serde_json::from_slice(&request.body).expect("an event");
            Box::pin(async move { wrapped(json!({"errNo": 0, "websocket": event["websocket"]})) })
        }),
        None,
    )
    .await;
    let gateway = from_file(&format!(
        "listen = \"127.0.0.1:0\"\n[[api]]\npath = \"/\"\nregister = \"http://{0}/register\"\n\
         transfer = \"http://{0}/transfer\"\ncleanup = \"http://{0}/cleanup?key=1\"\nintegration_response = true\n\
         idle_timeout_seconds = 1\n",
        server.addr
    ))
    .start();
    let mut client = gateway.connect("/any").await;
    client.send_text("x").await;
    assert_eq!(client.closed().await.1, "idle", "the API's own time-out");
    server.requests(3).await;
    let targets: Vec<_> = server.seen().iter().map(|request| request.target().to_owned()).collect();
    assert_eq!(targets, ["POST /register", "POST /transfer", "POST /cleanup?key=1"]);
}

#[tokio::test]
async fn a_refused_signature_is_a_clear_line_and_not_one_for_each_client() {
    let Some(cloud) = Cloud::start().await else { return };
    cloud.account(SECRET_ID, SECRET_KEY, None);
    let gateway = from_file(&format!(
        "listen = \"127.0.0.1:0\"\n[scf]\nregion = \"{REGION}\"\nendpoint = \"{}\"\n[[api]]\npath = \"/\"\n\
         register = \"scf:register\"\ntransfer = \"scf:transfer\"\ncleanup = \"scf:cleanup\"\n",
        cloud.endpoint()
    ))
    .own_env("SSL_CERT_FILE", &cloud.authority.file.display().to_string())
    .own_env("TENCENTCLOUD_SECRET_ID", SECRET_ID)
    .own_env("TENCENTCLOUD_SECRET_KEY", "another-key")
    .start();
    let begun = std::time::Instant::now();
    for _ in 0..20 {
        assert_eq!(gateway.ask("/", &[]).await.status, 502);
    }
    let sentence = "the signature of the call of scf:register is refused: AuthFailure.SignatureFailure";
    gateway.wait_for_log(sentence).await;
    let log = gateway.log();
    let lines = log.lines().filter(|line| line.contains(sentence)).count() as u64;
    assert!(lines <= 1 + begun.elapsed().as_secs() / 10, "{log}");
    assert!(!log.contains("another-key"), "{log}");
}
