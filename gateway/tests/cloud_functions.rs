//! Functions in the cloud: a stand-in for the cloud API on loopback, over TLS, checks each signature with the vendor's
//! own SDK and runs the called function. It refuses, throttles, answers rubbish and hangs up on demand.

use std::{path::PathBuf, process::Stdio, sync::Arc, time::Duration};

use bytes::Bytes;
use scf_websocket_gateway::function::{
    Call, Failure, FunctionBackend as _, Invoked, Role,
    remote::{
        Remote, RemoteSettings,
        circuit::{CircuitSettings, CircuitState},
        client::{HttpClient, Trust},
        scf::{IDLE, ScfClient, ScfFunction, authorization, credentials::CredentialSource},
    },
};
use scf_websocket_gateway::secret::Secret;
use scf_websocket_test_harness::elsewhere::{
    cloud::{Cloud as StandIn, Fault, REGION},
    sdk,
    server::{Reply, Server, script},
    soon,
};
use serde_json::{Value, json};

const SECRET_ID: &str = "AKIDexampleOfASecretId";
const SECRET_KEY: &str = "example-of-a-secret-key";
const REQUEST_ID: &str = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef";
const LONG: Duration = Duration::from_secs(15);

/// Functions that do as the event says, see the file.
fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/runtimes/echo.py")
}

/// A stand-in with one account, the function `chat`, which registers clients, and `talk`, which receives frames.
async fn stand_in() -> Option<StandIn> {
    let cloud = StandIn::start().await?;
    cloud.account(SECRET_ID, SECRET_KEY, None);
    for (name, role) in [("chat", "register"), ("talk", "transfer")] {
        // None of the tests makes it push.
        let variables = [("WS_ROLE", role), ("WS_PUSH_URL", "http://127.0.0.1:9/")];
        cloud.function("default", name, &program(), &variables);
    }
    Some(cloud)
}

/// The credentials of the environment, in which these are set.
fn fixed(secret_id: &str, secret_key: &str, token: Option<&str>) -> CredentialSource {
    let names = ["TENCENTCLOUD_SECRETID", "TENCENTCLOUD_SECRETKEY", "TENCENTCLOUD_SESSIONTOKEN"];
    let values = [Some(secret_id), Some(secret_key), token];
    let set: Vec<_> = names.into_iter().zip(values).collect();
    let variable =
        |name: &str| set.iter().find(|(set, _)| *set == name).and_then(|(_, value)| value.map(str::to_owned));
    CredentialSource::from_environment(variable).expect("credentials")
}

struct Setup {
    region: &'static str,
    credentials: CredentialSource,
    settings: RemoteSettings,
}

impl Default for Setup {
    fn default() -> Self {
        let credentials = fixed(SECRET_ID, SECRET_KEY, None);
        Self { region: REGION, credentials, settings: RemoteSettings::new(LONG) }
    }
}

fn function(cloud: &StandIn, target: &str, setup: Setup) -> Remote<ScfFunction> {
    let trust = Trust::File(cloud.authority.file.clone());
    let client = HttpClient::new(&trust, IDLE).expect("a client");
    let endpoint = cloud.endpoint().parse().expect("an endpoint");
    let cloud = ScfClient::new(client, endpoint, setup.region, setup.credentials).expect("a region");
    Remote::new(ScfFunction::new(Arc::new(cloud), target.parse().expect("a target")), setup.settings)
}

fn connecting(path: &str) -> Bytes {
    let event = json!({
        "requestContext": {"path": path},
        "websocket": {"action": "connecting", "secConnectionID": "an-id", "secWebSocketProtocol": "聊天,chat"},
    });
    event.to_string().into()
}

async fn call(function: &Remote<ScfFunction>, role: Role, event: Bytes) -> Invoked {
    let call = Call::new(role, "an-id", REQUEST_ID, event);
    soon("an outcome", function.invoke(call)).await
}

async fn result(function: &Remote<ScfFunction>, role: Role) -> Result<Bytes, Failure> {
    call(function, role, connecting("/chat")).await.result
}

fn sentence(result: Result<Bytes, Failure>) -> String {
    let sentence = result.expect_err("a failure").to_string();
    assert!(!sentence.contains('\n'), "{sentence}");
    sentence
}

