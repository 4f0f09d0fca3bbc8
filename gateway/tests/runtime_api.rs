//! The runtime API and the reverse push address by themselves, as stand-ins for other tests.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use scf_websocket_gateway::{
    BoxFuture,
    function::runtime_api::{Outcome, RuntimeApi, RuntimeLimits},
    http::{HeaderCase, Server},
    push,
    registry::{ConnectionInfo, Deliver, Delivery, DeliveryError},
    report::{Pusher, Report, Reporter, Reports},
};
use scf_websocket_test_harness::{Reply, SOON, request};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    join,
    net::{TcpListener, TcpStream},
    time::timeout,
};

const A_WHILE: Duration = Duration::from_millis(100);

async fn call(api: &RuntimeApi, method: &str, path: &str, body: &[u8]) -> Reply {
    request(&api.addr().to_string(), method, &format!("/runtime{path}"), &[("Connection", "close")], body)
        .await
}

async fn next(api: &RuntimeApi) -> Reply {
    call(api, "GET", "/invocation/next", b"").await
}

/// A `next` that gives up after a while: what it was answered until the server has closed its connection too. Before
/// that, the server would hand an event to it, as SCF does.
async fn given_up_next(api: &RuntimeApi) -> Vec<u8> {
    let mut connection = TcpStream::connect(api.addr()).await.expect("the address answers");
    connection
        .write_all(b"GET /runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .expect("a request");
    assert!(timeout(A_WHILE, connection.readable()).await.is_err(), "no answer");
    connection.shutdown().await.expect("half closed");
    let mut seen = Vec::new();
    timeout(SOON, connection.read_to_end(&mut seen)).await.expect("closed in time").expect("closed");
    seen
}

async fn respond(api: &RuntimeApi, answer: &str) -> u16 {
    call(api, "POST", "/invocation/response", answer.as_bytes()).await.status
}

#[tokio::test]
async fn one_event_after_the_other() {
    let api = RuntimeApi::start(RuntimeLimits::default()).await.expect("a port");
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
    let api = RuntimeApi::start(RuntimeLimits::default()).await.expect("a port");
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
    assert_eq!(given_up_next(&api).await, b"", "it was taken back");
    let offer = api.offer("id", "not handed out").await;
    assert_eq!(respond(&api, "late").await, 200, "too late for the one before, too early for this one");
    assert_eq!(next(&api).await.body, "not handed out");
    drop(offer);
}

#[tokio::test]
async fn head_on_next_takes_no_event() {
    let api = RuntimeApi::start(RuntimeLimits::default()).await.expect("a port");
    let mut offer = api.offer("id", "event").await;
    let head = call(&api, "HEAD", "/invocation/next", b"").await;
    assert_eq!(head.status, 405);
    assert!(head.head.to_lowercase().contains("\r\nallow: get"), "{}", head.head);
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(offer.taken_at(), None, "the event was taken");
    assert_eq!(next(&api).await.body, "event");
    assert_eq!(respond(&api, "answer").await, 200);
    assert_eq!(offer.decided().await.handed_out, 1);
}

#[tokio::test]
async fn headers_can_be_left_out_and_written_otherwise() {
    let all = RuntimeLimits::new(256, Duration::from_millis(1500));
    let none = RuntimeLimits {
        memory_limit_in_mb: None,
        time_limit_in_ms: None,
        request_id: false,
        header_case: HeaderCase::Lower,
    };
    let title = RuntimeLimits { header_case: HeaderCase::Title, ..all.clone() };
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
    let api = RuntimeApi::start(RuntimeLimits::default()).await.expect("a port");
    let limit = 6 * 1024 * 1024;
    let mut offer = api.offer("id", "{}").await;
    next(&api).await;
    let refused = call(&api, "POST", "/invocation/response", &vec![b'x'; limit + 1]).await;
    assert_eq!(refused.status, 413);
    assert!(refused.body.contains("6 MiB"), "{refused:?}");
    assert_eq!(call(&api, "POST", "/invocation/response", &vec![b'x'; limit]).await.status, 200);
    assert!(matches!(offer.decided().await.outcome, Outcome::Response(body) if body.len() == limit));
}

/// Knows every id but `gone` and `away`, and remembers what was delivered.
#[derive(Default)]
struct RecordingRegistry(Mutex<Vec<String>>);

impl Deliver for RecordingRegistry {
    fn deliver<'a>(
        &'a self,
        ids: &'a [String],
        delivery: Delivery,
    ) -> BoxFuture<'a, Vec<Result<(), DeliveryError>>> {
        let results = ids.iter().map(|id| {
            self.0.lock().expect("no panic").push(match &delivery {
                Delivery::Frame(frame) => format!("{id} {:?}", frame.as_text()),
                Delivery::Close(_) => format!("{id} closed"),
            });
            match id.as_str() {
                "gone" => Err(DeliveryError::NotFound),
                "away" => Err(DeliveryError::Unreachable("its node does not answer".to_owned())),
                _ => Ok(()),
            }
        });
        let results = results.collect();
        Box::pin(async { results })
    }

    fn look_up<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<ConnectionInfo, DeliveryError>> {
        Box::pin(async { Err(DeliveryError::NotFound) })
    }
}

