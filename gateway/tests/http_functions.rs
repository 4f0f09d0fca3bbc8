//! Functions at an HTTP address: what is sent to them, what their answers mean, and what becomes of calls when they
//! are down, slow, or answer rubbish.

use std::{
    env,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::FutureExt as _;
use scf_websocket_gateway::function::{
    Call, Failure, FunctionBackend as _, Invoked, Role,
    remote::{
        Remote, RemoteSettings,
        circuit::{CircuitSettings, CircuitState},
        client::{HttpClient, Trust},
        http::{HttpFunction, IDLE},
    },
};
use scf_websocket_test_harness::elsewhere::{
    certificates::Authority,
    server::{Reply, Server, script},
    soon,
};
use tokio::{net::TcpSocket, time::timeout};

const REQUEST_ID: &str = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef";
/// Enough on a busy machine.
const LONG: Duration = Duration::from_secs(15);
/// Long enough to see that something is still not over.
const A_WHILE: Duration = Duration::from_millis(300);
const LIMIT_BYTES: usize = 6 * 1024 * 1024;

fn client(trust: &Trust) -> HttpClient {
    HttpClient::new(trust, IDLE).expect("a client")
}

fn remote_at(url: &str, trust: &Trust, settings: RemoteSettings) -> Arc<Remote<HttpFunction>> {
    let address = url.parse().expect("an address");
    Arc::new(Remote::new(HttpFunction::new(client(trust), address), settings))
}

fn remote(server: &Server, settings: RemoteSettings) -> Arc<Remote<HttpFunction>> {
    remote_at(&format!("http://{}/transfer", server.addr), &Trust::System, settings)
}

fn call(role: Role, event: impl Into<Bytes>) -> Call<'static> {
    Call::new(role, "a-connection", REQUEST_ID, event.into())
}

async fn invoke(remote: &Remote<HttpFunction>, role: Role, event: impl Into<Bytes>) -> Invoked {
    soon("an outcome", remote.invoke(call(role, event))).await
}

async fn result(remote: &Remote<HttpFunction>, role: Role) -> Result<Bytes, Failure> {
    invoke(remote, role, "{}").await.result
}

