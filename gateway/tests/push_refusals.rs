//! Pushes that are refused: a wrong path or token, a web page, a body that is not a JSON object or has another transfer
//! coding. Replacing a token.

use scf_websocket_test_harness::{Gateway, Reply, SOON, eventually, from_file, request};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

const CLOSING: &str = r#"{"websocket":{"action":"closing","secConnectionID":"x"}}"#;

fn file(top: &str) -> String {
    format!(
        "listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n{top}\n[[api]]\npath = \"/\"\n\
         register = \"process:$RUNTIMES/echo.py\"\ntransfer = \"process:$RUNTIMES/echo.py\"\n\
         cleanup = \"process:$RUNTIMES/echo.py\"\nfunction_timeout_seconds = 30\n\
         [api.env]\nRECORD = \"$FOLDER/record\"\n"
    )
}

/// The host and port that functions push to.
fn push_addr(gateway: &Gateway) -> &str {
    gateway.push.trim_start_matches("http://").split('/').next().expect("an address")
}

async fn push_to(addr: &str, path: &str) -> Reply {
    request(addr, "POST", path, &[], CLOSING.as_bytes()).await
}

#[tokio::test]
async fn a_wrong_path_or_token_is_403_and_seen_by_the_operator() {
    const SENTENCE: &str = "this is not this gateway's push address: check WS_PUSH_URL and push_token";
    let gateway = from_file(&file("push_listen = \"127.0.0.1:0\"\npush_token = \"s3-cret_\"")).start();
    assert_eq!(gateway.push_json(json!({"action": "closing", "secConnectionID": "x"})).await.err_no(), 404);
    let refusal = json!({"errNo": 403, "errMsg": SENTENCE});
    for (addr, path) in [
        (push_addr(&gateway), "/api-local"),
        (push_addr(&gateway), "/api-"),
        (push_addr(&gateway), "/api-s3-cret"),
        (push_addr(&gateway), "/api-s3-cret_/"),
        (gateway.addr(), "/api-s3-cret_"),
        (gateway.addr(), "/api-other"),
    ] {
        let refused = push_to(addr, path).await;
        assert_eq!((refused.status, refused.json()), (403, refusal.clone()), "{path}");
        assert!(refused.head.to_ascii_lowercase().contains("connection: close"), "{refused:?}");
        let look = request(addr, "GET", &format!("{path}?secConnectionID=x"), &[], b"").await;
        assert_eq!((look.status, look.json()), (403, refusal.clone()), "{path}");
    }
    gateway.wait_for_log("WARN ] refused a reverse push from 127.0.0.1:").await;
    gateway.wait_for_log(SENTENCE).await;
    assert!(gateway.exposed(r#"scf_gateway_refused_total{reason="push_address"}"#, "").await >= 12.0);
    assert_eq!(push_to(push_addr(&gateway), "/").await.status, 404, "nobody meant to push");
    assert!(!gateway.log().contains("s3-cret"), "a token is not logged");
}

#[tokio::test]
async fn the_body_of_a_push_to_a_wrong_path_is_not_waited_for() {
    let gateway = from_file(&file("push_token = \"right\"")).start();
    let mut connection = TcpStream::connect(gateway.addr()).await.expect("connected");
    let head = "POST /api-wrong HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n";
    connection.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    timeout(SOON, connection.read_to_string(&mut answer)).await.expect("the connection ends").expect("text");
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
}

#[tokio::test]
async fn web_pages_do_not_push() {
    let gateway = from_file(&file("")).start();
    for header in [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "none"),
    ] {
        let pushed = request(gateway.addr(), "POST", "/api-local", &[header], CLOSING.as_bytes()).await;
        assert_eq!((pushed.status, pushed.err_no()), (403, 403), "{header:?}");
        let look = request(gateway.addr(), "GET", "/api-local?secConnectionID=x", &[header], b"").await;
        assert_eq!((look.status, look.err_no()), (403, 403), "{header:?}");
    }
    gateway.wait_for_log("WARN ] refused a reverse push: web pages do not push").await;
    assert!(gateway.exposed(r#"scf_gateway_refused_total{reason="web_page"}"#, "").await > 7.5);
}

#[tokio::test]
async fn an_array_is_no_push() {
    let gateway = from_file(&file("")).start();
    for body in [
        format!("[{CLOSING}]"),
        r#"[["closing","x",null,null,null,null,null,null]]"#.to_owned(),
        r#"{"websocket":["closing","x",null,null,null,null,null,null]}"#.to_owned(),
        r#"[{"action":"closing","secConnectionID":"x"}]"#.to_owned(),
    ] {
        let reply = gateway.push(body.as_bytes()).await;
        assert_eq!((reply.status, reply.err_no()), (400, 400), "{body}: {reply:?}");
    }
    assert_eq!(gateway.push(CLOSING.as_bytes()).await.err_no(), 404);
}

#[tokio::test]
async fn another_transfer_coding_than_chunked_is_501() {
    let gateway = from_file(&file("")).start();
    for (header, status) in [
        ("Transfer-Encoding: chunked", 200),
        ("Transfer-Encoding: Chunked", 200),
        ("Transfer-Encoding: gzip, chunked", 501),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", 501),
        ("Transfer-Encoding: chunked, chunked", 501),
        ("TE: gzip, chunked\r\nTransfer-Encoding: chunked", 501),
        ("TE: deflate, gzip;q=0.3\r\nTransfer-Encoding: chunked", 200),
    ] {
        let mut connection = TcpStream::connect(gateway.addr()).await.expect("connected");
        let request = format!(
            "POST /api-local HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n\r\n{:x}\r\n{CLOSING}\r\n0\r\n\r\n",
            CLOSING.len()
        );
        connection.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        let _ = timeout(SOON, connection.read_to_end(&mut answer)).await.expect("the connection ends");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{header}: {answer}");
    }
}

/// The push address that a local process receives.
async fn told(gateway: &Gateway) -> String {
    let before = gateway.record().len();
    gateway.connect("/").await.close().await;
    let record = eventually("the client's events", || {
        let record = gateway.record();
        record.iter().skip(before).any(|entry| entry["role"] == "cleanup").then_some(record)
    });
    let record = record.await;
    let environment = record.iter().skip(before).find_map(|entry| entry["environment"].as_object());
    let url = environment.expect("that of register")["WS_PUSH_URL"].as_str().expect("a URL");
    url.split('?').next().expect("a URL").to_owned()
}

#[tokio::test]
async fn a_token_is_replaced_without_a_push_that_fails() {
    let gateway = from_file(&file("push_token = \"old\"")).start();
    let addr = gateway.addr().to_owned();
    let statuses = async || {
        let mut statuses = Vec::new();
        for token in ["old", "new", "local"] {
            statuses.push(push_to(&addr, &format!("/api-{token}")).await.status);
        }
        statuses
    };
    assert_eq!(statuses().await, [200, 403, 403]);
    assert!(told(&gateway).await.ends_with("/api-old"));
    let reload = async |top: &str, times: usize| {
        gateway.rewrite(&file(top));
        gateway.signal("HUP");
        let line = "configuration reloaded, for new connections: push_token (at once)";
        eventually("the reload", || (gateway.log().matches(line).count() == times).then_some(())).await;
    };
    reload("push_token = \"new\"\npush_token_previous = \"old\"", 1).await;
    assert_eq!(statuses().await, [200, 200, 403]);
    assert!(told(&gateway).await.ends_with("/api-new"), "its process was started anew");
    reload("push_token = \"new\"", 2).await;
    assert_eq!(statuses().await, [403, 200, 403]);
}

#[tokio::test]
async fn the_previous_token_may_come_from_a_file_of_its_own() {
    let folder = std::env::temp_dir().join(format!("previous-token-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("token"), "from-a-file\n").expect("a file");
    let path = folder.join("token").display().to_string();
    let gateway =
        from_file(&file("push_token = \"new\"")).own_env("GATEWAY_PUSH_TOKEN_PREVIOUS_FILE", &path).start();
    assert_eq!(push_to(gateway.addr(), "/api-from-a-file").await.status, 200);
    assert_eq!(push_to(gateway.addr(), "/api-new").await.status, 200);
    std::fs::remove_dir_all(&folder).expect("removed");
}
