//! A backend that is down, slow, or answers rubbish: what its own clients and the log see, and that the clients of
//! another API go on.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use scf_websocket_test_harness::{
    Client, Gateway, Reply, SOON,
    elsewhere::server::{self, Request, Server},
    eventually, from_file, request,
};
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio_websockets::CloseCode;

/// What a server does with a request for a role.
type Answer = fn(role: &str, event: &Value) -> server::Reply;

/// An API of local processes, and one whose functions are at this address; `more` are further keys of the latter.
fn beside(address: &str, more: &str) -> Gateway {
    from_file(&format!(
        "listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n[limits]\nframes_per_second = 100000\n\
         handshakes_per_second_per_ip = 100000\n[[api]]\npath = \"/near\"\nregister = \"process:$RUNTIMES/echo.py\"\n\
         transfer = \"process:$RUNTIMES/echo.py\"\ncleanup = \"process:$RUNTIMES/echo.py\"\n\
         function_timeout_seconds = 30\n[api.env]\nRECORD = \"$FOLDER/record\"\n\
         [[api]]\npath = \"/far\"\nregister = \"http://{address}/register\"\n\
         transfer = \"http://{address}/transfer\"\ncleanup = \"http://{address}/cleanup\"\n{more}\n"
    ))
    .start()
}

async fn start(answer: Answer) -> Server {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    serve(listener, answer)
}

fn serve(listener: tokio::net::TcpListener, answer: Answer) -> Server {
    let handler = move |request: Request| -> futures_util::future::BoxFuture<'static, server::Reply> {
        let event: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let reply = answer(request.target().trim_start_matches("POST /"), &event);
        Box::pin(async move { reply })
    };
    Server::on(listener, Arc::new(handler), None)
}

fn accepts(_: &str, event: &Value) -> server::Reply {
    server::Reply::ok(json!({"errNo": 0, "websocket": event["websocket"]}).to_string())
}

/// An address on which nothing listens, kept from others, and what to listen on it with.
fn unused() -> (SocketAddr, TcpSocket) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    (socket.local_addr().expect("an address"), socket)
}

/// Carries the fault out while a client of the other API is in conversation, which must go on.
async fn unnoticed<T>(gateway: &Gateway, fault: impl Future<Output = T>) -> T {
    let mut near = gateway.connect("/near").await;
    let (done, is_done) = tokio::sync::oneshot::channel();
    let talk = async {
        let mut is_done = std::pin::pin!(is_done);
        let mut rounds = 0_u32;
        loop {
            let text = format!("round {rounds}");
            near.send_text(&text).await;
            assert_eq!(near.next_text().await, text);
            rounds += 1;
            if rounds > 3 && futures_util::FutureExt::now_or_never(is_done.as_mut()).is_some() {
                return;
            }
        }
    };
    let fault = async {
        let result = fault.await;
        done.send(()).expect("the client still talks");
        result
    };
    let (result, ()) = tokio::join!(fault, talk);
    near.close().await;
    gateway.connect("/near").await.close().await;
    result
}

fn has_retry_after(reply: &Reply) -> bool {
    reply.head.to_lowercase().contains("\r\nretry-after: ")
}

#[tokio::test]
async fn down_at_the_start() {
    let (addr, socket) = unused();
    let gateway = beside(&addr.to_string(), "");
    let refused = unnoticed(&gateway, gateway.ask("/far", &[])).await;
    assert_eq!((refused.status, refused.err_no()), (503, 503), "{refused:?}");
    assert!(has_retry_after(&refused), "{refused:?}");
    assert!(!refused.body.contains(&addr.to_string()), "where the function is, is not the client's business");
    gateway.wait_for_log(&format!("http://{addr}/register cannot be reached")).await;
    let _server = serve(socket.listen(16).expect("it listens"), accepts);
    eventually_connects(&gateway).await.close().await;
}

