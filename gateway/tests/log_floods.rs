//! What meets many alike is summarised: floods from outside, and the lines that each of them makes.

use std::{sync::Arc, time::Instant};

use futures_util::{FutureExt as _, SinkExt as _, future::join_all};
use scf_websocket_test_harness::{
    Gateway, Need, Redis, echo,
    elsewhere::{
        certificates::Authority,
        server::{self, Server},
    },
    eventually, from_file, needs, request,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_websockets::Message;

/// For how long lines count together.
const INTERVAL_SECONDS: u64 = 10;

/// Waits until all of `count` lines with this text are accounted for, written or summarised, and checks that of each
/// interval no more than so many were written.
async fn summarised(gateway: &Gateway, text: &str, count: u64, allowed: u64, begun: Instant) {
    let written = |log: &str| {
        let lines =
            log.lines().filter(|line| line.contains(text) && !line.contains(" more like this within "));
        lines.count() as u64
    };
    let left_out = |log: &str| -> u64 {
        let summaries = log.lines().filter(|line| line.contains(text));
        let counts =
            summaries.filter_map(|line| line.split_once(" more like this within ")?.0.rsplit_once(' '));
        counts.map(|(_, count)| count.parse::<u64>().expect("a count")).sum()
    };
    eventually(&format!("{count} lines with {text:?}"), || {
        let log = gateway.log();
        (written(&log) + left_out(&log) >= count).then_some(())
    })
    .await;
    let log = gateway.log();
    let intervals = 1 + begun.elapsed().as_secs() / INTERVAL_SECONDS;
    let written = written(&log);
    assert!(written <= intervals * allowed, "{written} lines in {intervals} intervals:\n{log}");
    assert_eq!(written + left_out(&log), count, "{log}");
}

fn limits() -> &'static str {
    "[limits]\nframes_per_second = 1000000\nhandshakes_per_second_per_ip = 1000000\n"
}

#[tokio::test]
async fn a_backend_that_fails_for_each_client() {
    let begun = Instant::now();
    let refuse = |_| async { server::Reply::Whole(500, Vec::new(), b"rubbish".to_vec()) }.boxed();
    let server = Server::start(Arc::new(refuse), None).await;
    let gateway = from_file(&format!(
        "listen = \"127.0.0.1:0\"\n{}[[api]]\npath = \"/\"\nregister = \"http://{1}/register\"\n\
         transfer = \"http://{1}/\"\ncleanup = \"http://{1}/\"\nfunction_timeout_seconds = 1\n",
        limits(),
        server.addr
    ))
    .start();
    for _ in 0..10 {
        for refused in join_all((0..10).map(|_| gateway.ask("/", &[]))).await {
            assert_eq!(refused.status, 502, "{refused:?}");
        }
    }
    summarised(&gateway, "/register answered 500 Internal Server Error: rubbish", 100, 20, begun).await;
    summarised(&gateway, "was refused with 502", 100, 20, begun).await;
}

#[tokio::test]
async fn a_function_that_prints_a_line_for_each_frame() {
    if !needs(Need::Python) {
        return;
    }
    let begun = Instant::now();
    let gateway = echo().args(&["--max-instances", "1", "--timeout", "30000"]).start();
    let mut client = gateway.connect("/").await;
    for (text, count) in [("as always", 2000), ("ERROR: again", 200)] {
        for _ in 0..count {
            client.socket.feed(Message::text(format!("say {text}"))).await.expect("queued");
        }
    }
    client.socket.flush().await.expect("sent");
    assert_eq!(client.ask("done").await, "done");
    summarised(&gateway, "transfer-1 | as always", 2000, 500, begun).await;
    summarised(&gateway, "transfer-1 | ERROR: again", 200, 50, begun).await;
}

#[tokio::test]
async fn pushes_that_are_none() {
    if !needs(Need::Python) {
        return;
    }
    let begun = Instant::now();
    let gateway = echo().start();
    for _ in 0..100 {
        assert_eq!(gateway.push(b"rubbish").await.status, 400);
    }
    summarised(&gateway, "refused a reverse push: ", 100, 1, begun).await;
}

const PASSWORD: &str = "hunter2";

