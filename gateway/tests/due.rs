//! What a client is due reaches the functions: its closing event wherever register may have run, again and again until its
//! function is available; and what is due holds up nobody.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use scf_websocket_gateway::{
    function::{Failure, Role},
    limits::Limits,
};
use scf_websocket_test_harness::{InProcess, eventually, from_file};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio_websockets::CloseCode;

fn accepted(event: &Value) -> Value {
    let id = &event["websocket"]["secConnectionID"];
    json!({"errNo": 0, "errMsg": "ok", "websocket": {"action": "connecting", "secConnectionID": id}})
}

#[tokio::test]
async fn a_client_that_register_may_have_accepted_gets_its_closing_event() {
    for (failure, status, cleanups) in [
        (Failure::TimedOut("late".into()), 504, 1),
        (Failure::Crashed("in the middle".into()), 502, 1),
        (Failure::Error("the answer was cut".into()), 502, 1),
        (Failure::NeverReady("no program".into()), 502, 0),
        (Failure::Unavailable("away".into()), 503, 0),
    ] {
        let outcome = failure.clone();
        let mut gateway = InProcess::of(move |role, event: Value| {
            let failure = failure.clone();
            async move { if role == Role::Register { Err(failure) } else { Ok(event) } }
        })
        .start()
        .await;
        assert_eq!(gateway.ask("/", &[]).await.status, status, "{outcome:?}");
        gateway.shutdown().await;
        assert_eq!(gateway.events("cleanup").len(), cleanups, "{outcome:?}");
    }
}

#[tokio::test]
async fn a_client_that_register_refuses_gets_no_closing_event() {
    let mut gateway = InProcess::of(async |_, _| Ok(json!({"errNo": 7, "errMsg": "no"}))).start().await;
    assert_eq!(gateway.ask("/", &[]).await.status, 403);
    gateway.shutdown().await;
    assert!(gateway.events("cleanup").is_empty());
}

#[tokio::test]
async fn a_cleanup_whose_function_is_unavailable_is_called_again_until_it_is_there() {
    for failure in
        [Failure::Unavailable("away".into()), Failure::NeverReady("it ended before it was ready".into())]
    {
        is_called_again_after(failure).await;
    }
}

async fn is_called_again_after(failure: Failure) {
    let refusals = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&refusals);
    let gateway = InProcess::of(move |role, event: Value| {
        let (refusals, failure) = (Arc::clone(&counted), failure.clone());
        async move {
            match role {
                Role::Register => Ok(accepted(&event)),
                Role::Cleanup if refusals.fetch_add(1, Ordering::SeqCst) < 6 => Err(failure),
                _ => Ok(event),
            }
        }
    })
    .start()
    .await;
    for _ in 0..5 {
        gateway.connect("/").await.close().await;
    }
    eventually("refusals", || (refusals.load(Ordering::SeqCst) >= 5).then_some(())).await;
    gateway.wait_for_metric("scf_gateway_cleanups_pending", 0.0).await;
    let mut cleaned: Vec<_> = gateway
        .events("cleanup")
        .iter()
        .map(|event| event["websocket"]["secConnectionID"].to_string())
        .collect();
    cleaned.sort();
    cleaned.dedup();
    assert_eq!(cleaned.len(), 5);
    assert_eq!(refusals.load(Ordering::SeqCst), 6 + 5, "each is called until it is carried out");
}

#[tokio::test]
async fn cleanups_that_could_not_be_called_until_the_end_are_named_with_their_number() {
    let mut gateway = from_file(
        "listen = \"127.0.0.1:0\"\npush_listen = \"127.0.0.1:0\"\ndrain_seconds = 1\n[[api]]\npath = \"/\"\n\
         register = \"process:$RUNTIMES/echo.py\"\ntransfer = \"process:$RUNTIMES/echo.py\"\n\
         cleanup = \"http://127.0.0.1:1/\"\n[api.env]\nRECORD = \"$FOLDER/record\"\n",
    )
    .start();
    for _ in 0..3 {
        gateway.connect("/").await.close().await;
    }
    gateway.wait_for_log("the cleanup function").await;
    gateway.signal("TERM");
    gateway.wait_for_log("the cleanups of 3 connections were not called").await;
    assert!(gateway.ended().await.success());
}