/// The circuit lets a call pass after a second, or a few.
async fn eventually_connects(gateway: &Gateway) -> Client {
    let begun = std::time::Instant::now();
    loop {
        if let Ok((client, _)) = gateway.connect_with("/far", &[]).await {
            return client;
        }
        assert!(begun.elapsed() < SOON, "the backend is back and is not called");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn down_during_connections() {
    let server = start(accepts).await;
    let gateway = beside(&server.addr.to_string(), "function_timeout_seconds = 1");
    let mut far = gateway.connect("/far").await;
    far.send_text("x").await;
    server.requests(2).await;
    let (code, text) = unnoticed(&gateway, async {
        drop(server);
        far.send_text("y").await;
        far.closed().await
    })
    .await;
    assert!(
        u16::from(code) == 1013 || code == CloseCode::INTERNAL_SERVER_ERROR,
        "try again later, or the kept connection broke in the middle: {code:?}"
    );
    let request_id =
        text.split("(request ").nth(1).and_then(|rest| rest.strip_suffix(')')).expect("a request id");
    gateway.wait_for_log(request_id).await;
    let refused = gateway.ask("/far", &[]).await;
    assert_eq!(refused.status, 503, "{refused:?}");
}

#[tokio::test]
async fn slow() {
    let server = start(|_, _| server::Reply::Hang).await;
    let gateway = beside(&server.addr.to_string(), "function_timeout_seconds = 1");
    let refused = unnoticed(&gateway, gateway.ask("/far", &[])).await;
    assert_eq!((refused.status, refused.err_no()), (504, 504), "{refused:?}");
    gateway.wait_for_log("did not answer within 1000 ms: see function_timeout_seconds").await;
}

#[tokio::test]
async fn garbage() {
    let no_http = |_: &str, _: &Value| server::Reply::Raw(b"rubbish\r\n\r\n");
    let no_json = |_: &str, _: &Value| server::Reply::ok("rubbish");
    let no_decision = |_: &str, _: &Value| server::Reply::ok("[]");
    for answer in [no_http as Answer, no_json, no_decision] {
        let server = start(answer).await;
        let gateway = beside(&server.addr.to_string(), "function_timeout_seconds = 1");
        let refused = unnoticed(&gateway, gateway.ask("/far", &[])).await;
        assert_eq!(refused.status, 502, "{refused:?}");
        gateway.wait_for_log("the register function ").await;
    }
}

#[tokio::test]
async fn its_name_is_unknown() {
    let gateway = beside("functions.invalid:80", "function_timeout_seconds = 2");
    let refused = unnoticed(&gateway, gateway.ask("/far", &[])).await;
    assert!(
        refused.status == 503 && has_retry_after(&refused) || refused.status == 504,
        "unknown, or the name server does not answer either: {refused:?}"
    );
    gateway.wait_for_log("http://functions.invalid:80/register").await;
}

#[tokio::test]
async fn more_calls_than_allowed() {
    let server = start(|_, _| server::Reply::Hang).await;
    let more = "concurrent_calls = 1\nwaiting_calls = 1\nfunction_timeout_seconds = 60";
    let gateway = beside(&server.addr.to_string(), more);
    unnoticed(&gateway, async {
        // One runs and one waits, and both hang: the third is the first that has an answer.
        let asked = (0..3).map(|_| Box::pin(gateway.ask("/far", &[])));
        let (refused, _, waiting) = futures_util::future::select_all(asked).await;
        assert_eq!((refused.status, refused.err_no(), waiting.len()), (503, 503, 2), "{refused:?}");
        assert!(has_retry_after(&refused), "{refused:?}");
    })
    .await;
    gateway
        .wait_for_log("too many events wait for the register function: see --max-waiting or waiting_calls")
        .await;
}

#[tokio::test]
async fn the_wait_for_a_turn_counts_towards_the_time_out() {
    let server = start(|_, _| server::Reply::Hang).await;
    let gateway = beside(&server.addr.to_string(), "concurrent_calls = 1\nfunction_timeout_seconds = 2");
    let begun = std::time::Instant::now();
    let replies =
        unnoticed(&gateway, futures_util::future::join_all((0..4).map(|_| gateway.ask("/far", &[])))).await;
    // Each after the other would take eight seconds.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    for reply in replies {
        assert!(reply.status == 504 || reply.status == 503 && has_retry_after(&reply), "{reply:?}");
    }
}

#[tokio::test]
async fn a_circuit_opens_and_the_log_does_not_repeat_it_for_each_client() {
    let (addr, _socket) = unused();
    let gateway = beside(&addr.to_string(), "function_timeout_seconds = 1");
    let begun = std::time::Instant::now();
    let mut refused = 0_u32;
    while !gateway.log().contains("counts as down") {
        assert!(begun.elapsed() < SOON, "the circuit stays closed");
        let reply = gateway.ask("/far", &[]).await;
        assert!(matches!(reply.status, 503 | 504), "{reply:?}");
        refused += 1;
    }
    for _ in 0..200 {
        let reply = gateway.ask("/far", &[]).await;
        assert_eq!(reply.status, 503, "{reply:?}");
        assert!(has_retry_after(&reply), "{reply:?}");
        refused += 1;
    }
    let admin = gateway.page.as_deref().expect("an admin address").trim_start_matches("http://");
    let metrics = request(admin.trim_end_matches('/'), "GET", "/metrics", &[], b"").await.body;
    let labels = r#"{api="/far",role="register""#;
    let state = metrics.lines().find(|line| line.starts_with(&format!("scf_gateway_circuit_state{labels}")));
    assert!(state.is_some_and(|line| line.ends_with(" 2") || line.ends_with(" 1")), "{state:?}");
    let refusals = format!("scf_gateway_events_total{labels},outcome=\"circuit_open\"}} ");
    let counted = metrics.lines().find_map(|line| line.strip_prefix(refusals.as_str()));
    assert!(
        counted.and_then(|count| count.parse::<u32>().ok()).is_some_and(|count| count > 100),
        "{metrics}"
    );
    let lines = gateway.log().lines().filter(|line| line.contains("register function")).count();
    let allowed = 1 + begun.elapsed().as_secs() / 10;
    assert!(lines as u64 <= allowed, "{lines} lines about {refused} clients:\n{}", gateway.log());
    eventually("the first refusal has a line", || {
        gateway.log().contains("the register function of /far is unavailable (request ").then_some(())
    })
    .await;
}