#[tokio::test]
async fn the_event_is_posted_and_the_body_is_the_answer() {
    let server = Server::start(script([Reply::ok(r#"{"errNo":0}"#)]), None).await;
    let remote = remote(&server, RemoteSettings::new(LONG));
    let invoked = invoke(&remote, Role::Register, r#"{"websocket":{}}"#).await;
    assert_eq!(invoked.result, Ok(Bytes::from_static(br#"{"errNo":0}"#)));
    assert!(invoked.timings.ran.is_some() && invoked.timings.instance.is_none());
    for role in [Role::Transfer, Role::Cleanup] {
        assert_eq!(result(&remote, role).await, Ok(Bytes::from_static(b"{}")));
    }
    let seen = server.seen();
    assert_eq!(seen[0].target(), "POST /transfer");
    assert_eq!(seen[0].body, br#"{"websocket":{}}"#);
    assert_eq!(seen[0].header("content-type"), "application/json");
    assert_eq!(seen[0].header("host"), server.addr.to_string());
    assert_eq!(seen[0].header("x-request-id"), REQUEST_ID);
    let trace = "00-c6af9ac67b6111e69a4193e8deadbeef-";
    assert!(seen[0].header("traceparent").starts_with(trace), "{:?}", seen[0]);
    let roles: Vec<&str> = seen.iter().map(|request| request.header("x-websocket-role")).collect();
    assert_eq!(roles, ["register", "transfer", "cleanup"]);
    assert_eq!(server.connections(), 1, "the connection is kept");
}

#[tokio::test]
async fn anything_but_200_is_a_failure_with_its_status() {
    for (reply, named) in [
        (Reply::status(404, "no such\nplace"), "404 Not Found: no such place"),
        (Reply::status(201, ""), "201 Created"),
        (Reply::status(204, ""), "204 No Content"),
        (Reply::status(302, "").with("Location", "http://example.com/"), "to http://example.com/; redirects"),
        (Reply::status(501, ""), "501 Not Implemented"),
        (Reply::status(400, "x".repeat(10_000)), "400 Bad Request: xxx"),
    ] {
        let server = Server::start(script([reply]), None).await;
        let url = format!("http://{}/transfer?key=hidden", server.addr);
        let remote = remote_at(&url, &Trust::System, RemoteSettings::new(LONG));
        let Err(Failure::Error(sentence)) = result(&remote, Role::Register).await else { panic!("{named}") };
        assert!(sentence.contains(named) && sentence.len() < 400, "{sentence}");
        assert!(sentence.contains("/transfer ") && !sentence.contains("hidden"), "{sentence}");
        assert_eq!(server.seen().len(), 1, "tried once: {named}");
        assert_eq!(server.seen()[0].target(), "POST /transfer?key=hidden");
        assert_eq!(remote.circuit(), Some(CircuitState::Closed));
    }
}

#[tokio::test]
async fn what_did_not_run_is_sent_again() {
    let throttled = Reply::status(429, "");
    let replies = [
        throttled.clone(),
        throttled.with("Retry-After", "0"),
        Reply::status(503, "").with("Retry-After", "0"),
    ];
    let server = Server::start(script(replies), None).await;
    let remote = remote(&server, RemoteSettings::new(LONG));
    assert_eq!(result(&remote, Role::Transfer).await, Ok(Bytes::from_static(b"{}")));
    assert_eq!(server.seen().len(), 4);
    let spans: std::collections::HashSet<String> =
        server.seen().iter().map(|request| request.header("traceparent").to_owned()).collect();
    assert_eq!(spans.len(), 4, "each attempt is a span of its own");
}

#[tokio::test]
async fn a_frame_is_not_sent_twice_if_the_function_may_have_run() {
    let rubbish = Reply::Raw(b"SSH-2.0-OpenSSH_9.6\r\n");
    for reply in [
        Reply::status(500, "it failed"),
        Reply::status(502, ""),
        Reply::status(503, ""),
        Reply::status(504, ""),
        Reply::Cut,
        Reply::Half,
        rubbish,
    ] {
        let server = Server::start(script([reply.clone()]), None).await;
        let remote = remote(&server, RemoteSettings::new(LONG));
        let failure = result(&remote, Role::Transfer).await.expect_err("a failure");
        assert_eq!(server.seen().len(), 1, "{reply:?}: {failure}");
        assert!(failure.to_string().contains("/transfer"), "{reply:?}: {failure}");

        for role in [Role::Register, Role::Cleanup] {
            let server = Server::start(script([reply.clone()]), None).await;
            let remote = self::remote(&server, RemoteSettings::new(LONG));
            assert!(result(&remote, role).await.is_ok(), "{role}, {reply:?}");
            assert_eq!(server.seen().len(), 2, "{role}, {reply:?}: to do it twice does no harm");
        }
    }
}

#[tokio::test]
async fn a_kept_connection_that_the_server_has_closed_costs_no_frame() {
    let close = Reply::ok("first").with("Connection", "close");
    let server = Server::start(script([close]), None).await;
    let remote = remote(&server, RemoteSettings::new(LONG));
    for _ in 0..3 {
        assert!(result(&remote, Role::Transfer).await.is_ok());
    }
    assert_eq!(server.seen().len(), 3);
}

/// A port that refuses connections until it is listened on.
fn refusing() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let url = format!("http://{}/transfer", socket.local_addr().expect("an address"));
    (socket, url)
}

#[tokio::test]
async fn a_call_outlasts_a_restart_of_its_backend() {
    let (socket, url) = refusing();
    let remote = remote_at(&url, &Trust::System, RemoteSettings::new(LONG));
    let mut waiting = remote.invoke(call(Role::Transfer, "{}"));
    assert!(timeout(A_WHILE, &mut waiting).await.is_err(), "refused, and tried again and again");
    let server = Server::on(socket.listen(16).expect("listening"), script([]), None);
    assert_eq!(soon("an answer", waiting).await.result, Ok(Bytes::from_static(b"{}")));
    assert_eq!(server.seen().len(), 1);
    assert_eq!(remote.circuit(), Some(CircuitState::Closed));
}

fn touchy(open: Duration) -> RemoteSettings {
    let circuit = CircuitSettings { failures: 3, lasting: Duration::ZERO, open, longest: open };
    RemoteSettings { circuit, ..RemoteSettings::new(LONG) }
}

#[tokio::test]
async fn a_backend_that_is_down_fails_at_once_until_it_is_back() {
    let (socket, url) = refusing();
    let remote = remote_at(&url, &Trust::System, touchy(Duration::from_mins(1)));
    let failure = result(&remote, Role::Transfer).await.expect_err("down");
    assert!(matches!(&failure, Failure::Unavailable(why) if why.contains("refused")), "{failure:?}");
    assert_eq!(remote.circuit(), Some(CircuitState::Open));
    let again = remote.invoke(call(Role::Register, "{}")).now_or_never().expect("an outcome without waiting");
    let failure = again.result.expect_err("down");
    let Failure::CircuitOpen { why, retry_after } = &failure else { panic!("{failure:?}") };
    assert!(why.contains("refused") && *retry_after <= Duration::from_mins(1), "{failure:?}");

    let remote = remote_at(&url, &Trust::System, touchy(Duration::from_secs(1)));
    assert!(result(&remote, Role::Transfer).await.is_err());
    assert_ne!(remote.circuit(), Some(CircuitState::Closed));
    let server = Server::on(socket.listen(16).expect("listening"), script([]), None);
    let back = async {
        while result(&remote, Role::Register).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("the circuit closes", back).await;
    assert_eq!(remote.circuit(), Some(CircuitState::Closed));
    assert_eq!(server.seen().len(), 1, "the first call that was let through found it back");
}

#[tokio::test]
async fn a_backend_whose_name_is_unknown_is_down() {
    // Too long for a name, so that no server of names is asked.
    let name = "x".repeat(64) + ".invalid";
    let remote = remote_at(&format!("http://{name}/"), &Trust::System, touchy(LONG));
    let failure = result(&remote, Role::Register).await.expect_err("down");
    assert!(matches!(&failure, Failure::Unavailable(why) if why.contains("lookup")), "{failure:?}");
    assert_eq!(remote.circuit(), Some(CircuitState::Open));
}

#[tokio::test]
async fn failures_of_the_function_itself_do_not_open_the_circuit() {
    let failing = Reply::status(500, "this event is broken");
    let server = Server::start(script(vec![failing; 20]), None).await;
    let remote = remote(&server, touchy(LONG));
    for _ in 0..20 {
        assert!(result(&remote, Role::Transfer).await.is_err());
    }
    assert_eq!((remote.circuit(), server.seen().len()), (Some(CircuitState::Closed), 20));
}

#[tokio::test]
async fn the_time_out_covers_each_attempt_and_its_caller_may_have_less_time() {
    let time = Duration::from_secs(1);
    let server = Server::start(script(vec![Reply::Hang; 4]), None).await;
    let remote = remote(&server, RemoteSettings::new(time));
    let began = Instant::now();
    let hung = invoke(&remote, Role::Transfer, "{}").await;
    assert!(began.elapsed() >= time);
    let Err(Failure::TimedOut(sentence)) = &hung.result else { panic!("{hung:?}") };
    assert!(sentence.contains("1000 ms: see function_timeout_seconds"), "{sentence}");
    server.hung_up(1).await;

    let mut call = call(Role::Register, "{}");
    call.deadline = Some(Instant::now());
    let late = soon("an outcome", remote.invoke(call)).await;
    assert!(matches!(late.result, Err(Failure::TimedOut(_))), "its caller's time was up: {late:?}");

    let slow = Server::start(script(vec![Reply::status(429, ""); 100]), None).await;
    let remote = self::remote(&slow, RemoteSettings::new(time));
    let failure = result(&remote, Role::Transfer).await.expect_err("throttled");
    assert!(
        matches!(&failure, Failure::Unavailable(why) if why.contains("429")),
        "the reason, not the time: {failure:?}"
    );
}

#[tokio::test]
async fn a_call_that_is_given_up_hangs_up() {
    let server = Server::start(script([Reply::Hang]), None).await;
    let remote = remote(&server, RemoteSettings::new(LONG));
    let mut given_up = remote.invoke(call(Role::Transfer, "{}"));
    tokio::select! {
        outcome = &mut given_up => panic!("{outcome:?}"),
        () = server.requests(1) => {}
    }
    drop(given_up);
    server.hung_up(1).await;
}

#[tokio::test]
async fn stopping_ends_the_calls() {
    let server = Server::start(script([Reply::Hang]), None).await;
    let remote = remote(&server, RemoteSettings::new(LONG));
    let running = tokio::spawn({
        let remote = Arc::clone(&remote);
        async move { remote.invoke(call(Role::Transfer, "{}")).await }
    });
    server.requests(1).await;
    soon("the end", remote.stop()).await;
    assert_eq!(running.await.expect("no panic").result, Err(Failure::Stopping));
    server.hung_up(1).await;
    assert_eq!(result(&remote, Role::Register).await, Err(Failure::Stopping));
}

#[tokio::test]
async fn six_megabytes_go_both_ways_and_no_byte_more() {
    let replies = [Reply::ok(vec![b'x'; LIMIT_BYTES]), Reply::ok(vec![b'x'; LIMIT_BYTES + 1])];
    let server = Server::start(script(replies), None).await;
    let remote = remote(&server, RemoteSettings::new(LONG));
    let invoked = invoke(&remote, Role::Transfer, vec![b'y'; LIMIT_BYTES]).await;
    assert_eq!(invoked.result.map(|answer| answer.len()), Ok(LIMIT_BYTES));
    assert_eq!(server.seen()[0].body.len(), LIMIT_BYTES);
    let failure = result(&remote, Role::Register).await.expect_err("too large");
    assert!(matches!(&failure, Failure::Error(why) if why.contains("6 MiB")), "{failure:?}");
    assert_eq!(server.seen().len(), 2, "not tried again");
}

#[tokio::test]
async fn https_with_a_certificate_that_is_trusted_and_no_other() {
    let authority = Authority::new();
    let server = Server::start(script([]), Some(authority.acceptor())).await;
    let url = format!("https://localhost:{}/transfer", server.addr.port());
    let trust = Trust::File(authority.file.clone());
    let remote = remote_at(&url, &trust, RemoteSettings::new(LONG));
    for _ in 0..3 {
        assert!(result(&remote, Role::Transfer).await.is_ok());
    }
    assert_eq!(server.connections(), 1, "the connection is kept");

    let other = Authority::new();
    let elsewhere = Server::start(script([]), Some(authority.acceptor_for(&["example.com"]))).await;
    for (url, trust) in [
        (url, Trust::File(other.file.clone())),
        (format!("https://localhost:{}/transfer", elsewhere.addr.port()), trust),
    ] {
        let remote = remote_at(&url, &trust, RemoteSettings::new(LONG));
        let failure = result(&remote, Role::Register).await.expect_err("not trusted");
        let sentence = failure.to_string();
        assert!(sentence.contains("certificate") && sentence.contains("SSL_CERT_FILE"), "{sentence}");
    }
    assert_eq!(elsewhere.connections(), 1, "not tried again");
}

/// The variable is the whole process's, so that each value takes a process of its own.
async fn with_ssl_cert_file(file: &Path, url: &str) -> String {
    let run = tokio::process::Command::new(env::current_exe().expect("this program"))
        .args([
            "--exact",
            "http_functions::calls_with_the_certificates_of_the_system",
            "--ignored",
            "--nocapture",
        ])
        .env("SSL_CERT_FILE", file)
        .env_remove("SSL_CERT_DIR")
        .env("FUNCTION_URL", url)
        .output();
    let output = soon("the other process", run).await.expect("it starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
#[ignore = "a part of ssl_cert_file_names_the_trusted_certificates"]
async fn calls_with_the_certificates_of_the_system() {
    let url = env::var("FUNCTION_URL").expect("set by the test that this is a part of");
    match HttpClient::new(&Trust::System, IDLE) {
        Ok(_) => println!(
            "said: {:?}",
            result(&remote_at(&url, &Trust::System, RemoteSettings::new(LONG)), Role::Register).await
        ),
        Err(error) => println!("said: {error}"),
    }
}

#[tokio::test]
async fn ssl_cert_file_names_the_trusted_certificates() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = Server::start(script([]), Some(authority.acceptor())).await;
    let url = format!("https://localhost:{}/", server.addr.port());
    for (file, said) in [
        (authority.file.as_path(), "said: Ok("),
        (&other.file, "is not accepted"),
        (Path::new("/nonexistent.pem"), "said: SSL_CERT_FILE names no certificate"),
    ] {
        let output = with_ssl_cert_file(file, &url).await;
        assert!(output.contains(said), "{}: {output}", file.display());
    }
}

#[tokio::test]
async fn a_file_of_certificates_that_cannot_be_used_is_an_error() {
    let missing = HttpClient::new(&Trust::File("/nonexistent.pem".into()), LONG).expect_err("no file");
    assert!(missing.to_string().contains("/nonexistent.pem"), "{missing}");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("empty.pem");
    std::fs::write(&file, "no certificate\n").expect("a file");
    let empty = HttpClient::new(&Trust::File(file), LONG).expect_err("no certificate");
    assert!(empty.to_string().contains("empty.pem"), "{empty}");
}

#[tokio::test]
async fn a_check_does_not_call_the_function() {
    let replies = [Reply::status(405, ""), Reply::status(502, "")];
    let server = Server::start(script(replies), None).await;
    let remote = remote(&server, RemoteSettings::new(LONG));
    assert!(remote.check_online().await.is_ok());
    let bad = remote.check_online().await.expect_err("a bad gateway");
    assert!(bad.contains("502"), "{bad}");
    assert!(server.seen().iter().all(|request| request.target() == "HEAD /transfer"));
    let (_socket, url) = refusing();
    let remote = remote_at(&url, &Trust::System, RemoteSettings::new(LONG));
    let down = remote.check_online().await.expect_err("refused");
    assert!(down.contains("cannot be reached") && down.contains("refused"), "{down}");
}