#[tokio::test]
async fn a_signed_call_runs_the_function() {
    let Some(cloud) = stand_in().await else { return };
    let function = function(&cloud, "scf:chat", Setup::default());
    let invoked = call(&function, Role::Register, connecting("/chat")).await;
    let answer: Value = serde_json::from_slice(&invoked.result.expect("an answer")).expect("JSON");
    assert_eq!(answer["errNo"], 0);
    assert_eq!(answer["websocket"]["secWebSocketProtocol"], "聊天,chat");
    assert_eq!(invoked.timings.ran, Some(Duration::from_micros(1_250)), "what the cloud says");
    assert!(result(&function, Role::Register).await.is_ok());

    let accepted = cloud.accepted();
    let parameters = json!({
        "FunctionName": "chat", "Namespace": "default", "Qualifier": "$DEFAULT", "LogType": "None",
        "Event": String::from_utf8(connecting("/chat").to_vec()).expect("text"),
    });
    assert_eq!((accepted[0].action.as_str(), &accepted[0].parameters), ("InvokeFunction", &parameters));
    assert_eq!(accepted[0].trace_id, REQUEST_ID);
    assert_eq!(accepted.last().expect("two calls").connection, 1, "the connection is kept");
    assert_eq!(cloud.server().seen().len(), 2);
}

#[tokio::test]
async fn namespace_and_qualifier_are_sent() {
    let Some(cloud) = stand_in().await else { return };
    let function = function(&cloud, "scf:prod/other:3", Setup::default());
    let refused = sentence(result(&function, Role::Register).await);
    assert!(refused.starts_with("there is no scf:prod/other:3 in the region ap-guangzhou"), "{refused}");
    assert!(refused.contains("ResourceNotFound.Function") && refused.contains("in [scf]"), "{refused}");
    let parameters = &cloud.accepted()[0].parameters;
    assert_eq!([&parameters["Namespace"], &parameters["Qualifier"]], ["prod", "3"]);
    assert_eq!(cloud.server().seen().len(), 1, "not tried again");
}

#[tokio::test]
async fn signatures_are_those_of_the_vendors_sdk_whatever_is_signed() {
    let Some(python) = sdk::python() else { return };
    let signer = sdk::Signer::start(&python);
    for number in 0..100_i64 {
        let bytes: String = (0..number)
            .filter_map(|place| char::from_u32(u32::try_from(place * number * 97 % 0x2_0000).ok()?))
            .collect();
        let body = json!({"FunctionName": "chat", "Event": bytes}).to_string();
        let (secret_id, secret_key) =
            (format!("AKID{number}"), "k".repeat(usize::try_from(number).expect("small") + 1));
        let host = if number % 2 == 0 { "scf.tencentcloudapi.com" } else { "127.0.0.1:8443" };
        // About a year apart, so that dates in all shapes come up.
        let timestamp = 31_500_000 * number + 86_399;
        let claim = sdk::Claim {
            secret_id: &secret_id,
            secret_key: &secret_key,
            token: None,
            region: REGION,
            host,
            action: "InvokeFunction",
            timestamp,
            body: &body,
        };
        let headers = signer.headers(&claim).await;
        let ours = authorization(&secret_id, &Secret::new(secret_key), host, timestamp, body.as_bytes());
        assert_eq!(headers["Authorization"], ours, "{body}");
    }
}

/// The stand-in is as good a proof as it is like the cloud: the vendor's own client takes it for it.
#[tokio::test]
async fn the_vendors_sdk_calls_the_stand_in_too() {
    let Some(cloud) = stand_in().await else { return };
    let python = sdk::python().expect("as before");
    let run = async |secret_key: &str, name: &str| -> Value {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clients/sdk_client.py");
        let event = String::from_utf8(connecting("/chat").to_vec()).expect("text");
        let endpoint = cloud.endpoint().replace("https://", "");
        let run = tokio::process::Command::new(&python)
            .env_clear()
            .arg(script)
            .arg(endpoint)
            .arg(&cloud.authority.file)
            .args([SECRET_ID, secret_key, name, &event])
            .stderr(Stdio::inherit())
            .output();
        let output = soon("an answer to the SDK", run).await.expect("python starts");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    };
    let answer = run(SECRET_KEY, "chat").await;
    let text = answer["answer"].as_str().unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(serde_json::from_str::<Value>(text).expect("JSON")["errNo"], 0);
    assert_eq!(run(SECRET_KEY, "nothing").await["code"], "ResourceNotFound.Function");
    assert_eq!(run("another-key", "chat").await["code"], "AuthFailure.SignatureFailure");
}