#[tokio::test]
async fn a_client_that_has_left_does_not_count_while_its_cleanup_runs() {
    let allowed = Arc::new(Semaphore::new(0));
    let permits = Arc::clone(&allowed);
    let mut gateway = InProcess::of(move |role, event: Value| {
        let permits = Arc::clone(&permits);
        async move {
            if role == Role::Cleanup {
                permits.acquire().await.expect("open").forget();
            }
            Ok(if role == Role::Register { accepted(&event) } else { event })
        }
    })
    .clients(|clients| {
        clients.limits = Limits::default();
        clients.limits.connections_per_ip = 1;
    })
    .start()
    .await;
    gateway.connect("/").await.close().await;
    let mut second = None;
    for _ in 0..500 {
        if let Ok((client, _)) = gateway.connect_with("/", &[]).await {
            second = Some(client);
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let second = second.expect("its place is free once it is closed");
    assert_eq!(gateway.events("cleanup").len(), 1, "it cannot have ended");
    allowed.add_permits(10);
    second.close().await;
    gateway.shutdown().await;
    assert_eq!(gateway.events("cleanup").len(), 2);
}

#[tokio::test]
async fn a_function_closes_with_a_code_and_a_reason_and_may_want_the_cleanup() {
    let mut gateway = InProcess::echo().start().await;
    let mut client = gateway.connect("/").await;
    let id = client.id(&gateway).await;
    let kick = json!({"action": "closing", "secConnectionID": id, "code": 4001, "reason": "kicked", "cleanup": true});
    assert_eq!(gateway.push_json(kick).await.err_no(), 0);
    let (code, reason) = client.closed().await;
    assert_eq!((u16::from(code), reason.as_str()), (4001, "kicked"));
    drop(client);
    gateway.wait_for_events("cleanup", 1).await;
    let mut client = gateway.connect("/").await;
    let id = client.id(&gateway).await;
    let bad = json!({"action": "closing", "secConnectionID": id, "code": 1006});
    assert_eq!(gateway.push_json(bad).await.status, 400);
    let bye = json!({"action": "closing", "secConnectionIDs": [id], "code": 1008, "reason": "bye"});
    assert_eq!(gateway.push_json(bye).await.err_no(), 0);
    let (code, reason) = client.closed().await;
    assert_eq!((code, reason.as_str()), (CloseCode::POLICY_VIOLATION, "bye"));
    drop(client);
    gateway.shutdown().await;
    assert_eq!(gateway.events("cleanup").len(), 1);
}

#[tokio::test]
async fn attributes_of_the_register_answer_are_in_every_later_event_and_in_the_look_up() {
    let mut gateway = InProcess::of(async |role, event: Value| {
        let mut answer = accepted(&event);
        answer["websocket"]["attributes"] = json!({"user": "ann", "level": "3"});
        Ok(if role == Role::Register { answer } else { event })
    })
    .start()
    .await;
    let mut client = gateway.connect("/").await;
    client.send_text("hello").await;
    let transfer = gateway.wait_for_events("transfer", 1).await;
    let expected = json!({"user": "ann", "level": "3"});
    assert_eq!(transfer[0]["attributes"], expected);
    assert_eq!(transfer[0]["websocket"]["data"], "hello");
    client.close().await;
    let closing = gateway.wait_for_events("cleanup", 1).await;
    assert_eq!(closing[0]["attributes"], expected);
    gateway.shutdown().await;
}

#[tokio::test]
async fn attributes_that_are_no_strings_or_too_long_refuse_the_client_and_are_cleaned_up_after() {
    for attributes in [json!({"level": 3}), json!({"long": "x".repeat(5000)}), json!(["user"])] {
        let answer = attributes.clone();
        let mut gateway = InProcess::of(move |role, event: Value| {
            let attributes = answer.clone();
            async move {
                let mut answer = accepted(&event);
                answer["websocket"]["attributes"] = attributes;
                Ok(if role == Role::Register { answer } else { event })
            }
        })
        .start()
        .await;
        assert_eq!(gateway.ask("/", &[]).await.status, 502, "{attributes}");
        gateway.shutdown().await;
        assert_eq!(gateway.events("cleanup").len(), 1);
    }
}

#[tokio::test]
async fn a_path_that_is_too_long_to_be_kept_is_refused() {
    let gateway = InProcess::echo().start().await;
    let refused = gateway.ask(&format!("/{}?{}", "x".repeat(5000), "y".repeat(4000)), &[]).await;
    assert_eq!(refused.status, 414);
    assert!(gateway.events("register").is_empty());
}
