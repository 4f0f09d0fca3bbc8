//! Behind proxies the gateway sees the client's own address, and only trusted proxies are believed.

use std::{net::Ipv4Addr, time::Duration};

use axum::http::HeaderName;
use scf_websocket_gateway::{ClientSettings, origin::Origins};
use scf_websocket_test_harness::{Gateway, InProcess, SOON, in_process_log};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");
const REQUEST: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

async fn behind(trusted: &[&str], proxy_protocol: bool) -> Gateway {
    let settings = |clients: &mut ClientSettings| {
        clients.proxies.trusted = trusted.iter().map(|network| network.parse().expect("a network")).collect();
        clients.proxies.proxy_protocol = proxy_protocol;
        clients.timeouts.tls_handshake = Duration::from_millis(300);
    };
    InProcess::echo().clients(settings).start().await
}

fn source_ips(gateway: &Gateway) -> Vec<String> {
    let events = gateway.events("register");
    let ips = events.iter().map(|event| event["requestContext"]["sourceIp"].as_str().expect("a text"));
    ips.map(str::to_owned).collect()
}

/// A version 2 header of a connection over IPv4 from this client, by the protocol's specification.
fn header(client: Ipv4Addr) -> Vec<u8> {
    let fixed = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c";
    [fixed.as_slice(), &client.octets(), &[10, 0, 0, 1], &[0x12, 0x67, 0x01, 0xbb]].concat()
}

/// Sends these bytes and returns the first line of the answer; nothing if the connection is closed without one.
async fn first_line(gateway: &Gateway, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(gateway.addr()).await.expect("a connection");
    stream.write_all(bytes).await.expect("sent");
    let mut answer = Vec::new();
    let read = async {
        let mut buffer = [0; 1024];
        while !answer.contains(&b'\n') {
            match stream.read(&mut buffer).await {
                Ok(count) if count > 0 => answer.extend_from_slice(&buffer[..count]),
                _ => break,
            }
        }
    };
    timeout(SOON, read).await.expect("an answer, or the end");
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_trusted_proxy_names_the_client_and_a_stranger_does_not() {
    let trusting = behind(&["127.0.0.0/8"], false).await;
    let (client, _) =
        trusting.connect_with("/", &[(FORWARDED, "1.1.1.1, 198.51.100.2")]).await.expect("accepted");
    assert_eq!(source_ips(&trusting), ["198.51.100.2"], "what the client itself wrote is not believed");
    client.close().await;
    let suspicious = behind(&["10.0.0.0/8"], false).await;
    let (client, _) = suspicious.connect_with("/", &[(FORWARDED, "198.51.100.2")]).await.expect("accepted");
    assert_eq!(source_ips(&suspicious), ["127.0.0.1"]);
    let log = in_process_log();
    let warning = "127.0.0.1 sends X-Forwarded-For but is not in proxy.trusted";
    assert!(log.contains(warning), "{log}");
    client.close().await;
}

#[tokio::test]
async fn a_trusted_proxy_must_begin_with_its_header_and_a_stranger_must_not() {
    let trusting = behind(&["127.0.0.0/8"], true).await;
    let client = Ipv4Addr::new(198, 51, 100, 2);
    let with_header = [header(client).as_slice(), REQUEST.as_bytes()].concat();
    assert_eq!(first_line(&trusting, &with_header).await, "HTTP/1.1 101 Switching Protocols");
    assert_eq!(source_ips(&trusting), ["198.51.100.2"]);
    assert_eq!(first_line(&trusting, REQUEST.as_bytes()).await, "", "no header, no answer");
    assert_eq!(first_line(&trusting, &header(client)[..5]).await, "", "half a header is waited for in vain");
    assert_eq!(trusting.events("register").len(), 1);

    let suspicious = behind(&["10.0.0.0/8"], true).await;
    assert_eq!(first_line(&suspicious, &with_header).await, "HTTP/1.1 400 Bad Request");
    assert_eq!(first_line(&suspicious, REQUEST.as_bytes()).await, "HTTP/1.1 101 Switching Protocols");
    assert_eq!(source_ips(&suspicious), ["127.0.0.1"]);
}

#[tokio::test]
async fn a_page_of_a_foreign_origin_is_refused_before_any_function() {
    let origins = Origins::Only(vec!["https://example.com".to_owned()]);
    let gateway = InProcess::echo().api(|api| api.settings.origins = origins).start().await;
    let refused = gateway.ask("/", &[("Origin", "https://evil.example")]).await;
    assert_eq!((refused.status, refused.err_no()), (403, 403));
    let sentence = refused.json()["errMsg"].as_str().expect("a sentence").to_owned();
    assert!(sentence.contains("https://evil.example"), "{sentence}");
    assert!(gateway.events("register").is_empty());
    let series = r#"scf_gateway_handshakes_total{api="/",outcome="origin"}"#;
    assert!((gateway.metric(series) - 1.0).abs() < f64::EPSILON);
    let origin = HeaderName::from_static("origin");
    let (client, _) = gateway.connect_with("/", &[(origin, "https://example.com")]).await.expect("accepted");
    client.close().await;
    gateway.connect("/").await.close().await;
}
