//! The admin address: health, metrics, and the page, which is there alone and behind a password.

use axum::http::HeaderName;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use scf_websocket_gateway::{config::Admin, metrics::catalogue, secret::Secret};
use scf_websocket_test_harness::{Gateway, InProcess, request};

async fn with_admin(password: Option<&str>) -> (Gateway, String) {
    let admin = Admin { listen: ([127, 0, 0, 1], 0).into(), password: password.map(Secret::new) };
    let gateway = InProcess::echo().gateway(|builder| builder.admin(admin)).start().await;
    let addr = gateway.running().admin_addr().expect("an admin address").to_string();
    (gateway, addr)
}

#[tokio::test]
async fn the_page_moves_to_the_admin_address() {
    let (gateway, admin) = with_admin(None).await;
    let page = request(&admin, "GET", "/", &[], b"").await;
    assert!(page.status == 200 && page.body.contains("<html"), "{page:?}");
    for path in ["/", "/timeline", "/timeline/cluster", "/metrics", "/healthz", "/page/main.js"] {
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
    for path in ["/", "/timeline", "/timeline/cluster", "/metrics", "/page/main.js", "/timeline/push"] {
        for headers in [vec![], vec![("Authorization", wrong.as_str())]] {
            assert_eq!(request(&admin, "GET", path, &headers, b"").await.status, 401, "{path}");
        }
    }
    for path in ["/", "/metrics"] {
        let headers = [("Authorization", authorization.as_str()), ("Host", "gateway.example")];
        assert_eq!(request(&admin, "GET", path, &headers, b"").await.status, 200, "{path}");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(request(&admin, "GET", path, &[], b"").await.status, 200, "{path}");
    }
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
    let exposed = request(&admin, "GET", "/metrics", &[], b"").await;
    assert!(exposed.head.to_ascii_lowercase().contains("content-type: application/openmetrics-text"));
    for metric in catalogue::ALL {
        assert!(exposed.body.contains(&format!("# HELP {}", metric.name.trim_end_matches("_total"))));
    }
    assert_eq!(request(gateway.addr(), "GET", "/", &[], b"").await.status, 426);
    for line in [
        r#"scf_gateway_connections{api="/"} 0"#,
        r#"scf_gateway_handshakes_total{api="/",outcome="accepted"} 1"#,
        r#"scf_gateway_handshakes_total{api="/",outcome="refused"} 1"#,
        r#"scf_gateway_events_total{api="/",role="register",outcome="ok"} 2"#,
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
