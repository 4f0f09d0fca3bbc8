//! The page behind `gateway.toml`: which paths there are, why a client is refused without a call, and what 1012 and 1013 mean.

use fantoccini::key::Key;
use scf_websocket_test_harness::from_file;

use crate::harness::Browser;

/// Two APIs; the transfer function of the second cannot be reached.
const FILE: &str = r#"
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
[[api]]
path = "/chat"
register = "process:$RUNTIMES/echo.py"
transfer = "process:$RUNTIMES/echo.py"
cleanup = "process:$RUNTIMES/echo.py"
[[api]]
path = "/away"
register = "process:$RUNTIMES/echo.py"
transfer = "http://127.0.0.1:9/"
cleanup = "process:$RUNTIMES/echo.py"
"#;

#[tokio::test]
async fn the_path_offers_those_of_the_apis_and_another_one_is_a_row_with_its_reason() {
    let gateway = from_file(FILE).start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    let offered = "[...document.getElementById('apis').options].map((option) => option.value).join()";
    browser.holds(&format!("{offered} === '/chat,/away'")).await;
    browser.holds("document.getElementById('path').value === '/chat'").await;
    browser.connect().await;
    browser.echo("hello").await;
    browser.click("#disconnect").await;
    browser.see("#status[data-state=closed]").await;
    browser.type_in("#path", "ter").await;
    browser.click("#connect").await;
    browser.read("#status", "look in its newest row").await;
    browser
        .read(".row[data-what=refused]", "not connected to /chatter: no WebSocket API has this path")
        .await;
    browser.end().await;
}

#[tokio::test]
async fn the_codes_1012_and_1013_are_explained() {
    let gateway = from_file(FILE).start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.holds("document.getElementById('path').value === '/chat'").await;
    let all = format!("{}a{}", char::from(Key::Control), char::from(Key::Null));
    browser.type_in("#path", &format!("{all}/away")).await;
    browser.connect().await;
    browser.send("hello").await;
    browser.read("#status", "Closed: 1013").await;
    browser.read("#status", "did not run").await;
    let script = "const done = arguments[0]; import('/page/words.js').then(({ CLOSE_CODES }) => done(CLOSE_CODES[1012]))";
    let explained = browser.client.execute_async(script, Vec::new()).await.expect("a sentence");
    assert!(explained.as_str().is_some_and(|sentence| sentence.contains("cluster")), "{explained}");
    browser.end().await;
}
