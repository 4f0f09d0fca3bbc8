//! TCP connections, whatever becomes of them: an address may hold so many, all together so many as fit into the files of the
//! process, and operators and pushes have files of their own.

use std::net::SocketAddr;

use scf_websocket_test_harness::{
    Gateway, Reply, SOON, elsewhere::certificates::Authority, eventually, from_file, request,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::{Duration, timeout},
};

const ATTACKER: &str = "127.0.0.2:0";
const ANOTHER: &str = "127.0.0.3:0";
const LOOK_UP: &str = "GET /api-local?secConnectionID=x HTTP/1.1\r\nHost: x\r\n\r\n";
const NOT_YET: Duration = Duration::from_millis(50);

fn file(top: &str) -> String {
    format!(
        "listen = \"127.0.0.1:0\"\npush_listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n{top}\n\
         [[api]]\npath = \"/\"\nregister = \"process:$RUNTIMES/echo.py\"\n\
         transfer = \"process:$RUNTIMES/echo.py\"\ncleanup = \"process:$RUNTIMES/echo.py\"\n\
         function_timeout_seconds = 30\n"
    )
}

fn push_addr(gateway: &Gateway) -> &str {
    gateway.push.trim_start_matches("http://").split('/').next().expect("an address")
}

async fn connect(from: &str, to: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(from.parse().expect("an address")).expect("an address of this machine");
    let to: SocketAddr = to.trim_start_matches("wss://").parse().expect("an address");
    timeout(SOON, socket.connect(to)).await.expect("in time").expect("connected")
}

/// Everything that comes until the connection ends.
async fn answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = timeout(SOON, stream.read_to_end(&mut answer)).await.expect("the connection ends");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Connects and sends this until a connection is refused: those that are held, and what the last one was answered.
async fn hold(from: &str, to: &str, sent: &str) -> (Vec<TcpStream>, String) {
    let mut held = Vec::new();
    while held.len() < 1000 {
        let mut stream = connect(from, to).await;
        // One that is refused may be closed by now.
        let _ = stream.write_all(sent.as_bytes()).await;
        let mut begun = vec![0; 4096];
        let count = match timeout(NOT_YET, stream.read(&mut begun)).await {
            Err(_) => 0,
            Ok(count) => count.unwrap_or_default(),
        };
        let text = String::from_utf8_lossy(&begun[..count]).into_owned();
        if text.starts_with("HTTP/1.1 503 ") {
            return (held, text + &answer(&mut stream).await);
        }
        held.push(stream);
    }
    panic!("{} connections are held", held.len());
}

async fn healthy(gateway: &Gateway) {
    assert_eq!(request(gateway.admin(), "GET", "/healthz", &[], b"").await.status, 200);
}

async fn pushes(gateway: &Gateway) {
    let pushed = gateway.push_json(json!({"action": "closing", "secConnectionID": "x"})).await;
    assert_eq!((pushed.status, pushed.err_no()), (200, 404), "{pushed:?}");
}

fn refused(reply: &Reply, sentence: &str) {
    assert_eq!(reply.status, 503, "{reply:?}");
    assert!(reply.head.contains("retry-after: 1") && reply.body.contains(sentence), "{reply:?}");
}