/// A gateway before functions that nobody asks.
fn guarded(top: &str) -> Gateway {
    let file = format!(
        "listen = \"127.0.0.1:0\"\npush_listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n\
         push_token = \"right\"\n{}{top}\n[[api]]\npath = \"/chat\"\norigins = [\"https://example.com\"]\n\
         register = \"http://127.0.0.1:1/\"\ntransfer = \"http://127.0.0.1:1/\"\n\
         cleanup = \"http://127.0.0.1:1/\"\n",
        limits()
    );
    from_file(&file).own_env("GATEWAY_ADMIN_PASSWORD", PASSWORD).start()
}

/// What was refused so often for this reason is counted, and in the log at this level.
async fn refused(gateway: &Gateway, (reason, count): (&str, u64), level: &str, text: &str, begun: Instant) {
    summarised(gateway, text, count, 1, begun).await;
    let log = gateway.log();
    let line = log.lines().find(|line| line.contains(text)).expect("a line");
    assert!(line.contains(&format!(" {level}] ")), "{line}");
    let series = format!("scf_gateway_refused_total{{reason=\"{reason}\"}}");
    assert_eq!(gateway.exposed(&series, PASSWORD).await.to_string(), count.to_string(), "{series}");
}

#[tokio::test]
async fn requests_that_are_nobodys() {
    let begun = Instant::now();
    let gateway = guarded("");
    for _ in 0..10 {
        assert_eq!(gateway.ask("/nowhere", &[]).await.status, 404);
        assert_eq!(gateway.ask("/chat", &[("Sec-WebSocket-Version", "8")]).await.status, 426);
        assert_eq!(gateway.ask("/chat", &[("Origin", "https://evil.example")]).await.status, 403);
        assert_eq!(request(gateway.addr(), "POST", "/api-wrong", &[], b"{}").await.status, 403);
        let wrong = [("Authorization", "Bearer hunter3")];
        assert_eq!(request(gateway.admin(), "GET", "/timeline", &wrong, b"").await.status, 401);
    }
    let nowhere = "on /nowhere was refused: no WebSocket API has this path";
    refused(&gateway, ("unknown_path", 10), "INFO ", nowhere, begun).await;
    refused(&gateway, ("malformed", 10), "INFO ", "on /chat was refused: only version 13", begun).await;
    let origin = "on /chat was refused with 403: the origin";
    refused(&gateway, ("origin", 10), "INFO ", origin, begun).await;
    let misdirected = ": this is not this gateway's push address";
    refused(&gateway, ("push_address", 10), "WARN ", misdirected, begun).await;
    let password = "for /timeline was refused: the password or token is wrong";
    refused(&gateway, ("admin_password", 10), "WARN ", password, begun).await;
}

#[tokio::test]
async fn connections_that_never_come_to_a_request() {
    let begun = Instant::now();
    let authority = Authority::new();
    let [certificate, key] = authority.server_files();
    let tls = format!("[tls]\ncertificate = \"{}\"\nkey = \"{}\"", certificate.display(), key.display());
    let gateway = guarded(&tls);
    let addr = gateway.addr().trim_start_matches("wss://").to_owned();
    knock(&addr).await;
    refused(&gateway, ("tls", 10), "INFO ", "was refused: the TLS handshake failed", begun).await;
    let begun = Instant::now();
    let gateway = guarded("[proxy]\ntrusted = [\"127.0.0.0/8\"]\nproxy_protocol = true");
    knock(gateway.addr()).await;
    let text = "was refused: the connection does not begin with a PROXY protocol header of version 2";
    refused(&gateway, ("proxy_protocol", 10), "WARN ", text, begun).await;
}

/// Ten times with a header of version 1, which is no TLS either.
async fn knock(addr: &str) {
    for _ in 0..10 {
        let mut stream = TcpStream::connect(addr).await.expect("connected");
        let header = b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.write_all(header).await.expect("sent");
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
}

#[tokio::test]
async fn pushes_to_other_nodes_while_redis_is_away() {
    if !(needs(Need::Redis) && needs(Need::Python)) {
        return;
    }
    let mut redis = Redis::start(&[]);
    let gateway = crate::cluster::node::process(&redis.url()).start();
    redis.stop();
    gateway.wait_for_log("has ended: ").await;
    let begun = Instant::now();
    for _ in 0..100 {
        // A connection of some other node.
        let to = json!({"action": "closing", "secConnectionID": "AAECAwQFBgcICQoLDA0ODw=="});
        assert_eq!(gateway.push_json(to).await.status, 503);
    }
    summarised(&gateway, "a reverse push was not delivered to 1 of 1 connections", 100, 1, begun).await;
}
