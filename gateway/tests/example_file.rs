//! `examples/gateway.toml`, with addresses, certificate and functions of the test's own: two APIs over `wss`, one whose
//! functions are in the cloud and at an HTTP address, one whose functions are processes.

use std::{fs, path::Path, sync::Arc};

use futures_util::{SinkExt as _, StreamExt as _};
use rustls::pki_types::ServerName;
use scf_websocket_test_harness::{
    Gateway, SOON,
    elsewhere::{
        cloud::{Cloud, REGION},
        server::{Reply, Server},
    },
    from_file,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::client::TlsStream;
use tokio_websockets::{ClientBuilder, Message, WebSocketStream};

use crate::wss::authority::{Authority, NAME};

/// The file with these texts replaced. Each must be there.
fn example(replaced: &[(&str, &str)]) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/gateway.toml");
    let text = fs::read_to_string(file).expect("the example");
    replaced.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "the example no longer contains {from}");
        text.replace(from, to)
    })
}

async fn connect(
    gateway: &Gateway,
    authority: &Authority,
    path: &str,
) -> WebSocketStream<TlsStream<TcpStream>> {
    let addr =
        gateway.clients.trim_start_matches("wss://").trim_end_matches('/').replace("0.0.0.0", "127.0.0.1");
    let stream = TcpStream::connect(addr).await.expect("a connection");
    let name = ServerName::try_from(NAME).expect("a name");
    let connector = authority.client(rustls::ALL_VERSIONS);
    let stream = connector.connect(name, stream).await.expect("TLS");
    let builder = ClientBuilder::from_uri(format!("ws://{NAME}{path}").parse().expect("an address"));
    timeout(SOON, builder.connect_on(stream)).await.expect("in time").expect("accepted").0
}

async fn echoes(client: &mut WebSocketStream<TlsStream<TcpStream>>, text: &str) {
    client.send(Message::text(text.to_owned())).await.expect("sent");
    loop {
        let message = timeout(SOON, client.next()).await.expect("in time").expect("open").expect("a frame");
        if message.is_text() {
            return assert_eq!(message.as_text(), Some(text));
        }
    }
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
        ("0.0.0.0:9000", "0.0.0.0:0"),
        ("push_url = \"http://127.0.0.1:9001\"", ""),
        ("127.0.0.1:9001", "127.0.0.1:0"),
        ("127.0.0.1:9002", "127.0.0.1:0"),
        ("tls/fullchain.pem", &certificate),
        ("tls/privkey.pem", &key),
        ("region = \"ap-guangzhou\"", &region),
        ("# endpoint = \"https://scf.tencentcloudapi.com\"", &format!("endpoint = \"{endpoint}\"")),
        ("127.0.0.1:8080", &cleanup.addr.to_string()),
        ("process:../target/package/bootstrap", "process:$RUNTIMES/echo.py"),
        ("WS_STORE = \"dir:/var/lib/gateway/rooms\"", "RECORD = \"$FOLDER/record\""),
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
    let mut far = connect(&gateway, &authority, "/chat").await;
    let mut near = connect(&gateway, &authority, "/local").await;
    echoes(&mut far, "over the cloud").await;
    echoes(&mut near, "on this machine").await;
    far.close().await.expect("closed");
    near.close().await.expect("closed");
    cleanup.requests(1).await;
    assert_eq!(cleanup.seen()[0].target(), "POST /cleanup");
    gateway.wait_for_events("cleanup", 1).await;
    let called: Vec<_> =
        cloud.accepted().into_iter().map(|call| call.parameters["FunctionName"].clone()).collect();
    assert_eq!(called, ["chat-register", "chat-transfer"]);
}
