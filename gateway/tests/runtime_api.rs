//! The runtime API and the reverse push address by themselves, as stand-ins for other tests.

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{Reply, request};
use scf_websocket_gateway::{
    BoxFuture,
    connections::{Connections, Outbox, Undelivered},
    contract::Frame,
    function::runtime_api::{Limits, Outcome, RuntimeApi},
    http::{HeaderCase, Server},
    push,
};
use serde_json::json;
use tokio::{
    join,
    net::TcpListener,
    time::{sleep, timeout},
};

const A_WHILE: Duration = Duration::from_millis(100);

async fn call(api: &RuntimeApi, method: &str, path: &str, body: &[u8]) -> Reply {
    request(&api.addr().to_string(), method, &format!("/runtime{path}"), &[("Connection", "close")], body)
        .await
}

async fn next(api: &RuntimeApi) -> Reply {
    call(api, "GET", "/invocation/next", b"").await
}

async fn respond(api: &RuntimeApi, answer: &str) -> u16 {
    call(api, "POST", "/invocation/response", answer.as_bytes()).await.status
}

#[tokio::test]
async fn one_event_after_the_other() {
    let api = RuntimeApi::start(Limits::default()).await.expect("a port");
    assert!(timeout(A_WHILE, api.ready()).await.is_err());
    for body in [&b""[..], b" ", b"{}"] {
        let ready = call(&api, "POST", "/init/ready", body).await;
        assert_eq!((ready.status, ready.body.as_str()), (200, "OK"));
        api.ready().await;
    }
    let runtime = async {
        for (event, answer) in [("one", "1"), ("two", "2")] {
            let offered = next(&api).await;
            assert_eq!(offered.body, event);
            assert_eq!(respond(&api, answer).await, 200);
        }
        assert_eq!(next(&api).await.body, "three");
        call(&api, "POST", "/invocation/error", b"no").await
    };
    // The second waits until the first is over.
    let (one, two, ()) = join!(api.invoke("id-1", "one"), api.invoke("id-2", "two"), async {
        let (three, reply) = join!(api.invoke("id-3", "three"), runtime);
        assert_eq!((three, reply.status), (Outcome::Error("no".into()), 200));
    });
    assert_eq!((one, two), (Outcome::Response("1".into()), Outcome::Response("2".into())));
    assert_eq!(call(&api, "GET", "/nowhere", b"").await.status, 404);
}

#[tokio::test]
async fn the_first_outcome_is_final_and_a_dropped_event_is_taken_back() {
    let api = RuntimeApi::start(Limits::default()).await.expect("a port");
    assert_eq!(respond(&api, "x").await, 400, "nothing was ever handed out");
    let mut offer = api.offer("id", "event").await;
    assert_eq!(respond(&api, "x").await, 400, "still nothing");
    for _ in 0..3 {
        assert_eq!(next(&api).await.body, "event");
    }
    assert_eq!(respond(&api, "first").await, 200);
    assert_eq!(respond(&api, "second").await, 200);
    let decided = offer.decided().await;
    assert_eq!((decided.outcome, decided.handed_out), (Outcome::Response("first".into()), 3));
    drop(offer);

    assert!(timeout(A_WHILE, api.invoke("id", "too slow")).await.is_err());
    assert!(timeout(A_WHILE, next(&api)).await.is_err(), "it was taken back");
    // Until the server has seen that this `next` is gone, it would hand the event to it, as SCF does.
    sleep(A_WHILE).await;
    let offer = api.offer("id", "not handed out").await;
    assert_eq!(respond(&api, "late").await, 200, "too late for the one before, too early for this one");
    assert_eq!(next(&api).await.body, "not handed out");
    drop(offer);
}

#[tokio::test]
async fn head_on_next_takes_no_event() {
    let api = RuntimeApi::start(Limits::default()).await.expect("a port");
    let mut offer = api.offer("id", "event").await;
    let head = call(&api, "HEAD", "/invocation/next", b"").await;
    assert_eq!(head.status, 405);
    assert!(head.head.to_lowercase().contains("\r\nallow: get"), "{}", head.head);
    assert!(timeout(A_WHILE, offer.taken()).await.is_err(), "the event was taken");
    assert_eq!(next(&api).await.body, "event");
    assert_eq!(respond(&api, "answer").await, 200);
    assert_eq!(offer.decided().await.handed_out, 1);
}

