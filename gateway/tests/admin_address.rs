//! The admin address: health, metrics, and the page, which is there alone and behind a password.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::SystemTime,
};

use axum::http::HeaderName;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use scf_websocket_gateway::{PageScope, config::Admin, metrics::catalogue, secret::Secret};
use scf_websocket_test_harness::{Gateway, InProcess, request};

use scf_websocket_test_harness::debian_file;

async fn with_admin(password: Option<&str>) -> (Gateway, String) {
    with(|admin| admin.password = password.map(Secret::new)).await
}

async fn with(set: impl FnOnce(&mut Admin)) -> (Gateway, String) {
    let mut admin = Admin::new(([127, 0, 0, 1], 0).into());
    set(&mut admin);
    let gateway = InProcess::echo().gateway(|builder| builder.admin(admin)).start().await;
    let addr = gateway.running().admin_addr().expect("an admin address").to_string();
    (gateway, addr)
}

#[tokio::test]
async fn the_page_moves_to_the_admin_address() {
    let (gateway, admin) = with_admin(None).await;
    let page = request(&admin, "GET", "/", &[], b"").await;
    assert!(page.status == 200 && page.body.contains("<html"), "{page:?}");
    for path in ["/", "/timeline", "/admin/health", "/metrics", "/healthz", "/page/main.js"] {
        assert_ne!(request(gateway.addr(), "GET", path, &[], b"").await.status, 200, "{path}");
    }
    assert_eq!(request(&admin, "GET", "/", &[("Host", "rebound.example")], b"").await.status, 403);
    // The page's own client connects to where the page comes from.
    let upgrade = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    assert_eq!(request(&admin, "GET", "/", &upgrade, b"").await.status, 101);
    let push = gateway.push.rsplit_once('/').expect("a path").1;
    let here = request(&admin, "POST", &format!("/{push}"), &[], b"{}").await;
    assert_eq!(here.status, 404, "functions push elsewhere");
}

