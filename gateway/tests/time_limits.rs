//! Time limits for what a peer sends: 10 s for a request's head, 10 s without progress for its body, and 30 s for the
//! body as a whole.

use std::time::Duration;

use futures_util::future::join_all;
use scf_websocket_gateway::function::runtime_api::{RuntimeApi, RuntimeLimits};
use scf_websocket_test_harness::InProcess;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

/// Longer than any limit, on a busy machine.
const AT_LAST: Duration = Duration::from_secs(40);
const LONGER_THAN_THE_LIMIT: Duration = Duration::from_secs(11);

/// Side by side, because each of them waits for more than ten seconds.
#[tokio::test]
async fn peers_that_stall_are_cut_and_functions_may_rest() {
    tokio::join!(
        heads_that_are_never_finished_are_cut_and_harm_nobody(),
        a_push_that_stalls_is_408(),
        a_push_that_drips_is_408(),
        who_asks_for_nothing_where_functions_push_is_cut(),
        a_runtime_that_stalls_is_cut(),
        functions_may_keep_their_connections(),
    );
}

/// Everything that is answered until the peer ends the connection.
async fn answered(mut connection: TcpStream) -> String {
    let mut answer = Vec::new();
    let read = timeout(AT_LAST, connection.read_to_end(&mut answer)).await;
    // A connection that is reset has ended too.
    let _ = read.expect("the connection ends");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn begun(addr: &str, beginning: &str) -> TcpStream {
    let mut connection = TcpStream::connect(addr).await.expect("the address answers");
    connection.write_all(beginning.as_bytes()).await.expect("sent");
    connection
}

async fn kept_request(connection: &mut TcpStream, text: &str) -> String {
    connection.write_all(text.as_bytes()).await.expect("sent");
    let mut buffer = vec![0; 64 * 1024];
    let count = timeout(AT_LAST, connection.read(&mut buffer)).await.expect("in time").expect("an answer");
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

async fn heads_that_are_never_finished_are_cut_and_harm_nobody() {
    let gateway = InProcess::echo().start().await;
    let beginnings =
        ["", "G", "GET / HTTP/1.1\r\nHost: x\r\n", "GET / HTTP/1.1\r\nUpgrade: websocket\r\nX: "];
    let half_sent = join_all((0..48).map(|number| begun(gateway.addr(), beginnings[number % 4]))).await;
    let mut trickling = begun(gateway.addr(), "GET / HTTP/1.1\r\nX: ").await;
    let trickle = async {
        while trickling.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(500)).await;
        }
    };
    let mut client = gateway.connect("/").await;
    client.send_text("works").await;
    assert_eq!(client.next_text().await, "works");
    let all_cut = join_all(half_sent.into_iter().map(answered));
    let (_, trickled) = tokio::join!(all_cut, timeout(AT_LAST, trickle));
    trickled.expect("a head of a byte now and then is cut too");
    client.send_text("still works").await;
    assert_eq!(client.next_text().await, "still works");
}

async fn a_push_that_stalls_is_408() {
    let gateway = InProcess::echo().start().await;
    let head = "POST /api-local HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"websocket\":";
    let answer = answered(begun(gateway.addr(), head).await).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("nothing came for 10s"), "{answer}");
}

async fn a_push_that_drips_is_408() {
    let gateway = InProcess::echo().start().await;
    let head = "POST /api-local HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n";
    let (mut reading, mut writing) = begun(gateway.addr(), head).await.into_split();
    let drip = async {
        while writing.write_all(b" ").await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
    };
    let mut answer = vec![0; 1024];
    let answered = async { reading.read(&mut answer).await.expect("an answer") };
    let count = tokio::select! {
        count = timeout(AT_LAST, answered) => count.expect("in time"),
        () = drip => panic!("no answer"),
    };
    let answer = String::from_utf8_lossy(&answer[..count]);
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("within 30s"), "{answer}");
}

async fn who_asks_for_nothing_where_functions_push_is_cut() {
    let push_listen = ([127, 0, 0, 1], 0).into();
    let gateway = InProcess::echo().gateway(|builder| builder.push_listen(push_listen)).start().await;
    let addr = gateway.push.trim_start_matches("http://").split('/').next().expect("an address");
    assert_eq!(answered(begun(addr, "").await).await, "");
    let refused =
        answered(begun(addr, "GET /api-wrong?secConnectionID=x HTTP/1.1\r\nHost: x\r\n\r\n").await).await;
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
}

async fn a_runtime_that_stalls_is_cut() {
    let api = RuntimeApi::start(RuntimeLimits::default()).await.expect("a port");
    let addr = api.addr().to_string();
    let half_a_body = "POST /runtime/init/ready HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{";
    let half_a_head = "GET /runtime/invocation/next HTTP/1.1\r\nHost";
    let (body, head) = (begun(&addr, half_a_body).await, begun(&addr, half_a_head).await);
    let (body, head) = tokio::join!(answered(body), answered(head));
    assert!(body.starts_with("HTTP/1.1 408 "), "{body}");
    assert_eq!(head, "");
}

async fn functions_may_keep_their_connections() {
    let gateway = InProcess::echo().start().await;
    let api = RuntimeApi::start(RuntimeLimits::default()).await.expect("a port");
    let push = json!({"websocket": {"action": "closing", "secConnectionID": "x"}}).to_string();
    let push = format!("POST /api-local HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{push}", push.len());
    let ready = "POST /runtime/init/ready HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    let mut pushing = begun(gateway.addr(), "").await;
    let mut runtime = begun(&api.addr().to_string(), "").await;
    // One that has not asked for anything yet.
    let mut idle = begun(&api.addr().to_string(), "").await;
    assert!(kept_request(&mut pushing, &push).await.contains("\"errNo\":404"));
    assert!(kept_request(&mut runtime, ready).await.contains("OK"));
    // An answer may take longer, too.
    let mut waiting = begun(&api.addr().to_string(), "").await;
    let late = async {
        sleep(LONGER_THAN_THE_LIMIT).await;
        api.offer("id", "late").await
    };
    let next = "GET /runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n";
    // The offer lives until the request is answered.
    let (next, _offer) = tokio::join!(kept_request(&mut waiting, next), late);
    assert!(next.ends_with("late"), "{next}");
    assert!(kept_request(&mut pushing, &push).await.contains("\"errNo\":404"));
    for connection in [&mut runtime, &mut idle] {
        assert!(kept_request(connection, ready).await.contains("OK"));
    }
}
