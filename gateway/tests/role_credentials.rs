//! Credentials of a virtual machine's role: fetched once, renewed in time, and what becomes of calls without them.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use futures_util::future::join_all;
use scf_websocket_gateway::function::{
    Call, Failure, FunctionBackend as _, Role,
    remote::{
        Remote, RemoteSettings,
        client::{HttpClient, Trust},
        scf::{
            IDLE, ScfClient, ScfFunction,
            credentials::{CredentialSource, RoleCredentials},
        },
    },
};
use scf_websocket_test_harness::elsewhere::{
    cloud::{Cloud as StandIn, REGION},
    server::{Handler, Reply, Server, script},
    soon,
};
use serde_json::json;

const LONG: Duration = Duration::from_secs(15);

/// The metadata address's answer: the credentials of this number, valid for so many seconds.
fn credentials(number: usize, seconds: u64) -> Reply {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let body = json!({
        "TmpSecretId": format!("AKID{number}"), "TmpSecretKey": format!("key-{number}"),
        "Token": format!("token-{number}"), "ExpiredTime": now + seconds, "Expiration": "", "Code": "Success",
    });
    Reply::ok(body.to_string())
}

fn know(cloud: &StandIn, number: usize) {
    cloud.account(&format!("AKID{number}"), &format!("key-{number}"), Some(&format!("token-{number}")));
}

/// A stand-in with the function `chat` and the credentials of the numbers 1 to 3.
async fn stand_in() -> Option<StandIn> {
    let cloud = StandIn::start().await?;
    (1..=3).for_each(|number| know(&cloud, number));
    let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/runtimes/echo.py");
    let variables = [("WS_ROLE", "register"), ("WS_PUSH_URL", "http://127.0.0.1:9/")];
    cloud.function("default", "chat", &program, &variables);
    Some(cloud)
}

/// Answers the n-th request with the credentials of number n.
fn numbered(seconds: u64) -> Handler {
    let count = AtomicUsize::new(0);
    Arc::new(move |_| {
        let number = count.fetch_add(1, Ordering::AcqRel) + 1;
        Box::pin(async move { credentials(number, seconds) })
    })
}

fn function(cloud: &StandIn, metadata: &Server, timeout: Duration) -> Remote<ScfFunction> {
    let trust = Trust::File(cloud.authority.file.clone());
    let client = HttpClient::new(&trust, IDLE).expect("a client");
    let role = RoleCredentials::new("gateway-role", &format!("http://{}", metadata.addr)).expect("a role");
    let endpoint = cloud.endpoint().parse().expect("an endpoint");
    let cloud = ScfClient::new(client, endpoint, REGION, CredentialSource::Role(role)).expect("a region");
    let function = ScfFunction::new(Arc::new(cloud), "scf:chat".parse().expect("a target"));
    Remote::new(function, RemoteSettings::new(timeout))
}

async fn call(function: &Remote<ScfFunction>) -> Result<Bytes, Failure> {
    let event = json!({"requestContext": {"path": "/chat"}, "websocket": {"secConnectionID": "an-id"}});
    let request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef";
    let call = Call::new(Role::Register, "an-id", request_id, event.to_string().into());
    soon("an outcome", function.invoke(call)).await.result
}

#[tokio::test]
async fn they_are_fetched_once_for_all_calls() {
    let Some(cloud) = stand_in().await else { return };
    let metadata = Server::start(numbered(3_600), None).await;
    let function = function(&cloud, &metadata, LONG);
    for result in join_all((0..10).map(|_| call(&function))).await {
        assert!(result.is_ok(), "{result:?}");
    }
    assert!(call(&function).await.is_ok());
    let seen = metadata.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].target(), "GET /latest/meta-data/cam/security-credentials/gateway-role");
    let accepted = cloud.accepted();
    assert!(
        accepted.iter().all(|call| (call.secret_id.as_str(), call.token.as_str()) == ("AKID1", "token-1"))
    );
}