#[tokio::test]
async fn temporary_credentials_send_their_token() {
    let Some(cloud) = stand_in().await else { return };
    cloud.account("AKIDtemporary", "temporary-key", Some("a-session-token"));
    let credentials = fixed("AKIDtemporary", "temporary-key", Some("a-session-token"));
    let with_token = function(&cloud, "scf:chat", Setup { credentials, ..Setup::default() });
    assert!(result(&with_token, Role::Register).await.is_ok());
    assert_eq!(cloud.accepted()[0].token, "a-session-token");
    let credentials = fixed("AKIDtemporary", "temporary-key", None);
    let without = function(&cloud, "scf:chat", Setup { credentials, ..Setup::default() });
    assert!(sentence(result(&without, Role::Register).await).contains("AuthFailure.TokenFailure"));
}

#[tokio::test]
async fn what_will_not_pass_is_one_sentence_that_says_what_to_set() {
    let Some(cloud) = stand_in().await else { return };
    let wrong_key = fixed(SECRET_ID, "another-key", None);
    let wrong_id = fixed("AKIDunknown", SECRET_KEY, None);
    let setup = |credentials| Setup { credentials, ..Setup::default() };
    for (target, setup, code, named) in [
        ("scf:chat", setup(wrong_key), "AuthFailure.SignatureFailure", "TENCENTCLOUD_SECRET_KEY"),
        ("scf:chat", setup(wrong_id), "AuthFailure.SecretIdNotFound", "TENCENTCLOUD_SECRET_ID"),
        ("scf:other", Setup::default(), "ResourceNotFound.Function", "check its namespace, name"),
        ("scf:chat:7", Setup::default(), "ResourceNotFound.Qualifier", "qualifier"),
        (
            "scf:chat",
            Setup { region: "ap-shanghai", ..Setup::default() },
            "ResourceNotFound.Function",
            "ap-shanghai",
        ),
        ("scf:chat", Setup { region: "mars-1", ..Setup::default() }, "UnsupportedRegion", "region in [scf]"),
    ] {
        let before = cloud.server().seen().len();
        let function = function(&cloud, target, setup);
        let failure = sentence(result(&function, Role::Register).await);
        assert!(failure.contains(code) && failure.contains(named) && failure.contains(target), "{failure}");
        assert_eq!(cloud.server().seen().len(), before + 1, "not tried again: {code}");
        assert_eq!(function.circuit(), Some(CircuitState::Closed));
    }
    for code in
        ["UnauthorizedOperation.CAM", "InvalidParameter.Payload", "ResourceUnavailable.InsufficientBalance"]
    {
        cloud.misbehave([Fault::Refused(code)]);
        let function = function(&cloud, "scf:chat", Setup::default());
        assert!(sentence(result(&function, Role::Register).await).contains(code));
        assert!(result(&function, Role::Register).await.is_ok());
    }
}

#[tokio::test]
async fn a_wrong_clock_is_called_one() {
    let Some(cloud) = stand_in().await else { return };
    let function = function(&cloud, "scf:chat", Setup::default());
    for (ahead, said) in [(3_600, "s behind the cloud's"), (-3_600, "s ahead of the cloud's")] {
        cloud.set_clock_ahead(ahead);
        let failure = sentence(result(&function, Role::Register).await);
        assert!(failure.contains("time stamp") && failure.contains(said), "{failure}");
        assert!(
            failure.contains("AuthFailure.SignatureExpire") && failure.contains("set the clock"),
            "{failure}"
        );
    }
    cloud.set_clock_ahead(200);
    assert!(result(&function, Role::Register).await.is_ok(), "within five minutes");
}

#[tokio::test]
async fn throttled_and_updating_calls_are_sent_again_frames_too() {
    let Some(cloud) = stand_in().await else { return };
    for fault in [
        Fault::Refused("RequestLimitExceeded"),
        Fault::Refused("RequestLimitExceeded.UinLimitExceeded"),
        Fault::Refused("LimitExceeded.Quota"),
        Fault::Refused("FailedOperation.FunctionStatusError"),
        Fault::Refused("FailedOperation.ResourceLimitReached"),
        Fault::Reported(429),
        Fault::Reported(432),
        Fault::Status(429),
        Fault::Status(432),
    ] {
        let before = cloud.accepted().len();
        cloud.misbehave([fault.clone(), fault.clone()]);
        let function = function(&cloud, "scf:chat", Setup::default());
        // The role is what the gateway knows of it; the function registers whatever it is given.
        assert!(result(&function, Role::Transfer).await.is_ok(), "{fault:?}");
        assert_eq!(cloud.accepted().len(), before + 3, "{fault:?}");
    }
}

