//! A function anywhere: what the gateway makes of a backend's answers and failures.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use scf_websocket_gateway::{
    Api, Gateway,
    function::{Call, Failure, FunctionBackend, Invoked, Role, Timings},
    report::{InvocationOutcome, Report, Reporter},
};
use scf_websocket_test_harness::{InProcess, request};
use serde_json::{Value, json};
use tokio_websockets::CloseCode;

fn accept(event: &Value) -> Value {
    json!({"errNo": 0, "websocket": {"secConnectionID": event["websocket"]["secConnectionID"]}})
}

fn overloaded() -> Failure {
    Failure::Overloaded { retry_after: Duration::from_millis(2500) }
}

fn down() -> Failure {
    Failure::Unavailable("10.0.0.5:8080 refused the connection".into())
}

#[tokio::test]
async fn a_register_function_that_cannot_be_reached_is_503_with_a_time_to_retry() {
    for (failure, seconds, kind) in
        [(overloaded as fn() -> Failure, "3", "is overloaded"), (down, "1", "is unavailable")]
    {
        let gateway = InProcess::of(move |_, _| async move { Err(failure()) }).start().await;
        let refused = gateway.ask("/", &[]).await;
        assert_eq!((refused.status, refused.err_no()), (503, 503));
        assert!(refused.head.contains(&format!("\r\nretry-after: {seconds}")), "{}", refused.head);
        assert!(refused.body.contains(kind), "{}", refused.body);
        assert!(!refused.body.contains("10.0.0.5"), "the cause is for the log: {}", refused.body);
    }
}

#[tokio::test]
async fn a_transfer_function_that_cannot_be_reached_closes_with_1013_and_the_client_is_cleaned_up_after() {
    for (failure, kind) in [(overloaded as fn() -> Failure, "is overloaded"), (down, "is unavailable")] {
        let functions = move |role, event: Value| async move {
            match role {
                Role::Register => Ok(accept(&event)),
                Role::Transfer => Err(failure()),
                Role::Cleanup => Ok(event),
            }
        };
        let gateway = InProcess::of(functions).start().await;
        let mut client = gateway.connect("/").await;
        client.send_text("x").await;
        let (code, text) = client.closed().await;
        assert_eq!(u16::from(code), 1013, "{text}");
        assert!(text.starts_with(&format!("the transfer function {kind} (request ")), "{text}");
        gateway.wait_for_events("cleanup", 1).await;
    }
}

#[tokio::test]
async fn any_other_failure_of_a_transfer_is_1011() {
    let functions = |role, event: Value| async move {
        match role {
            Role::Register => Ok(accept(&event)),
            _ => Err(Failure::TimedOut("no answer within 3 s".into())),
        }
    };
    let gateway = InProcess::of(functions).start().await;
    let mut client = gateway.connect("/").await;
    client.send_text("x").await;
    assert_eq!(client.closed().await.0, CloseCode::INTERNAL_SERVER_ERROR);
}

/// Answers with fixed times, and counts how often it is stopped.
#[derive(Default)]
struct Measured {
    stopped: AtomicUsize,
}

impl FunctionBackend for Measured {
    fn invoke<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Invoked> {
        Box::pin(async move {
            let event: Value = serde_json::from_slice(&call.event).expect("an event");
            let mut timings = Timings::default();
            timings.queued = Duration::from_millis(1);
            timings.started = (call.role == Role::Register).then_some(Duration::from_millis(20));
            timings.ran = Some(Duration::from_millis(300));
            timings.instance = Some("cloud-7".to_owned());
            Invoked::new(Ok(Bytes::from(accept(&event).to_string())), timings)
        })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        self.stopped.fetch_add(1, Ordering::Relaxed);
        Box::pin(async {})
    }
}

/// Remembers the outcomes.
#[derive(Default)]
struct Outcomes(std::sync::Mutex<Vec<(Role, InvocationOutcome)>>);

impl Reporter for Outcomes {
    fn report(&self, report: &Report<'_>) {
        if let Report::InvocationEnded { role, outcome, .. } = report {
            self.0.lock().expect("no panic").push((*role, *outcome));
        }
    }
}

#[tokio::test]
async fn a_backend_s_times_and_instance_are_shown_and_it_is_stopped_at_the_end() {
    let (backend, outcomes) = (Arc::new(Measured::default()), Arc::new(Outcomes::default()));
    let running = Gateway::builder()
        .listen(([127, 0, 0, 1], 0).into())
        .api(Api::of("/chat", Arc::clone(&backend)))
        .reporter(Arc::clone(&outcomes) as Arc<dyn Reporter>)
        .start()
        .await
        .expect("started");
    let uri = format!("ws://{}/chat/room", running.addr()).parse().expect("an address");
    let (socket, _) = tokio_websockets::ClientBuilder::from_uri(uri).connect().await.expect("accepted");
    let addr = running.addr().to_string();
    let elsewhere = request(&addr, "GET", "/chatter", &[("Upgrade", "websocket")], b"").await;
    assert_eq!((elsewhere.status, elsewhere.err_no()), (404, 404), "no API has this path");
    let timeline = scf_websocket_test_harness::wait_for_record(&addr, "the call", |record| {
        record["role"] == "register" && record["outcome"] == "ok"
    })
    .await;
    assert_eq!((&timeline["instance"], &timeline["cold"]), (&json!("cloud-7"), &json!(true)));
    assert_eq!((&timeline["init_ms"], &timeline["function_ms"]), (&json!(20.0), &json!(300.0)));
    assert!(timeline["queued_ms"].as_f64().is_some_and(|queued| queued >= 1.0), "{timeline}");
    running.shutdown().await;
    drop(socket);
    assert_eq!(backend.stopped.load(Ordering::Relaxed), 3, "once for each function");
    let outcomes = outcomes.0.lock().expect("no panic");
    assert_eq!(*outcomes, [(Role::Register, InvocationOutcome::Ok), (Role::Cleanup, InvocationOutcome::Ok)]);
}

#[tokio::test]
async fn each_api_has_its_own_functions_and_the_longest_path_wins() {
    let named = |name: &'static str| {
        let functions = move |role, event: Value| async move {
            match role {
                Role::Register => Ok(json!({"errNo": 1, "errMsg": name})),
                _ => Ok(event),
            }
        };
        Arc::new(scf_websocket_test_harness::AsyncFn::new(functions))
    };
    let running = Gateway::builder()
        .listen(([127, 0, 0, 1], 0).into())
        .api(Api::of("/", named("all others")))
        .api(Api::of("/chat", named("chat")))
        .api(Api::of("/chat/admin", named("admin")))
        .start()
        .await
        .expect("started");
    let addr = running.addr().to_string();
    let upgrade = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    for (path, api) in [
        ("/", "all others"),
        ("/chatter", "all others"),
        ("/chat", "chat"),
        ("/chat/room", "chat"),
        ("/chat/admin/x", "admin"),
    ] {
        let refused = request(&addr, "GET", path, &upgrade, b"").await;
        assert_eq!(refused.json()["errMsg"], api, "{path}");
    }
    running.shutdown().await;
}

#[tokio::test]
async fn apis_without_a_path_of_their_own_do_not_start() {
    let backend = Arc::new(Measured::default());
    let same = Gateway::builder()
        .listen(([127, 0, 0, 1], 0).into())
        .api(Api::of("/chat", Arc::clone(&backend)))
        .api(Api::of("/chat/", backend));
    let error = same.start().await.expect_err("the same path twice");
    assert!(error.to_string().contains("/chat"), "{error}");
    assert!(Gateway::builder().start().await.is_err(), "no API at all");
}