/// Remembers which instance pushed what, and the answer.
#[derive(Default)]
struct Pushes(Mutex<Vec<AnsweredPush>>);

/// The instance, the connection and the answer's `errNo`.
type AnsweredPush = (Option<String>, Option<String>, u32);

impl Reporter for Pushes {
    fn report(&self, report: &Report<'_>) {
        let Report::PushAnswered { by, push, status, .. } = report else { panic!("no push: {report:?}") };
        let instance = match by {
            Pusher::Instance(instance) => Some(*instance),
            _ => None,
        };
        let connection = push.ok().and_then(|push| push.to().ids().first().cloned());
        self.0.lock().expect("no panic").push((instance.map(str::to_owned), connection, status.err_no));
    }
}

#[tokio::test]
async fn the_push_address_works_with_another_registry_too() {
    let registry = Arc::new(RecordingRegistry::default());
    let pushes = Arc::new(Pushes::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let reports = Reports::to(vec![Arc::clone(&pushes) as Arc<dyn Reporter>]);
    let router = push::router(Arc::clone(&registry) as Arc<dyn Deliver>, reports);
    let server = Server::start(listener, router, HeaderCase::Lower).expect("a server");
    let addr = server.addr().to_string();
    let post = async |path: &str, websocket: serde_json::Value| {
        let body = json!({ "websocket": websocket }).to_string();
        request(&addr, "POST", path, &[], body.as_bytes()).await
    };
    let send =
        |id: &str| json!({"action": "data send", "secConnectionID": id, "dataType": "text", "data": "x"});
    let done = post("/api-local?instance=transfer-1", send("a")).await;
    assert_eq!((done.status, done.err_no()), (200, 0));
    let closed = post("/api-local", json!({"action": "closing", "secConnectionID": "gone"})).await;
    assert_eq!((closed.status, closed.err_no()), (200, 404), "the function forgets it");
    let away = post("/api-local", send("away")).await;
    assert_eq!((away.status, away.err_no()), (503, 503), "the function keeps it and may push again");
    let delivered = registry.0.lock().expect("no panic");
    assert_eq!(*delivered, ["a Some(\"x\")", "gone closed", "away Some(\"x\")"]);
    let pushes = pushes.0.lock().expect("no panic");
    let by =
        |instance: Option<&str>, id: &str, err_no| (instance.map(str::to_owned), Some(id.to_owned()), err_no);
    assert_eq!(*pushes, [by(Some("transfer-1"), "a", 0), by(None, "gone", 404), by(None, "away", 503)]);
}