#[tokio::test]
async fn a_frame_is_not_sent_twice_if_the_function_may_have_run() {
    let Some(cloud) = stand_in().await else { return };
    for fault in [
        Fault::Refused("InternalError"),
        Fault::Refused("InternalError.System"),
        Fault::Refused("ServiceUnavailable"),
        Fault::Status(500),
        Fault::Status(502),
        Fault::Garbage("<html>"),
        Fault::Garbage(r#"{"Response":{"RequestId":"r"}}"#),
        Fault::Cut,
        Fault::Half,
    ] {
        let function = function(&cloud, "scf:chat", Setup::default());
        for (role, ok, calls) in
            [(Role::Transfer, false, 1), (Role::Register, true, 2), (Role::Cleanup, true, 2)]
        {
            let before = cloud.accepted().len();
            cloud.misbehave([fault.clone()]);
            let result = result(&function, role).await;
            assert_eq!(result.is_ok(), ok, "{role}, {fault:?}: {result:?}");
            assert_eq!(cloud.accepted().len(), before + calls, "{role}, {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_function_that_failed_is_not_called_again() {
    let Some(cloud) = stand_in().await else { return };
    let function = function(&cloud, "scf:chat", Setup::default());
    for (fault, kind) in [
        (Fault::Reported(430), "Error"),
        (Fault::Reported(433), "TimedOut"),
        (Fault::Reported(434), "Crashed"),
        (Fault::Reported(439), "Error"),
        (Fault::Refused("FailedOperation.TimeLimitReached"), "TimedOut"),
        (Fault::Refused("FailedOperation.434"), "Crashed"),
        (Fault::Status(433), "TimedOut"),
    ] {
        let before = cloud.accepted().len();
        cloud.misbehave([fault.clone()]);
        let failure = result(&function, Role::Register).await.expect_err("a failure");
        assert!(format!("{failure:?}").starts_with(kind), "{fault:?}: {failure:?}");
        assert_eq!(cloud.accepted().len(), before + 1, "{fault:?}");
    }
    assert_eq!(function.circuit(), Some(CircuitState::Closed));
}

#[tokio::test]
async fn a_functions_own_error_and_its_end_are_failures() {
    let Some(cloud) = stand_in().await else { return };
    let function = function(&cloud, "scf:talk", Setup::default());
    for (text, named) in [("fail", "told to fail"), ("crash", "status 439"), ("fail", "told to fail")] {
        let frame = json!({"websocket": {
            "action": "data recv", "secConnectionID": "an-id", "dataType": "text", "data": text,
        }});
        let failure = sentence(call(&function, Role::Transfer, frame.to_string().into()).await.result);
        assert!(failure.contains(named) && failure.contains("scf:talk"), "{failure}");
    }
    assert_eq!(cloud.accepted().len(), 3, "each was sent once");
}

#[tokio::test]
async fn a_function_in_the_cloud_pushes_back() {
    let Some(cloud) = stand_in().await else { return };
    let push = Server::start(script([Reply::ok(r#"{"errNo":0,"errMsg":"ok"}"#)]), None).await;
    let url = format!("http://{}/api-token", push.addr);
    let variables = [("WS_ROLE", "transfer"), ("WS_PUSH_URL", url.as_str())];
    cloud.function("prod", "echo", &program(), &variables);
    let function = function(&cloud, "scf:prod/echo", Setup::default());
    let frame = json!({"websocket": {
        "action": "data recv", "secConnectionID": "an-id", "dataType": "text", "data": "你好",
    }});
    assert!(call(&function, Role::Transfer, frame.to_string().into()).await.result.is_ok());
    let seen = push.seen();
    assert_eq!((seen.len(), seen[0].target()), (1, "POST /api-token"));
    let pushed: Value = serde_json::from_slice(&seen[0].body).expect("JSON");
    assert_eq!(pushed["websocket"]["action"], "data send");
    assert_eq!(pushed["websocket"]["data"], "你好");
}

#[tokio::test]
async fn a_slow_answer_is_waited_for_and_none_is_not() {
    let Some(cloud) = stand_in().await else { return };
    let slow = function(&cloud, "scf:chat", Setup::default());
    cloud.misbehave([Fault::Slow(Duration::from_millis(500)), Fault::Hang]);
    assert!(result(&slow, Role::Transfer).await.is_ok());
    let settings = RemoteSettings::new(Duration::from_secs(1));
    let hasty = function(&cloud, "scf:chat", Setup { settings, ..Setup::default() });
    let failure = result(&hasty, Role::Register).await;
    assert!(matches!(&failure, Err(Failure::TimedOut(why)) if why.contains("1000 ms")), "{failure:?}");
    cloud.server().hung_up(1).await;
}

#[tokio::test]
async fn a_cloud_that_fails_for_a_while_is_not_called_for_a_while() {
    let Some(cloud) = stand_in().await else { return };
    let open = Duration::from_mins(1);
    let circuit = CircuitSettings { failures: 3, lasting: Duration::ZERO, open, longest: open };
    let settings = RemoteSettings { circuit, ..RemoteSettings::new(LONG) };
    let function = function(&cloud, "scf:chat", Setup { settings, ..Setup::default() });
    cloud.misbehave(vec![Fault::Refused("InternalError"); 3]);
    for _ in 0..3 {
        assert!(result(&function, Role::Transfer).await.is_err());
    }
    assert_eq!(function.circuit(), Some(CircuitState::Open));
    let failure = result(&function, Role::Transfer).await;
    assert!(
        matches!(&failure, Err(Failure::CircuitOpen { why, .. }) if why.contains("InternalError")),
        "{failure:?}"
    );
    assert_eq!(cloud.accepted().len(), 3, "the fourth was not sent");
}

#[tokio::test]
async fn an_event_that_is_not_sent_says_nothing_about_the_cloud() {
    let Some(cloud) = stand_in().await else { return };
    let open = Duration::from_millis(1);
    let circuit = CircuitSettings { failures: 1, lasting: Duration::ZERO, open, longest: open };
    let settings = RemoteSettings { circuit, ..RemoteSettings::new(LONG) };
    let function = function(&cloud, "scf:chat", Setup { settings, ..Setup::default() });
    cloud.misbehave([Fault::Refused("InternalError")]);
    assert!(result(&function, Role::Transfer).await.is_err());
    tokio::time::sleep(2 * open).await;
    assert_eq!(function.circuit(), Some(CircuitState::HalfOpen));
    let too_large = vec![b'1'; 6 * 1024 * 1024 + 1];
    assert!(call(&function, Role::Transfer, too_large.into()).await.result.is_err());
    assert_eq!(function.circuit(), Some(CircuitState::HalfOpen));
    assert!(result(&function, Role::Transfer).await.is_ok());
    assert_eq!(function.circuit(), Some(CircuitState::Closed));
}

#[tokio::test]
async fn an_event_that_cannot_be_sent_is_not_sent() {
    let Some(cloud) = stand_in().await else { return };
    let function = function(&cloud, "scf:chat", Setup::default());
    for (event, named) in
        [(vec![b'1'; 6 * 1024 * 1024 + 1], "6291457 bytes"), (vec![b'"', 0xff, b'"'], "no text")]
    {
        let failure = sentence(call(&function, Role::Transfer, event.into()).await.result);
        assert!(failure.contains(named), "{failure}");
    }
    assert!(cloud.server().seen().is_empty());
}

#[tokio::test]
async fn a_check_runs_no_function() {
    let Some(cloud) = stand_in().await else { return };
    for target in ["scf:chat", "scf:chat:blue", "scf:chat:$LATEST"] {
        let checked = function(&cloud, target, Setup::default()).check_online().await;
        assert!(checked.as_ref().is_ok_and(|said| said.contains(target)), "{checked:?}");
    }
    let wrong_key = Setup { credentials: fixed(SECRET_ID, "another-key", None), ..Setup::default() };
    for (target, setup, named) in [
        ("scf:other", Setup::default(), "there is no scf:other"),
        ("scf:chat:green", Setup::default(), "ResourceNotFound.Alias"),
        ("scf:chat", wrong_key, "TENCENTCLOUD_SECRET_KEY"),
        ("scf:chat", Setup { region: "mars-1", ..Setup::default() }, "region in [scf]"),
    ] {
        let checked = function(&cloud, target, setup).check_online().await.expect_err(named);
        assert!(checked.contains(named), "{checked}");
    }
    cloud.misbehave([Fault::Refused("UnauthorizedOperation.CAM")]);
    let blind = function(&cloud, "scf:chat", Setup::default()).check_online().await.expect("not wrong");
    assert!(blind.contains("scf:GetFunction"), "{blind}");
    let actions: Vec<String> = cloud.accepted().into_iter().map(|call| call.action).collect();
    assert!(actions.iter().all(|action| action != "InvokeFunction"), "{actions:?}");
}