/// With 400 files, clients have 144, of which an address has three quarters.
#[tokio::test]
async fn an_address_that_holds_all_it_can_harms_nobody() {
    let gateway = from_file(&file("")).open_files(400, 400).start();
    let mut client = gateway.connect("/").await;
    let (held, answered) = hold(ATTACKER, gateway.addr(), "").await;
    assert_eq!(held.len(), 108, "{answered}");
    assert!(answered.contains("\r\nretry-after: 1\r\n"), "{answered}");
    assert!(answered.contains(r#"{"errNo":503,"errMsg":"this address has 108 TCP connections, its limit"}"#));
    assert_eq!(client.ask("as before").await, "as before");
    assert_eq!(gateway.connect("/").await.ask("welcome").await, "welcome");
    // Others take the rest: clients are told so, operators and functions notice nothing.
    let (_rest, answered) = hold(ANOTHER, gateway.addr(), "GET / HTTP/1.1\r\n").await;
    assert!(answered.contains("there are 144 connections, as many as open files allow"), "{answered}");
    refused(&gateway.ask("/", &[]).await, "there are 144 connections");
    healthy(&gateway).await;
    pushes(&gateway).await;
    assert_eq!(client.ask("as ever").await, "as ever");
    gateway.wait_for_log("its limit (limits.tcp_connections_per_ip)").await;
    gateway.wait_for_log("(the limit of open files)").await;
    for limit in ["tcp_connections_per_ip", "open_files"] {
        let series = format!("scf_gateway_limit_hits_total{{limit=\"{limit}\"}}");
        assert!(gateway.exposed(&series, "").await >= 1.0, "{limit}");
    }
    drop(held);
    eventually("room again", || (files(&gateway) < 150).then_some(())).await;
    assert_eq!(gateway.connect("/").await.ask("again").await, "again");
}

/// What is refused waits for a second, so that its client can read why.
#[tokio::test]
async fn connections_that_are_refused_and_stay_take_few_files() {
    const LINGERING: usize = 32;
    let gateway = from_file(&file("[limits]\ntcp_connections_per_ip = 5")).start();
    let idle = files(&gateway);
    let (held, _) = hold(ATTACKER, gateway.addr(), "").await;
    let before = idle + held.len();
    eventually("only those that are held", || (files(&gateway) == before).then_some(())).await;
    let mut refused = Vec::new();
    while files(&gateway) < before + LINGERING {
        refused.push(connect(ATTACKER, gateway.addr()).await);
    }
    for _ in 0..4 * LINGERING {
        refused.push(connect(ATTACKER, gateway.addr()).await);
        // One more, which is about to be refused.
        assert!(files(&gateway) <= before + LINGERING + 1, "{} files", files(&gateway));
    }
}

fn files(gateway: &Gateway) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", gateway.pid())).expect("a process").count()
}

/// With 400 files, pushes have 64, and operators as many.
#[tokio::test]
async fn connections_that_idle_where_functions_push_or_operators_look_harm_nobody() {
    let gateway = from_file(&file("")).open_files(400, 400).start();
    let (_looking, answered) = hold(ATTACKER, push_addr(&gateway), LOOK_UP).await;
    assert!(answered.contains("this address has 48 TCP connections"), "{answered}");
    pushes(&gateway).await;
    let (_probing, answered) = hold(ATTACKER, gateway.admin(), "GET /healthz HTTP/1.1\r\n").await;
    assert!(answered.contains("this address has 48 TCP connections"), "{answered}");
    healthy(&gateway).await;
    assert_eq!(gateway.connect("/").await.ask("hello").await, "hello");
}

#[tokio::test]
async fn the_limit_of_an_address_is_a_setting_and_reloaded() {
    let limit = |limit: usize| file(&format!("[limits]\ntcp_connections_per_ip = {limit}"));
    let gateway = from_file(&limit(5)).start();
    let (mut held, answered) = hold(ATTACKER, gateway.addr(), "").await;
    assert_eq!(held.len(), 5);
    assert!(answered.contains("this address has 5 TCP connections, its limit"), "{answered}");
    held.pop();
    while held.len() < 5 {
        held.append(&mut hold(ATTACKER, gateway.addr(), "").await.0);
    }
    assert_eq!(held.len(), 5, "the place is free once the gateway has seen the end");
    gateway.rewrite(&limit(7));
    gateway.signal("HUP");
    gateway.wait_for_log("configuration reloaded, for new connections: [limits]").await;
    assert_eq!(hold(ATTACKER, gateway.addr(), "").await.0.len(), 2);
    gateway.connect("/").await.close().await;
}

#[tokio::test]
async fn what_comes_through_a_proxy_counts_as_the_client_that_it_names() {
    let settings = "[limits]\ntcp_connections_per_ip = 3\n[proxy]\ntrusted = [\"127.0.0.2\"]";
    let gateway = from_file(&file(settings)).start();
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(connect(ATTACKER, gateway.addr()).await);
    }
    let last = held.last_mut().expect("connections");
    last.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.expect("sent");
    assert!(answer(last).await.starts_with("HTTP/1.1 426 "), "a proxy is not one client");

    let gateway = from_file(&file(&format!("{settings}\nproxy_protocol = true"))).start();
    let named = |last: u8| {
        let fixed = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c";
        [fixed.as_slice(), &[198, 51, 100, last], &[10, 0, 0, 1], &[0x12, 0x67, 0x01, 0xbb]].concat()
    };
    let mut held = Vec::new();
    for last in [1, 1, 1, 2, 2, 2] {
        let mut stream = connect(ATTACKER, gateway.addr()).await;
        stream.write_all(&named(last)).await.expect("sent");
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
        let mut answered = [0; 13];
        timeout(SOON, stream.read_exact(&mut answered)).await.expect("in time").expect("an answer");
        assert_eq!(&answered, b"HTTP/1.1 426 ");
        held.push(stream);
    }
    let mut refused = connect(ATTACKER, gateway.addr()).await;
    refused.write_all(&named(1)).await.expect("sent");
    let answered = answer(&mut refused).await;
    assert!(answered.starts_with("HTTP/1.1 503 ") && answered.contains("has 3 TCP"), "{answered}");
}

/// TLS would have to come before an answer, and costs more than a connection.
#[tokio::test]
async fn over_tls_a_connection_too_many_is_closed() {
    let authority = Authority::new();
    let [certificate, key] = authority.server_files();
    let gateway = from_file(&file(&format!(
        "[limits]\ntcp_connections_per_ip = 2\n[tls]\ncertificate = \"{}\"\nkey = \"{}\"",
        certificate.display(),
        key.display()
    )))
    .start();
    let _held = [connect(ATTACKER, gateway.addr()).await, connect(ATTACKER, gateway.addr()).await];
    let mut third = connect(ATTACKER, gateway.addr()).await;
    assert_eq!(answer(&mut third).await, "");
    gateway.wait_for_log("this address has 2 TCP connections, its limit").await;
}