#[tokio::test]
async fn headers_can_be_left_out_and_written_otherwise() {
    let all = Limits::new(256, Duration::from_millis(1500));
    let none = Limits {
        memory_limit_in_mb: None,
        time_limit_in_ms: None,
        request_id: false,
        header_case: HeaderCase::Lower,
    };
    let title = Limits { header_case: HeaderCase::Title, ..all.clone() };
    for (limits, expected) in [
        (
            all,
            &[
                "\r\nrequest_id: id-1\r\n",
                "\r\nmemory_limit_in_mb: 256\r\n",
                "\r\ntime_limit_in_ms: 1500\r\n",
            ][..],
        ),
        (none, &[]),
        (
            title,
            &[
                "\r\nRequest_id: id-1\r\n",
                "\r\nMemory_limit_in_mb: 256\r\n",
                "\r\nTime_limit_in_ms: 1500\r\n",
            ],
        ),
    ] {
        let api = RuntimeApi::start(limits).await.expect("a port");
        let _offer = api.offer("id-1", "{}").await;
        let head = next(&api).await.head + "\r\n";
        for header in expected {
            assert!(head.contains(header), "{header:?} in {head}");
        }
        let lower = head.to_lowercase();
        let present = ["request_id", "memory_limit_in_mb", "time_limit_in_ms"]
            .iter()
            .filter(|name| lower.contains(*name));
        assert_eq!(present.count(), expected.len(), "{head}");
    }
}

#[tokio::test]
async fn an_outcome_over_6_mb_is_413() {
    let api = RuntimeApi::start(Limits::default()).await.expect("a port");
    let limit = 6 * 1024 * 1024;
    let mut offer = api.offer("id", "{}").await;
    next(&api).await;
    let refused = call(&api, "POST", "/invocation/response", &vec![b'x'; limit + 1]).await;
    assert_eq!(refused.status, 413);
    assert!(refused.body.contains("6 MB"), "{refused:?}");
    assert_eq!(call(&api, "POST", "/invocation/response", &vec![b'x'; limit]).await.status, 200);
    assert!(matches!(offer.decided().await.outcome, Outcome::Response(body) if body.len() == limit));
}

/// Knows every id but `gone`, and remembers.
#[derive(Default)]
struct Recording(Mutex<Vec<String>>);

impl Recording {
    fn note(&self, id: &str, what: String) -> Result<(), Undelivered> {
        self.0.lock().expect("no panic").push(what);
        if id == "gone" { Err(Undelivered::Unknown) } else { Ok(()) }
    }
}

impl Connections for Recording {
    fn open(&self, _: &str, _: Outbox) {}

    fn leave(&self, _: &str) -> bool {
        false
    }

    fn send<'a>(&'a self, id: &'a str, frame: Frame) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(async move { self.note(id, format!("{id} {frame:?}")) })
    }

    fn close<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(async move { self.note(id, format!("{id} closed")) })
    }
}

#[tokio::test]
async fn the_push_address_works_with_other_connections_too() {
    let connections = Arc::new(Recording::default());
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = {
        let told = Arc::clone(&told);
        Arc::new(move |instance: Option<&str>, push: scf_websocket_gateway::Pushed| {
            told.lock().expect("no panic").push((instance.map(str::to_owned), push.action, push.err_no));
        })
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let router = push::router(Arc::clone(&connections) as Arc<dyn Connections>, sink);
    let server = Server::start(listener, router, HeaderCase::Lower).expect("a server");
    let addr = server.addr().to_string();
    let send = json!({"websocket": {"action": "data send", "secConnectionID": "a", "dataType": "text", "data": "x"}});
    let close = json!({"websocket": {"action": "closing", "secConnectionID": "gone"}});
    let done =
        request(&addr, "POST", "/api-local?instance=transfer-1", &[], send.to_string().as_bytes()).await;
    assert_eq!(done.err_no(), 0);
    let closed = request(&addr, "POST", "/api-local", &[], close.to_string().as_bytes()).await;
    assert_ne!(closed.err_no(), 0);
    assert_eq!(*connections.0.lock().expect("no panic"), ["a Text(\"x\")", "gone closed"]);
    let told = told.lock().expect("no panic");
    assert_eq!(*told, [(Some("transfer-1".to_owned()), Some("data send"), 0), (None, Some("closing"), 404)]);
}