#[tokio::test]
async fn a_password_guards_what_shows_payloads_and_not_the_health() {
    let (_gateway, admin) = with_admin(Some("hunter2")).await;
    let authorization = format!("Basic {}", STANDARD.encode("anyone:hunter2"));
    let wrong = format!("Basic {}", STANDARD.encode("anyone:hunter3"));
    for path in ["/", "/timeline", "/admin/health", "/metrics", "/page/main.js", "/timeline/push"] {
        for headers in [vec![], vec![("Authorization", wrong.as_str())]] {
            assert_eq!(request(&admin, "GET", path, &headers, b"").await.status, 401, "{path}");
        }
    }
    for path in ["/", "/metrics"] {
        let headers = [("Authorization", authorization.as_str()), ("Host", "gateway.example")];
        assert_eq!(request(&admin, "GET", path, &headers, b"").await.status, 200, "{path}");
    }
    for path in ["/healthz", "/readyz", "/readyz/push"] {
        assert_eq!(request(&admin, "GET", path, &[], b"").await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_monitoring_system_gets_the_metrics_and_nothing_else() {
    let (_gateway, admin) = with(|admin| {
        admin.password = Some(Secret::new("hunter2"));
        admin.metrics_token = Some(Secret::new("read-only"));
    })
    .await;
    let (token, password) = (STANDARD.encode("prometheus:read-only"), STANDARD.encode("anyone:hunter2"));
    for (credentials, metrics, page) in [
        ("Bearer read-only".to_owned(), 200, 401),
        (format!("Basic {token}"), 200, 401),
        (format!("Basic {password}"), 200, 200),
        ("Bearer read-onl".to_owned(), 401, 401),
        ("Bearer ".to_owned(), 401, 401),
    ] {
        let headers = [("Authorization", credentials.as_str())];
        let statuses = async |path| request(&admin, "GET", path, &headers, b"").await.status;
        assert_eq!((statuses("/metrics").await, statuses("/").await), (metrics, page), "{credentials}");
        assert_eq!(statuses("/admin/health").await, page, "{credentials}");
    }
    // Without a password the token guards the metrics all the same.
    let (_gateway, admin) = with(|admin| admin.metrics_token = Some(Secret::new("read-only"))).await;
    assert_eq!(request(&admin, "GET", "/metrics", &[], b"").await.status, 401);
    assert_eq!(request(&admin, "GET", "/", &[], b"").await.status, 200);
}

/// A web page whose name was pointed to this machine would read them otherwise.
#[tokio::test]
async fn open_metrics_are_served_under_a_name_of_this_machine_alone() {
    let metrics = async |admin: &str, headers: &[(&str, &str)]| {
        request(admin, "GET", "/metrics", headers, b"").await.status
    };
    let (_gateway, admin) = with_admin(None).await;
    for (host, status) in
        [("rebound.example", 403), ("rebound.example:9002", 403), ("localhost:9002", 200), ("127.0.0.1", 200)]
    {
        assert_eq!(metrics(&admin, &[("Host", host)]).await, status, "{host}");
    }
    assert_eq!(request(&admin, "GET", "/healthz", &[("Host", "rebound.example")], b"").await.status, 200);
    let (_gateway, admin) = with(|admin| admin.metrics_token = Some(Secret::new("read-only"))).await;
    let headers = [("Host", "gateway.example"), ("Authorization", "Bearer read-only")];
    assert_eq!(metrics(&admin, &headers).await, 200, "whoever has the token is no web page");
}

#[tokio::test]
async fn without_a_page_nothing_shows_payloads() {
    let admin = Admin::new(([127, 0, 0, 1], 0).into());
    let gateway =
        InProcess::echo().gateway(|builder| builder.admin(admin).page(PageScope::Nowhere)).start().await;
    let admin = gateway.running().admin_addr().expect("an admin address").to_string();
    for path in ["/", "/timeline", "/admin/health", "/page/main.js"] {
        assert_eq!(request(&admin, "GET", path, &[], b"").await.status, 404, "{path}");
        assert_ne!(request(gateway.addr(), "GET", path, &[], b"").await.status, 200, "{path}");
    }
    for path in ["/metrics", "/healthz", "/readyz", "/readyz/push"] {
        assert_eq!(request(&admin, "GET", path, &[], b"").await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let (_gateway, admin) = with_admin(None).await;
    for path in ["/readyz/pushes", "/metric", "/favicon.ico", "/admin"] {
        let reply = request(&admin, "GET", path, &[], b"").await;
        assert_eq!((reply.status, reply.body.contains("/readyz/push")), (404, true), "{path}: {reply:?}");
    }
}

#[tokio::test]
async fn what_promtool_wants_of_metrics_they_have() {
    let Some(promtool) = debian_file("prometheus", "usr/bin/promtool") else { return };
    let (gateway, admin) = with_admin(None).await;
    gateway.connect("/").await.close().await;
    let exposed = request(&admin, "GET", "/metrics", &[], b"").await;
    assert!(exposed.head.to_ascii_lowercase().contains("content-type: text/plain; version=0.0.4"));
    assert!(exposed.body.lines().any(|line| line == "# TYPE scf_gateway_frames_total counter"));
    assert!(!exposed.body.contains("# EOF"));
    for name in
        ["process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds", "process_max_fds"]
    {
        let value = exposed.body.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        assert!(
            value.is_some_and(|value| value.parse::<f64>().is_ok_and(|value| value >= 0.0)),
            "{name}: {value:?}"
        );
    }
    let started = exposed.body.lines().find_map(|line| line.strip_prefix("process_start_time_seconds "));
    let started: f64 = started.and_then(|value| value.parse().ok()).expect("a time");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs_f64();
    assert!(started < now + 1.0 && now - started < 3600.0, "started {started}, now {now}");

    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    child.stdin.take().expect("piped").write_all(exposed.body.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

/// The rules fire when they should, and name no metric that there is not.
#[test]
fn the_alerts_are_tested_and_of_our_metrics() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/prometheus");
    let rules = fs::read_to_string(folder.join("alerts.yml")).expect("the rules");
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let named: Vec<&str> = rules
        .split(|character| !is_part(character))
        .filter(|word| word.starts_with("scf_gateway_") || word.starts_with("process_"))
        .collect();
    assert!(named.len() > 15, "{named:?}");
    for name in named {
        assert!(catalogue::ALL.iter().any(|metric| metric.name == name), "the gateway has no {name}");
    }
    let Some(promtool) = debian_file("prometheus", "usr/bin/promtool") else { return };
    let output = Command::new(promtool)
        .args(["test", "rules", "alerts-test.yml"])
        .current_dir(folder)
        .output()
        .expect("promtool runs");
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("SUCCESS"), "{said}");
}

#[tokio::test]
async fn a_connections_life_is_counted() {
    let (gateway, admin) = with_admin(None).await;
    let mut client = gateway.connect("/").await;
    client.send_text("hello").await;
    assert_eq!(client.next_text().await, "hello");
    client.close().await;
    assert!(gateway.connect_with("/refuse", &[(HeaderName::from_static("x-a"), "b")]).await.is_err());
    gateway.wait_for_metric(r#"scf_gateway_events_total{api="/",role="cleanup",outcome="ok"}"#, 1.0).await;
    let openmetrics = [("Accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")];
    let exposed = request(&admin, "GET", "/metrics", &openmetrics, b"").await;
    assert!(exposed.head.to_ascii_lowercase().contains("content-type: application/openmetrics-text"));
    for metric in catalogue::ALL {
        assert!(exposed.body.contains(&format!("# HELP {}", metric.name.trim_end_matches("_total"))));
    }
    assert_eq!(request(gateway.addr(), "GET", "/", &[], b"").await.status, 426);
    for line in [
        r#"scf_gateway_connections{api="/"} 0"#,
        r#"scf_gateway_handshakes_total{api="/",outcome="accepted"} 1"#,
        r#"scf_gateway_handshakes_total{api="/",outcome="refused"} 1"#,
        r#"scf_gateway_events_total{api="/",role="register",outcome="ok"} 1"#,
        r#"scf_gateway_events_total{api="/",role="register",outcome="refused"} 1"#,
        r#"scf_gateway_events_total{api="/",role="transfer",outcome="ok"} 1"#,
        r#"scf_gateway_event_seconds_count{api="/",role="transfer"} 1"#,
        r#"scf_gateway_events_in_flight{api="/",role="transfer"} 0"#,
        r#"scf_gateway_frames_total{api="/",direction="in"} 1"#,
        r#"scf_gateway_frame_bytes_total{api="/",direction="out"} 5"#,
        r#"scf_gateway_pushes_total{outcome="accepted"} 1"#,
        r#"scf_gateway_closes_total{api="/",reason="closed_by_client"} 1"#,
        "scf_gateway_send_queue_bytes 0",
    ] {
        assert!(exposed.body.lines().any(|exposed| exposed == line), "no {line} in\n{}", exposed.body);
    }
}
