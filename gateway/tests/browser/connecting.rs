//! Connecting and disconnecting from the page.

use std::fs;

use tempfile::tempdir;

use crate::harness::{Browser, raw, row};

#[tokio::test]
async fn a_person_connects_sends_and_sees_the_echo_and_its_three_rows() {
    let gateway = raw().start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.connect().await;
    browser.echo("hello, functions").await;
    browser.click("#disconnect").await;
    browser.see("#status[data-state=closed]").await;

    let register = browser.read(&row("register", "ok"), "connection request for /").await;
    assert!(register.contains("cold") && register.contains("ms"), "{register}");
    browser.read(&row("cleanup", "ok"), "client disconnected").await;
    let transfer = row("transfer", "ok");
    browser.read(&transfer, "1 push").await;
    browser.click(&format!("{transfer} summary")).await;
    let body = browser.read(&format!("{transfer} .body"), "hello, functions").await;
    for part in ["Event", "data recv", "Answer", "Pushes", "Log", "invocation request_id="] {
        assert!(body.contains(part), "no {part:?} in the unfolded row: {body}");
    }
    browser.end().await;
}

#[tokio::test]
async fn a_refusal_says_why() {
    let gateway = raw().env("WS_SUBPROTOCOLS", "chat").start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    // What stands in the empty field is an example, and not a word that means "none".
    let placeholder = browser.value("document.getElementById('protocols').placeholder").await;
    assert!(!placeholder.as_str().expect("a text").contains("none"), "{placeholder}");
    browser.type_in("#protocols", "other").await;
    browser.click("#connect").await;
    browser.see("#status[data-state=failed]").await;
    // A browser does not tell a page why; the timeline does.
    browser.read("#status", "look in its newest row").await;
    browser.read(&row("register", "refused"), "no sub-protocol in common").await;
    browser.read(".row[data-what=refused]", "not connected to /: the register function refused it").await;
    browser.end().await;
}

#[tokio::test]
async fn path_and_sub_protocols_survive_a_reload() {
    let gateway = raw().start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.type_in("#path", "chat").await;
    browser.type_in("#protocols", "one, two").await;
    browser.reload().await;
    assert_eq!(browser.value("document.getElementById('path').value").await, "/chat");
    assert_eq!(browser.value("document.getElementById('protocols').value").await, "one, two");
    browser.connect().await;
    browser.read("#status", "Connected to /chat, sub-protocol one").await;
    browser.end().await;
}

#[tokio::test]
async fn a_close_by_the_gateway_is_told_in_plain_words() {
    let gateway = raw().start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.connect().await;
    let folder = tempdir().expect("a folder");
    let file = folder.path().join("large.bin");
    fs::write(&file, vec![0; 6 * 1024 * 1024 + 1]).expect("a file");
    browser.type_in("#file", &file.display().to_string()).await;
    browser.read("#status", "exceeds 6 MiB").await;
    let closed = ".row[data-what=closed]";
    browser
        .read(
            closed,
            "disconnected from /: closed by the gateway (1009): a frame has more than 6291456 bytes",
        )
        .await;
    browser.end().await;
}

/// As under `make run`: a room in a directory, each frame to everybody in it.
#[tokio::test]
async fn two_tabs_talk_to_each_other() {
    let room = tempdir().expect("a folder");
    let store = format!("dir:{}", room.path().display());
    let gateway = raw().env("WS_STORE", &store).env("WS_PUSH_TO", "all").start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.connect().await;
    let first = browser.client.window().await.expect("the first tab");
    let second = browser.client.new_window(true).await.expect("a second tab").handle;
    browser.client.switch_to_window(second.clone()).await.expect("the second tab");
    browser.open(&gateway).await;
    browser.connect().await;

    browser.echo("from the second").await;
    browser.client.switch_to_window(first).await.expect("the first tab");
    browser.read(".frame[data-direction=in]", "from the second").await;
    browser.send("from the first").await;
    browser.client.switch_to_window(second).await.expect("the second tab");
    browser.read(".frame[data-direction=in]:last-child", "from the first").await;
    for text in ["how are you?", "fine, and you?", "never better", "see you", "bye", "bye-bye"] {
        browser.echo(text).await;
    }
    browser.click("#disconnect").await;
    browser.see(&row("cleanup", "ok")).await;
    browser.connect().await;
    browser.echo("back again").await;
    crate::screens::picture_for_the_readme(&browser).await;
    browser.end().await;
}
