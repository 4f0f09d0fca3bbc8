//! No credentials in the log: everything that calls of cloud functions write, at every level, and every `Debug` output.

use std::{
    fmt::Write as _,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use log::{LevelFilter, Log, Metadata, Record};
use scf_websocket_gateway::function::{
    Call, FunctionBackend as _, Role,
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
    cloud::{Cloud as StandIn, Fault, REGION},
    server::{Reply, Server, script},
    soon,
};
use serde_json::json;

/// Everything that was logged, in the whole process.
struct Everything(Mutex<String>);

static LOG: Everything = Everything(Mutex::new(String::new()));

impl Log for Everything {
    fn enabled(&self, _: &Metadata) -> bool {
        true
    }

    fn log(&self, record: &Record) {
        let mut log = self.0.lock().expect("no panic");
        writeln!(log, "{} {}: {}", record.level(), record.target(), record.args()).expect("a string");
    }

    fn flush(&self) {}
}

/// What must not be seen.
const SECRETS: [&str; 6] = [
    "AKIDfixedSecretId",
    "fixed-secret-key",
    "fixed-session-token",
    "AKIDroleSecretId",
    "role-secret-key",
    "role-session-token",
];
/// Answers that repeat what a call was signed with.
const INDISCREET: [&str; 2] = [
    r#"{"oops":"AKIDfixedSecretId fixed-session-token"}"#,
    r#"{"oops":"AKIDroleSecretId role-session-token"}"#,
];

async fn calls(function: &Remote<ScfFunction>, seen: &mut String) {
    for _ in 0..8 {
        let event = json!({"requestContext": {"path": "/chat"}, "websocket": {"secConnectionID": "an-id"}});
        let request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef";
        let call = Call::new(Role::Register, "an-id", request_id, event.to_string().into());
        let invoked = soon("an outcome", function.invoke(call)).await;
        writeln!(seen, "{invoked:?} {function:?} {function:#?}").expect("a string");
    }
    writeln!(seen, "{:?}", function.check_online().await).expect("a string");
}

#[tokio::test]
async fn no_output_shows_credentials() {
    let Some(cloud) = StandIn::start().await else { return };
    log::set_logger(&LOG).expect("no other logger");
    log::set_max_level(LevelFilter::Trace);
    cloud.account(SECRETS[0], SECRETS[1], Some(SECRETS[2]));
    cloud.account(SECRETS[3], SECRETS[4], Some(SECRETS[5]));
    let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/runtimes/echo.py");
    cloud.function(
        "default",
        "chat",
        &program,
        &[("WS_ROLE", "register"), ("WS_PUSH_URL", "http://127.0.0.1:9/")],
    );
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let held = json!({
        "TmpSecretId": SECRETS[3], "TmpSecretKey": SECRETS[4], "Token": SECRETS[5], "ExpiredTime": now + 3_600,
        "Code": "Success",
    });
    let metadata = Server::start(script([Reply::ok(held.to_string())]), None).await;
    let variable = |name: &str| match name {
        "TENCENTCLOUD_SECRETID" => Some(SECRETS[0].to_owned()),
        "TENCENTCLOUD_SECRETKEY" => Some(SECRETS[1].to_owned()),
        "TENCENTCLOUD_SESSIONTOKEN" => Some(SECRETS[2].to_owned()),
        _ => None,
    };
    let role = RoleCredentials::new("gateway-role", &format!("http://{}", metadata.addr)).expect("a role");
    let mut seen = String::new();
    let fixed = CredentialSource::from_environment(variable).expect("credentials");
    for (credentials, indiscreet) in [fixed, CredentialSource::Role(role)].into_iter().zip(INDISCREET) {
        let client = HttpClient::new(&Trust::File(cloud.authority.file.clone()), IDLE);
        let endpoint = cloud.endpoint().parse().expect("an endpoint");
        let account =
            ScfClient::new(client.expect("a client"), endpoint, REGION, credentials).expect("a region");
        let function = ScfFunction::new(Arc::new(account), "scf:chat".parse().expect("a target"));
        let function = Remote::new(function, RemoteSettings::new(Duration::from_secs(15)));
        cloud.misbehave([
            Fault::Garbage(indiscreet),
            Fault::Garbage(indiscreet),
            Fault::Refused("RequestLimitExceeded"),
            Fault::Refused("AuthFailure.SignatureFailure"),
            Fault::Refused("AuthFailure.SignatureExpire"),
            Fault::Status(500),
            Fault::Reported(430),
            Fault::Cut,
        ]);
        calls(&function, &mut seen).await;
    }
    seen += &LOG.0.lock().expect("no panic");
    for said in ["trying again", "AuthFailure.SignatureFailure", "unreadable", "the function's request id is"]
    {
        assert!(seen.contains(said), "{said:?} should have been seen: {seen}");
    }
    for secret in SECRETS {
        assert!(!seen.contains(secret), "{secret} was seen: {seen}");
    }
}
