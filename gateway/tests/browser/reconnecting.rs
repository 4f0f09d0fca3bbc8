//! `examples/reconnecting.js`, in Chromium and in Node.js: it connects again after a growing delay with a random part, and
//! not after its end.

use std::{fs, path::PathBuf, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use scf_websocket_test_harness::{Gateway, ReservedPort, echo};

use crate::harness::Browser;

fn script() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/reconnecting.js")
}

/// A page with the script, which keeps what it reports in `seen`.
fn page() -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let script = fs::read_to_string(script()).expect("the example");
    let html = format!(
        "<!doctype html><body><script>{script}</script><script>\nconst seen = [];\n\
         const connection = reconnecting(`ws://${{location.host}}/`, event => seen.push(event), {{ first: 100, longest: 400 }});\n\
         </script>"
    );
    let file = folder.path().join("page.html");
    fs::write(&file, html).expect("a page");
    let file = file.to_str().expect("a path in UTF-8").to_owned();
    (folder, file)
}

fn start(page: &str, listen: &str) -> Gateway {
    echo().args(&["--client-page", page, "--listen", listen]).start()
}

#[tokio::test]
async fn it_connects_again_and_not_after_its_end() {
    let (_folder, page) = page();
    let gateway = start(&page, "127.0.0.1:0");
    let listen = gateway.addr().to_owned();
    let browser = Browser::start().await;
    browser.client.goto(gateway.client_page.as_ref().expect("served")).await.expect("the page");
    browser.holds("seen.map(({ type }) => type).join() === 'connecting,open'").await;
    browser.holds("connection.send('hello')").await;
    browser.holds("seen.some(({ type, data }) => type === 'message' && data === 'hello')").await;

    gateway.signal("TERM");
    browser
        .holds("seen.some(({ type, code, wasOpen }) => type === 'closed' && code === 1001 && wasOpen)")
        .await;
    browser.holds("!connection.isOpen() && !connection.send('lost')").await;
    browser.holds("seen.filter(({ type }) => type === 'closed').length >= 6").await;
    let delays =
        browser.value("seen.filter(({ type }) => type === 'closed').map(({ retryIn }) => retryIn)").await;
    let delays: Vec<u64> = delays.as_array().expect("a list").iter().filter_map(Value::as_u64).collect();
    for (delay, most) in delays.iter().zip([100, 200, 400, 400, 400, 400]) {
        assert!((most / 2..=most).contains(delay), "{delays:?}");
    }
    assert!(delays[2..].windows(2).any(|pair| pair[0] != pair[1]), "a part of it is random: {delays:?}");

    drop(gateway);
    let _again = start(&page, &listen);
    browser.holds("connection.isOpen()").await;
    browser.holds("connection.send('again')").await;
    browser.holds("seen.some(({ data }) => data === 'again')").await;
    browser.holds("(connection.close(), true)").await;
    browser.holds("seen.at(-1).type === 'closed' && seen.at(-1).retryIn === undefined").await;
    let script = "const done = arguments[arguments.length - 1]; const before = seen.length; \
                  dispatchEvent(new Event('online')); setTimeout(() => done(seen.length - before), 600)";
    let more = browser.client.execute_async(script, Vec::new()).await.expect("a script");
    assert_eq!(more, 0, "nothing happens after the end");
    browser.end().await;
}

#[tokio::test]
async fn a_network_that_is_back_ends_the_delay() {
    let (_folder, page) = page();
    let gateway = start(&page, "127.0.0.1:0");
    let browser = Browser::start().await;
    browser.client.goto(gateway.client_page.as_ref().expect("served")).await.expect("the page");
    browser.holds("connection.isOpen()").await;
    let refusing = ReservedPort::new();
    let script = format!(
        "window.patient = reconnecting('ws://127.0.0.1:{}/', event => (window.last = event), {{ first: 1e8, longest: 1e8 }})",
        refusing.number()
    );
    browser.client.execute(&script, Vec::new()).await.expect("a script");
    browser.holds("window.last?.type === 'closed'").await;
    browser
        .client
        .execute("last = undefined; dispatchEvent(new Event('online'))", Vec::new())
        .await
        .expect("a script");
    browser.holds("window.last?.type === 'closed'").await;
    browser.holds("connection.isOpen()").await;
    browser.end().await;
}

#[tokio::test]
async fn it_serves_node_too() {
    let gateway = echo().start();
    let program = format!(
        "const {{ reconnecting }} = require({:?}); \
         const connection = reconnecting({:?}, event => {{ \
           if (event.type === 'open') connection.send('hello'); \
           if (event.type === 'message') {{ console.log(event.data); connection.close(); }} \
         }});",
        script(),
        gateway.clients
    );
    // Node.js before version 22 has a WebSocket only on request.
    let output = tokio::task::spawn_blocking(move || {
        Command::new("node").args(["--experimental-websocket", "-e", &program]).output().expect("node")
    });
    let output = output.await.expect("no panic");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\n", "{output:?}");
}
