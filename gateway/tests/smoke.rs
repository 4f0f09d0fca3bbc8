//! The smoke test of a packaged bootstrap: real clients, a real gateway, the three real functions.
//!
//! Prints a table of what was done and what came of it; ends with 1 if anything was not as it should be.

use std::{any::Any, panic, process::ExitCode, time::Instant};

use axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use futures_util::future::join_all;
use scf_websocket_test_harness::{
    Gateway, bootstrap,
    elsewhere::cloud::{Cloud, REGION},
    eventually, from_file, lives, processes,
};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_websockets::{CloseCode, Message};

const CLIENTS: usize = 100;

/// A step's name, and how it is begun: each in a task of its own, so that a panic is an answer.
type Step = (&'static str, fn() -> JoinHandle<String>);

macro_rules! steps {
    ($($step:ident),* $(,)?) => {
        [$((stringify!($step), || tokio::spawn($step()))),*]
    };
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    // A step's panic is its row in the table.
    panic::set_hook(Box::new(|_| {}));
    let mut failed = 0;
    println!("| step | what came of it | ms | |");
    println!("| --- | --- | ---: | --- |");
    let steps: [Step; 14] = steps![
        connect_without_a_sub_protocol,
        connect_with_a_sub_protocol,
        a_refused_connect,
        text_as_a_json_string,
        text_as_it_is,
        binary,
        one_megabyte,
        a_hundred_clients_at_once,
        a_function_closes_a_client,
        cleanup_when_the_client_closes,
        cleanup_when_the_line_is_cut,
        cleanup_when_the_client_is_idle,
        functions_in_the_cloud,
        the_end,
    ];
    for (name, begin) in steps {
        let begun = Instant::now();
        let (what, verdict) = match begin().await {
            Ok(what) => (what, "ok"),
            Err(error) => {
                failed += 1;
                let payload = error.try_into_panic().unwrap_or_else(|_| Box::new("it was cancelled"));
                (message(payload.as_ref()), "**FAILED**")
            }
        };
        println!("| {} | {what} | {} | {verdict} |", name.replace('_', " "), begun.elapsed().as_millis());
    }
    if failed == 0 {
        println!("\nsmoke: all is as it should be");
        return ExitCode::SUCCESS;
    }
    println!("\nsmoke: {failed} of the steps FAILED; the table says how");
    ExitCode::FAILURE
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_default().replace('\n', " ")
}

async fn connect_without_a_sub_protocol() -> String {
    let gateway = bootstrap().start();
    let (client, headers) = gateway.connect_with("/chat", &[]).await.expect("accepted");
    assert!(!headers.contains_key(SEC_WEBSOCKET_PROTOCOL), "no sub-protocol was asked for: {headers:?}");
    client.close().await;
    "101, no sub-protocol".into()
}

async fn connect_with_a_sub_protocol() -> String {
    let gateway = bootstrap().env("WS_SUBPROTOCOLS", "chat,binary").start();
    let offer = (SEC_WEBSOCKET_PROTOCOL, "other, binary, chat");
    let (client, headers) = gateway.connect_with("/chat", &[offer]).await.expect("accepted");
    assert_eq!(headers[SEC_WEBSOCKET_PROTOCOL], "chat", "the one that the function prefers");
    client.close().await;
    "101, sub-protocol chat".into()
}

async fn a_refused_connect() -> String {
    let gateway = bootstrap().env("WS_SUBPROTOCOLS", "chat").start();
    let reply = gateway.ask("/chat", &[("Sec-WebSocket-Protocol", "other")]).await;
    assert_eq!((reply.status, reply.err_no()), (403, 103), "{reply:?}");
    format!("403, errNo 103: {}", reply.json()["errMsg"].as_str().unwrap_or_default())
}

async fn text_as_a_json_string() -> String {
    let gateway = bootstrap().start();
    let mut client = gateway.connect("/chat").await;
    client.send_text("say \"hi\" 你好").await;
    let echo = client.next_text().await;
    assert_eq!(echo, r#""say \"hi\" \u4f60\u597d""#, "WS_PUSH_ENCODING=json, the default");
    client.close().await;
    format!("echo {echo}")
}

async fn text_as_it_is() -> String {
    let gateway = bootstrap().env("WS_PUSH_ENCODING", "raw").args(&["--trace"]).start();
    let mut client = gateway.connect("/chat").await;
    for number in 0..200 {
        let text = format!("say \"hi\" 你好 {number}");
        client.send_text(&text).await;
        assert_eq!(client.next_text().await, text);
    }
    client.close().await;
    let mut gateway_ms = gateway.gateway_ms("transfer", 200).await;
    gateway_ms.sort_by(f64::total_cmp);
    format!("200 echoes; the gateway's own share {:.3} ms a frame at the median", gateway_ms[100])
}

async fn binary() -> String {
    let gateway = bootstrap().start();
    let mut client = gateway.connect("/chat").await;
    let bytes: Vec<u8> = (0..=255).collect();
    client.send(Message::binary(bytes.clone())).await;
    let echo = client.next().await;
    assert!(echo.is_binary() && echo.as_payload().as_ref() == bytes, "{echo:?}");
    client.close().await;
    "256 bytes, each value, came back".into()
}

async fn one_megabyte() -> String {
    let gateway = bootstrap().env("WS_PUSH_ENCODING", "raw").start();
    let mut client = gateway.connect("/chat").await;
    let text = "0123456789abcdef".repeat(65_536);
    client.send_text(&text).await;
    assert!(client.next_text().await == text, "a text of 1 MB came back changed");
    let bytes = vec![0xa5; 1_048_576];
    client.send(Message::binary(bytes.clone())).await;
    assert!(client.next().await.as_payload().as_ref() == bytes, "1 MB of bytes came back changed");
    client.close().await;
    "1,048,576 bytes of text, and as many binary, came back".into()
}

async fn a_hundred_clients_at_once() -> String {
    let gateway = bootstrap().env("WS_PUSH_ENCODING", "raw").args(&["--timeout", "30000"]).start();
    let clients = (0..CLIENTS).map(|number| {
        let gateway = &gateway;
        async move {
            let mut client = gateway.connect("/chat").await;
            let text = format!("client {number}");
            client.send_text(&text).await;
            assert_eq!(client.next_text().await, text);
            client.close().await;
        }
    });
    join_all(clients).await;
    format!("{CLIENTS} clients, each got its own echo")
}

/// The victim is connected to one gateway; a client that leaves the other one sets off its cleanup function, which
/// closes the victim through the first one's reverse push address.
async fn a_function_closes_a_client() -> String {
    let theirs = bootstrap().start();
    let mut victim = theirs.connect("/chat").await;
    let opened = theirs.wait_for_record("the victim", |record| record["what"] == "opened").await;
    let id = opened["connection"].as_str().expect("an id").to_owned();
    let ours = bootstrap().env("WS_CLOSE", &id).env("WS_PUSH_URL", &theirs.push).start();
    ours.connect("/chat").await.close().await;
    let (code, _) = victim.closed().await;
    assert_eq!(code, CloseCode::NORMAL_CLOSURE);
    format!("closed with {}", u16::from(code))
}

async fn cleanup_when_the_client_closes() -> String {
    let gateway = bootstrap().args(&["--trace"]).start();
    gateway.connect("/chat").await.close().await;
    one_cleanup(&gateway).await
}

async fn cleanup_when_the_line_is_cut() -> String {
    let gateway = bootstrap().args(&["--trace"]).start();
    drop(gateway.connect("/chat").await);
    one_cleanup(&gateway).await
}

async fn cleanup_when_the_client_is_idle() -> String {
    let gateway = bootstrap().args(&["--trace", "--idle-timeout", "1"]).start();
    let mut client = gateway.connect("/chat").await;
    assert_eq!(client.closed().await.0, CloseCode::NORMAL_CLOSURE);
    one_cleanup(&gateway).await
}

/// Waits for the cleanup function's invocation, and a while for a second one.
async fn one_cleanup(gateway: &Gateway) -> String {
    let decided = |record: &Value| record["role"] == "cleanup" && record["outcome"] == "ok";
    let record = gateway.wait_for_record("the cleanup", decided).await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(
        gateway.gateway_ms("cleanup", 1).await.len(),
        1,
        "the cleanup function was called more than once"
    );
    assert!(record["event"].as_str().is_some_and(|event| event.contains(r#""closing""#)), "{record}");
    "one cleanup".into()
}

/// Client → gateway → signed call → the stand-in for the cloud API → bootstrap → reverse push → client.
async fn functions_in_the_cloud() -> String {
    let Some(cloud) = Cloud::start().await else {
        return "skipped: the vendor's SDK cannot be installed; the reason is on standard error".into();
    };
    let (id, key) = ("AKIDsmoke", "the-key-of-the-smoke-test");
    cloud.account(id, key, None);
    let gateway = from_file(&format!(
        "listen = \"127.0.0.1:0\"\npush_token = \"smoke\"\n[scf]\nregion = \"{REGION}\"\nendpoint = \"{}\"\n[[api]]\n\
         path = \"/chat\"\nregister = \"scf:register\"\ntransfer = \"scf:transfer\"\ncleanup = \"scf:cleanup\"\n",
        cloud.endpoint()
    ))
    .own_env("SSL_CERT_FILE", &cloud.authority.file.display().to_string())
    .own_env("TENCENTCLOUD_SECRET_ID", id)
    .own_env("TENCENTCLOUD_SECRET_KEY", key)
    .start();
    let program = std::env::var_os("BOOTSTRAP").expect("the program to try");
    for role in ["register", "transfer", "cleanup"] {
        let variables =
            [("WS_ROLE", role), ("WS_PUSH_URL", gateway.push.as_str()), ("WS_PUSH_ENCODING", "raw")];
        cloud.function("default", role, program.as_ref(), &variables);
    }
    let mut client = gateway.connect("/chat").await;
    for text in ["over the cloud", "and back"] {
        client.send_text(text).await;
        assert_eq!(client.next_text().await, text);
    }
    client.close().await;
    assert_eq!(cloud.called(4).await, ["register", "transfer", "transfer", "cleanup"]);
    "4 calls, each signature as the vendor's SDK computes it; 2 echoes by reverse push".into()
}

async fn the_end() -> String {
    let mut gateway = bootstrap().start();
    let mut client = gateway.connect("/chat").await;
    client.send_text("x").await;
    client.next_text().await;
    let children = gateway.children();
    assert!(children.len() >= 2, "a register and a transfer function: {children:?}");
    gateway.signal("INT");
    assert_eq!(client.closed().await.0, CloseCode::GOING_AWAY);
    assert_eq!(gateway.ended().await.code(), Some(0));
    eventually("every function has ended", || children.iter().all(|pid| !lives(*pid)).then_some(())).await;
    assert!(processes(|stat| stat.parent == gateway.pid()).is_empty());
    format!("client closed with 1001, {} processes ended, status 0", children.len())
}