#[tokio::test]
async fn they_are_renewed_before_they_expire_and_no_call_waits_for_it() {
    let Some(cloud) = stand_in().await else { return };
    // Less than the 300 s that they are renewed before their end.
    let metadata = Server::start(numbered(200), None).await;
    let function = function(&cloud, &metadata, LONG);
    let renewed = async {
        while cloud.accepted().last().is_none_or(|call| call.secret_id != "AKID2") {
            let result = call(&function).await;
            assert!(result.is_ok(), "{result:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    soon("the second credentials", renewed).await;
    assert_eq!(cloud.accepted()[0].secret_id, "AKID1");
}

#[tokio::test]
async fn a_renewal_that_fails_leaves_the_old_ones_in_use() {
    let Some(cloud) = stand_in().await else { return };
    let metadata = Server::start(script([credentials(1, 200), Reply::Hang]), None).await;
    let function = function(&cloud, &metadata, Duration::from_secs(10));
    let asked_again = async {
        while metadata.seen().len() < 2 {
            assert!(call(&function).await.is_ok());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    soon("the renewal", asked_again).await;
    // It hangs now, and holds no call up.
    for _ in 0..3 {
        assert!(call(&function).await.is_ok());
    }
    metadata.hung_up(1).await;
    assert!(call(&function).await.is_ok());
    assert!(cloud.accepted().iter().all(|call| call.secret_id == "AKID1"));
}

#[tokio::test]
async fn refused_ones_are_replaced_at_the_next_call() {
    let Some(cloud) = stand_in().await else { return };
    let metadata = Server::start(numbered(3_600), None).await;
    let function = function(&cloud, &metadata, LONG);
    assert!(call(&function).await.is_ok());
    cloud.forget("AKID1");
    let failure = call(&function).await.expect_err("refused").to_string();
    assert!(
        failure.contains("AuthFailure.SecretIdNotFound") && failure.contains("gateway-role"),
        "{failure}"
    );
    assert!(call(&function).await.is_ok());
    assert_eq!(cloud.accepted().last().expect("a call").secret_id, "AKID2");
}

#[tokio::test]
async fn without_them_a_call_fails_with_a_sentence() {
    let Some(cloud) = stand_in().await else { return };
    for (reply, named) in [
        (Reply::status(404, "secret-1"), "the machine has no such role"),
        (Reply::ok("secret-1"), "not the JSON"),
        (Reply::ok(r#"{"Code":"Failed","TmpSecretKey":"secret-1"}"#), "the code is Failed"),
        (Reply::ok(r#"{"TmpSecretKey":"secret-1"}"#), "the code is missing"),
        (credentials(1, 0), "they have expired"),
        (
            Reply::ok(r#"{"Code":"Success","TmpSecretKey":"secret-1","ExpiredTime":9999999999}"#),
            "the secret id is empty",
        ),
    ] {
        let metadata = Server::start(script([reply]), None).await;
        let failure = call(&function(&cloud, &metadata, LONG)).await.expect_err(named).to_string();
        assert!(failure.contains(named) && failure.contains("role in [scf]"), "{failure}");
        assert!(!failure.contains("secret-1") && !failure.contains('\n'), "{failure}");
        assert_eq!(metadata.seen().len(), 1, "not asked again: {named}");
    }
    assert!(cloud.server().seen().is_empty(), "nothing is sent unsigned");
}

#[tokio::test]
async fn an_expiry_in_the_far_future_is_no_harm() {
    let Some(cloud) = stand_in().await else { return };
    let body = json!({
        "TmpSecretId": "AKID1", "TmpSecretKey": "key-1", "Token": "token-1", "ExpiredTime": u64::MAX,
        "Code": "Success",
    });
    let metadata = Server::start(script([Reply::ok(body.to_string())]), None).await;
    assert!(call(&function(&cloud, &metadata, LONG)).await.is_ok());
}

#[tokio::test]
async fn a_metadata_address_that_fails_for_a_moment_costs_no_call() {
    let Some(cloud) = stand_in().await else { return };
    let replies = [Reply::Cut, Reply::status(500, ""), credentials(1, 3_600)];
    let metadata = Server::start(script(replies), None).await;
    assert!(call(&function(&cloud, &metadata, LONG)).await.is_ok());
    let down = Server::start(script(vec![Reply::status(500, ""); 100]), None).await;
    let failure = call(&function(&cloud, &down, Duration::from_millis(700))).await;
    assert!(matches!(&failure, Err(Failure::Unavailable(why)) if why.contains("500")), "{failure:?}");
}

#[test]
fn a_role_has_a_name() {
    for role in ["", "a/b", "a b", "a?b"] {
        assert!(RoleCredentials::new(role, "http://127.0.0.1").is_err(), "{role:?}");
    }
}
