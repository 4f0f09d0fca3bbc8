use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{page_access::PageAccess, *};
use crate::{
    config::secret::Secret,
    server::http::{HeaderCase, Server},
};

/// An admin address on loopback, with a page at `/`.
async fn serve(password: Option<&str>) -> (Server, Readiness) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let readiness = Readiness::default();
    let page = Router::new().route("/", get(|| async { "the page" }));
    let guard = Guard {
        password: password.map(Secret::new),
        metrics_token: None,
        access: PageAccess::ThisMachine,
        refusals: Arc::default(),
    };
    let router = router(Arc::new(Metrics::new()), readiness.clone(), guard, page);
    (Server::start(listener, router, HeaderCase::Lower).expect("a server"), readiness)
}

/// Status line, headers and body of the answer.
async fn request(addr: SocketAddr, path: &str, authorization: Option<&str>) -> String {
    let mut stream = TcpStream::connect(addr).await.expect("a connection");
    let authorization = authorization.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{authorization}\r\n");
    stream.write_all(request.as_bytes()).await.expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}

fn basic(credentials: &str) -> String {
    format!("Basic {}", STANDARD.encode(credentials))
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).expect("a status")
}

#[tokio::test]
async fn the_gateway_is_healthy_all_the_time_and_ready_between_start_and_drain() {
    let (server, readiness) = serve(None).await;
    let stages = [
        (Stage::Starting, "503", "starting"),
        (Stage::Ready, "200", "ready"),
        (Stage::Draining, "503", "draining"),
    ];
    for (stage, expected, word) in stages {
        readiness.enter(stage);
        let answer = request(server.addr(), "/readyz", None).await;
        assert_eq!(status(&answer), expected);
        assert!(answer.ends_with(&format!("{word}\n")), "{answer}");
        assert_eq!(status(&request(server.addr(), "/healthz", None).await), "200");
    }
    readiness.enter(Stage::Ready);
    assert_eq!(readiness.stage(), Stage::Draining);
}

#[tokio::test]
async fn metrics_are_served_in_a_format_that_prometheus_reads() {
    let (server, _) = serve(None).await;
    let answer = request(server.addr(), "/metrics", None).await;
    assert_eq!(status(&answer), "200");
    assert!(answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{answer}");
    assert!(answer.contains("# TYPE scf_gateway_send_queue_bytes gauge"), "{answer}");
}

#[tokio::test]
async fn with_a_password_only_the_probes_are_open() {
    let (server, _) = serve(Some("hunter2:ä")).await;
    for path in ["/metrics", "/"] {
        for wrong in [
            None,
            Some(basic("admin:hunter2")),
            Some(basic("admin:hunter2:a")),
            Some(basic("hunter2:ä")),
            Some(basic("admin:")),
            Some(basic("")),
            Some("Basic ?".to_owned()),
            Some("Bearer hunter2:ä".to_owned()),
        ] {
            let answer = request(server.addr(), path, wrong.as_deref()).await;
            assert_eq!(status(&answer), "401", "{path} with {wrong:?}");
            assert!(answer.contains("www-authenticate: Basic realm="), "{answer}");
            assert!(!answer.contains("the page") && !answer.contains("scf_gateway"), "{answer}");
        }
        for right in [basic("admin:hunter2:ä"), basic(":hunter2:ä").replace("Basic", "basic")] {
            assert_eq!(status(&request(server.addr(), path, Some(&right)).await), "200", "{path}");
        }
    }
    for probe in ["/healthz", "/readyz"] {
        assert_ne!(status(&request(server.addr(), probe, None).await), "401", "{probe}");
    }
}
