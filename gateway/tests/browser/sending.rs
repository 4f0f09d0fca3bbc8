//! Sending and showing frames.

use std::fs;

use fantoccini::key::Key;
use tempfile::tempdir;

use crate::harness::{Browser, raw, row};

#[tokio::test]
async fn the_keyboard_is_enough() {
    let gateway = raw().start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    let enter = String::from(char::from(Key::Enter));
    browser.type_in("#path", &enter).await;
    browser.see("#status[data-state=open]").await;
    browser.type_in("#message", &format!("typed{enter}")).await;
    browser.read(".frame[data-direction=in]", "typed").await;
    browser.see(&row("transfer", "ok")).await;
    let (down, right) = (char::from(Key::Down), char::from(Key::Right));
    browser.type_in("#timeline", &String::from(down)).await;
    let focused = browser.client.active_element().await.expect("a focused row");
    focused.send_keys(&String::from(right)).await.expect("it takes keys");
    browser.see("#timeline .row[open] .body").await;
    browser.end().await;
}

#[tokio::test]
async fn arrow_up_brings_back_what_was_sent() {
    let gateway = raw().start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.connect().await;
    browser.echo("first").await;
    browser.echo("second").await;
    browser.type_in("#message", "draft").await;
    let (up, down) = (String::from(char::from(Key::Up)), String::from(char::from(Key::Down)));
    let field = "document.getElementById('message').value";
    for (key, text) in [(&up, "second"), (&up, "first"), (&up, "first"), (&down, "second"), (&down, "draft")]
    {
        browser.type_in("#message", key).await;
        assert_eq!(browser.value(field).await, text);
    }
    browser.reload().await;
    browser.type_in("#message", &up).await;
    assert_eq!(browser.value(field).await, "second");
    browser.end().await;
}

#[tokio::test]
async fn a_file_goes_out_and_comes_back_as_a_hex_dump() {
    let gateway = raw().start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.connect().await;
    let folder = tempdir().expect("a folder");
    let file = folder.path().join("bytes");
    fs::write(&file, b"\xde\xad\xbe\xefsixteen bytes and more").expect("a file");
    browser.type_in("#file", &file.display().to_string()).await;
    let frame = ".frame[data-direction=in]";
    browser.read(frame, "0000  de ad be ef 73 69 78 74  ....sixt").await;
    browser.read(frame, "0010  73 20 61 6e 64").await;
    let transfer = row("transfer", "ok");
    browser.read(&transfer, "binary, 26").await;
    browser.click(&format!("{transfer} summary")).await;
    browser.read(&format!("{transfer} pre[aria-label=Frame]"), "0000  de ad be ef").await;
    browser.read(&format!("{transfer} .push code"), "....sixteen byte").await;
    browser.end().await;
}

#[tokio::test]
async fn a_frame_that_is_json_is_shown_with_indentation_and_as_it_was() {
    let gateway = raw().start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.connect().await;
    browser.send(r#"{"a":[1,{"b":"c"}]}"#).await;
    let frame = ".frame[data-direction=in]";
    browser.read(frame, "  \"a\": [\n    1,\n    {\n      \"b\": \"c\"").await;
    browser.click(&format!("{frame} button")).await;
    browser.read(frame, r#"{"a":[1,{"b":"c"}]}"#).await;
    let transfer = row("transfer", "ok");
    browser.see(&transfer).await;
    browser.click(&format!("{transfer} summary")).await;
    browser.read(&format!("{transfer} pre[aria-label=Frame]"), "      \"b\": \"c\"").await;
    browser.end().await;
}
