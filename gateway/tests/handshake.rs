//! A client asks to connect, and the register function decides.

use axum::http::header::{COOKIE, PROXY_AUTHORIZATION, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use scf_websocket_test_harness::{
    InProcess, Need, SOON, echo, in_process_log, limits, misbehaving, needs, request,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

#[tokio::test]
async fn the_event_says_who_asks_for_what() {
    let gateway = InProcess::echo().start().await;
    let headers = [(COOKIE, "theme=dark; lang=en"), (PROXY_AUTHORIZATION, "secret")];
    let (client, _) =
        gateway.connect_with("/test/a%20b?room=a%2Fb&tag=1&tag=2", &headers).await.expect("accepted");
    let event = &gateway.events("register")[0];
    let context = &event["requestContext"];
    assert_eq!(context["path"], "/test/a%20b");
    assert_eq!(context["httpMethod"], "GET");
    assert_eq!(context["sourceIp"], "127.0.0.1");
    assert_eq!(context["stage"], "local");
    assert_eq!(context["websocketEnable"], true);
    assert!(context["serviceName"].is_string() && context["identity"]["secretId"].is_string());
    assert_eq!(context["requestId"].as_str().map(str::len), Some(36));
    let websocket = event["websocket"].as_object().expect("an object");
    assert_eq!(
        websocket.keys().collect::<Vec<_>>(),
        ["action", "secConnectionID"],
        "nothing the client did not send"
    );
    assert_eq!(websocket["action"], "connecting");
    let host = gateway.addr();
    assert_eq!(
        event["headers"],
        json!({ "cookie": "theme=dark; lang=en", "host": host }),
        "neither the handshake's own headers nor those of a proxy"
    );
    assert_eq!(event["queryString"], json!({ "room": "a/b", "tag": "1,2" }));
    let id = STANDARD.decode(websocket["secConnectionID"].as_str().expect("an id")).expect("Base64");
    assert_eq!(id.len(), 16);
    client.close().await;
}

#[tokio::test]
async fn sub_protocols_and_extensions_go_through_the_function() {
    let gateway = InProcess::echo().start().await;
    let headers =
        [(SEC_WEBSOCKET_PROTOCOL, "chat, binary"), (SEC_WEBSOCKET_EXTENSIONS, "permessage-deflate; x=1")];
    let (_client, answer) = gateway.connect_with("/", &headers).await.expect("accepted");
    let websocket = &gateway.events("register")[0]["websocket"];
    assert_eq!(websocket["secWebSocketProtocol"], "chat, binary");
    assert_eq!(websocket["secWebSocketExtensions"], "permessage-deflate; x=1");
    assert_eq!(answer[SEC_WEBSOCKET_PROTOCOL], "chat", "the first of the list that the function returned");
    assert!(!answer.contains_key(SEC_WEBSOCKET_EXTENSIONS));

    let (_client, answer) = gateway.connect_with("/protocol-other", &headers).await.expect("accepted");
    assert_eq!(answer[SEC_WEBSOCKET_PROTOCOL], "other", "passed on as it is");
    let (_client, answer) = gateway.connect_with("/protocol-binary", &headers).await.expect("accepted");
    assert_eq!(answer[SEC_WEBSOCKET_PROTOCOL], "binary");
}

#[tokio::test]
async fn a_refusal_is_403_with_the_functions_answer() {
    let gateway = InProcess::echo().start().await;
    let refused = gateway.ask("/refuse", &[]).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.body, r#"{"errMsg":"not today","errNo":103}"#);
    let record = gateway.wait_for_record("refused", |record| record["outcome"] == "refused").await;
    assert_eq!(record["message"], "errNo 103: not today");
    gateway.wait_for_record("the connection", |record| record["what"] == "refused").await;
}

#[tokio::test]
async fn an_err_no_of_an_http_error_is_the_status_of_the_refusal() {
    let gateway = InProcess::echo().start().await;
    for (err_no, status) in
        [(400, 400), (429, 429), (599, 599), (399, 403), (600, 403), (7, 403), (-500, 403), (66_000, 403)]
    {
        let refused = gateway.ask(&format!("/errno-{err_no}"), &[]).await;
        assert_eq!((refused.status, refused.err_no()), (status, err_no), "{refused:?}");
    }
}

/// The function says where its store is, as those of earlier versions do.
#[tokio::test]
async fn a_store_that_is_away_is_503_and_its_address_stays_in_the_log() {
    let mut gateway = InProcess::echo().start().await;
    for _ in 0..3 {
        let refused = gateway.ask("/errno-104", &[]).await;
        assert_eq!((refused.status, refused.err_no()), (503, 104), "{refused:?}");
        assert!(refused.head.to_lowercase().contains("\r\nretry-after: 1"), "{refused:?}");
        assert!(
            refused.body.contains("try again later") && !refused.body.contains("10.0.0.7"),
            "{refused:?}"
        );
    }
    let logged = "WARN the store of the register function of / is unavailable (request ";
    let lines: Vec<_> =
        in_process_log().lines().filter(|l| l.starts_with(logged)).map(str::to_owned).collect();
    assert!(lines.iter().any(|line| line.ends_with("): redis://10.0.0.7:6379 is away")), "{lines:?}");
    for series in
        ["scf_gateway_handshakes_total{api=\"/\",", "scf_gateway_events_total{api=\"/\",role=\"register\","]
    {
        gateway.wait_for_metric(&format!("{series}outcome=\"store_unavailable\"}}"), 3.0).await;
    }
    let record = |record: &serde_json::Value| record["outcome"] == "store_unavailable";
    let record = gateway.wait_for_record("the outcome", record).await;
    assert_eq!(record["message"], "redis://10.0.0.7:6379 is away");
    gateway.shutdown().await;
}

#[tokio::test]
async fn a_failing_register_function_is_502_and_a_slow_one_504() {
    if !needs(Need::Python) {
        return;
    }
    for (way, status) in [
        ("error", 502),
        ("rubbish", 502),
        ("no decision", 502),
        ("exits in the middle", 502),
        ("exits before ready", 502),
        ("exits after ready", 502),
        ("answers late", 504),
        ("never ready", 504),
        ("never asks", 504),
    ] {
        let gateway = misbehaving(way, None).args(&limits(way)).start();
        let refused = gateway.ask("/", &[]).await;
        assert_eq!(refused.status, status, "{way}: {refused:?}");
        assert_eq!(refused.err_no(), i64::from(status), "{way}");
    }
}

#[tokio::test]
async fn what_a_failing_function_says_goes_to_the_log_and_not_to_the_client() {
    if !needs(Need::Python) {
        return;
    }
    for (way, said) in [
        ("error", "it did not work out"),
        ("rubbish", "is not a valid decision"),
        ("exits before ready", "status 4"),
    ] {
        let gateway = misbehaving(way, None).start();
        let refused = gateway.ask("/", &[]).await;
        assert!(!refused.body.contains(said), "{way}: {refused:?}");
        assert!(!refused.body.contains("register-1"), "{way}: {refused:?}");
        let sentence = refused.json()["errMsg"].as_str().expect("a sentence").to_owned();
        let request_id = sentence.rsplit_once("(request ").expect("a request id").1.trim_end_matches(')');
        assert_eq!(request_id.len(), 36, "{sentence}");
        let log = gateway.log();
        let line = log.lines().find(|line| line.contains(request_id)).expect("the request in the log");
        assert!(line.contains(said), "{way}: {line}");
    }
}

#[tokio::test]
async fn requests_that_are_no_upgrade_are_told_so() {
    let gateway = InProcess::echo().start().await;
    let addr = gateway.addr();
    assert_eq!(request(addr, "GET", "/chat", &[], b"").await.status, 426);
    assert_eq!(request(addr, "POST", "/chat", &[], b"x").await.status, 404);
    let old = gateway.ask("/", &[("Sec-WebSocket-Version", "8")]).await;
    assert_eq!(old.status, 426);
    assert!(old.head.to_lowercase().contains("sec-websocket-version: 13"), "{old:?}");
    for wrong in [("Sec-WebSocket-Key", ""), ("Sec-WebSocket-Key", "c2hvcnQ="), ("Connection", "keep-alive")]
    {
        let refused = gateway.ask("/", &[wrong]).await;
        assert_eq!(refused.status, 400, "{wrong:?}");
        assert_eq!(refused.err_no(), 400);
    }
    assert!(gateway.events("register").is_empty(), "the function hears of none of these");
}

/// What two readers could understand differently is no handshake. Whether the bytes of a body are frames would depend on
/// when they arrive.
#[tokio::test]
async fn a_handshake_has_each_header_once_and_no_body() {
    const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
    const HOST: &str = "Host: x\r\n";
    if !needs(Need::Python) {
        return;
    }
    let gateway = echo().start();
    for (headers, body, status) in [
        (format!("{HOST}{VERSION}{KEY}"), "", 101),
        (format!("{HOST}{VERSION}{KEY}Content-Length: 0\r\n"), "", 101),
        (format!("{HOST}{VERSION}{KEY}Content-Length: 6\r\n"), "\u{1}\u{2}hidden", 400),
        (format!("{HOST}{VERSION}{KEY}Content-Length: 6\r\n"), "", 400),
        (format!("{HOST}{VERSION}{KEY}Transfer-Encoding: chunked\r\n"), "0\r\n\r\n", 400),
        (format!("{VERSION}{KEY}"), "", 400),
        (format!("{HOST}Host: y\r\n{VERSION}{KEY}"), "", 400),
        (format!("{HOST}{HOST}{VERSION}{KEY}"), "", 400),
        (format!("{HOST}{VERSION}{KEY}{KEY}"), "", 400),
        (format!("{HOST}{VERSION}"), "", 400),
        (format!("{HOST}{VERSION}Sec-WebSocket-Version: 8\r\n{KEY}"), "", 400),
        (format!("{HOST}Sec-WebSocket-Version: 13, 8\r\n{KEY}"), "", 400),
        (format!("{HOST}Sec-WebSocket-Version: x\r\n{KEY}"), "", 400),
        (format!("{HOST}{KEY}"), "", 400),
        (format!("{HOST}Sec-WebSocket-Version: 8\r\n{KEY}"), "", 426),
    ] {
        let mut connection = TcpStream::connect(gateway.addr()).await.expect("the address answers");
        let request =
            format!("GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{headers}\r\n{body}");
        connection.write_all(request.as_bytes()).await.expect("a request");
        let mut answer = vec![0; 4096];
        let count = timeout(SOON, connection.read(&mut answer)).await.expect("in time").expect("an answer");
        let answer = String::from_utf8_lossy(&answer[..count]);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{headers}: {answer}");
        if status == 426 {
            assert!(answer.contains("sec-websocket-version: 13\r\n"), "{answer}");
        }
    }
    assert_eq!(gateway.events("register").len(), 2, "the function hears of the first two alone");
}

#[tokio::test]
async fn sub_protocols_that_have_no_name_are_not_answered() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = echo().start();
    for offered in [",,", ",", " , "] {
        let (_client, answer) =
            gateway.connect_with("/", &[(SEC_WEBSOCKET_PROTOCOL, offered)]).await.expect("accepted");
        assert!(!answer.contains_key(SEC_WEBSOCKET_PROTOCOL), "{offered:?}: {answer:?}");
    }
}

#[tokio::test]
async fn the_page_is_for_this_machine_only() {
    let gateway = InProcess::echo().start().await;
    let page = request(gateway.addr(), "GET", "/", &[], b"").await;
    assert_eq!(page.status, 200);
    assert!(page.head.contains("content-security-policy: default-src 'none'"), "{}", page.head);
    let head = request(gateway.addr(), "HEAD", "/", &[], b"").await;
    let of_a_get = |head: &str| {
        let lines = head.lines().filter(|line| !line.starts_with("date: "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(of_a_get(&head.head), of_a_get(&page.head), "HEAD is answered like GET");
    assert_eq!(head.body, "");
    assert_eq!(request(gateway.addr(), "HEAD", "/chat", &[], b"").await.status, 426);
    let rebound = request(gateway.addr(), "GET", "/timeline", &[("Host", "rebound.example")], b"").await;
    assert_eq!(rebound.status, 403, "a foreign name that points here");
    // The WebSocket on the same path is the register function's affair.
    gateway.connect("/").await.close().await;
}

#[tokio::test]
async fn elsewhere_than_on_loopback_there_is_no_page_unless_asked_for() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = echo().args(&["--listen", "0.0.0.0:0"]).start();
    assert_eq!(gateway.page, None);
    let addr = gateway.addr().replace("0.0.0.0", "127.0.0.1");
    for path in ["/", "/timeline"] {
        assert_eq!(request(&addr, "GET", path, &[], b"").await.status, 403, "{path}");
    }
    gateway.wait_for_log("is no loopback address").await;
    gateway.wait_for_log("--push-token").await;
    assert!(gateway.push.starts_with("http://127.0.0.1:"), "functions can reach it: {}", gateway.push);
    let mut client = gateway.connect("/").await;
    client.send_text("works").await;
    assert_eq!(client.next_text().await, "works");

    let gateway = echo().args(&["--listen", "0.0.0.0:0", "--page"]).start();
    let addr = gateway.addr().replace("0.0.0.0", "127.0.0.1");
    assert_eq!(request(&addr, "GET", "/", &[("Host", "gateway.example")], b"").await.status, 200);
    gateway.wait_for_log("sees every payload").await;
}

#[tokio::test]
async fn a_client_that_is_gone_before_its_answer_is_cleaned_up_after() {
    let gateway = InProcess::echo().start().await;
    let mut connection = TcpStream::connect(gateway.addr()).await.expect("the address answers");
    let head = "GET /hold HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    connection.write_all(head.as_bytes()).await.expect("a request");
    gateway.wait_for_events("register", 1).await;
    drop(connection);
    gateway.release();
    let closing = gateway.wait_for_events("cleanup", 1).await;
    let registered = &gateway.events("register")[0]["websocket"]["secConnectionID"];
    assert_eq!(&closing[0]["websocket"]["secConnectionID"], registered);
}

#[tokio::test]
async fn a_frame_that_comes_with_the_request_is_not_lost() {
    let gateway = InProcess::echo().start().await;
    let mut connection = TcpStream::connect(gateway.addr()).await.expect("the address answers");
    // Behind the request's empty line: the text frame `hi`, masked with zeroes.
    let sent = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\
                \u{1}\u{2}\0\0\0\0hi";
    let mut sent = sent.as_bytes().to_vec();
    let frame = sent.len() - 8;
    sent[frame] = 0x81;
    sent[frame + 1] = 0x82;
    connection.write_all(&sent).await.expect("a request with a frame");
    let events = gateway.wait_for_events("transfer", 1).await;
    assert_eq!(events[0]["websocket"]["data"], "hi");
}

/// A register function records the connection before it answers: from then on others may push to it.
#[tokio::test]
async fn what_is_pushed_before_the_client_is_let_in_waits_for_it() {
    let gateway = InProcess::echo().start().await;
    let mut client = gateway.connect("/greet").await;
    assert_eq!(client.next_text().await, "welcome");
    let refused = gateway.ask("/greet-and-refuse", &[]).await;
    assert_eq!(refused.status, 403);
    let id = gateway.events("register")[1]["websocket"]["secConnectionID"].clone();
    let push =
        serde_json::json!({"action": "data send", "secConnectionID": id, "dataType": "text", "data": "x"});
    assert_eq!(gateway.push_json(push).await.err_no(), 404, "a refused connection is forgotten");
}
