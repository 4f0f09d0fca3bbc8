//! What a row of the timeline tells.

use serde_json::json;

use scf_websocket_test_harness::{misbehaving, request};

use crate::harness::{Browser, raw, row};

#[tokio::test]
async fn the_reason_of_a_failed_start_is_in_the_row_and_not_cut() {
    let gateway = misbehaving("complains and exits", None).start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.click("#connect").await;
    let crashed = row("register", "crashed");
    browser.read(&crashed, "its last line of output: cannot start: ").await;
    // The whole sentence is within what is seen of its cell.
    let cell = format!("document.querySelector('{crashed} .what > span')");
    browser
        .holds(&format!("{cell}.scrollWidth <= {cell}.clientWidth || {cell}.getClientRects().length > 1"))
        .await;
    browser.holds(&format!("{cell}.textContent.endsWith('end of the reason')")).await;
    browser.click(&format!("{crashed} summary")).await;
    browser.read(&format!("{crashed} pre[aria-label=Log]"), "end of the reason").await;
    browser.end().await;
}

#[tokio::test]
async fn a_malformed_push_of_a_function_is_an_error_of_its_invocation() {
    let gateway = misbehaving("pushes rubbish", Some("transfer")).start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.connect().await;
    browser.send("x").await;
    let bad = format!("{}.bad", row("transfer", "ok"));
    let text = browser.read(&bad, "✕ bad push").await;
    assert!(text.contains("1 of 2 pushes malformed"), "{text}");
    browser.click(&format!("{bad} summary")).await;
    let body = browser.read(&format!("{bad} .push"), "malformed").await;
    assert!(body.contains("{\"websocket\": rubbish") && body.contains("✕ 400"), "{body}");
    browser.read("#sum-errors", "1").await;
    browser.end().await;
}

#[tokio::test]
async fn a_push_that_no_function_made_is_a_row_of_its_own() {
    let gateway = raw().start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.connect().await;
    browser.see(&row("register", "ok")).await;
    let id = browser.see(".row[data-what=opened]").await.attr("data-connection").await.expect("an element");
    let push = json!({"action": "data send", "secConnectionID": id, "dataType": "text", "data": "from curl"});
    assert_eq!(gateway.push_json(push).await.err_no(), 0);
    browser.read(".frame[data-direction=in]", "from curl").await;
    browser.read(".row[data-kind=push]", "“from curl”, pushed from outside").await;
    gateway.push(b"no JSON").await;
    browser.read(".row[data-kind=push].bad", "not a push: the body is no reverse push in JSON").await;
    browser.end().await;
}

#[tokio::test]
async fn a_batch_is_one_row_with_its_numbers() {
    let gateway = raw().env("WS_PUSH_TO", "gone-1,gone-2,gone-3").start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.connect().await;
    let id = browser.see(".row[data-what=opened]").await.attr("data-connection").await.expect("an element");
    let push = json!({"action": "data send", "secConnectionIDs": [id, "gone"], "dataType": "text", "data": "for all"});
    assert_eq!(gateway.push_json(push).await.err_no(), 0);
    browser.read(".frame[data-direction=in]", "for all").await;
    let batch = ".row[data-kind=push].bad";
    browser.read(batch, "“for all”, pushed from outside to 2 connections, 1 failed").await;
    browser.click(&format!("{batch} summary")).await;
    let body = browser.read(&format!("{batch} .push"), "text → 2 connections, 1 failed").await;
    assert!(body.contains("✕ 1 of 2") && !body.contains("curl"), "its ids are not recorded: {body}");

    browser.send("x").await;
    let transfer = row("transfer", "ok");
    let text = browser.read(&transfer, "pushes failed").await;
    assert!(text.contains("3 of 3 pushes failed"), "each connection of a batch counts: {text}");
    browser.click(&format!("{transfer} summary")).await;
    browser.read(&format!("{transfer} .push:last-child"), "text → 2 connections, 2 failed").await;
    browser.end().await;
}

/// The button stands below the list and not on it.
#[tokio::test]
async fn the_button_to_the_newest_row_covers_no_text() {
    let gateway = raw().start();
    let mut client = gateway.connect("/").await;
    for number in 0..60 {
        client.send_text(&number.to_string()).await;
        client.next_text().await;
    }
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser
        .holds("document.querySelectorAll('.row[data-kind=invocation][data-role=transfer]').length === 60")
        .await;
    browser.holds("document.getElementById('timeline-newest').hidden").await;
    browser
        .client
        .execute("document.getElementById('timeline').scrollTop = 0", Vec::new())
        .await
        .expect("a script");
    browser.holds("!document.getElementById('timeline-newest').hidden").await;
    let top_of_button = "document.getElementById('timeline-newest').getBoundingClientRect().top";
    let end_of_list = "document.getElementById('timeline').getBoundingClientRect().bottom";
    browser.holds(&format!("{top_of_button} >= {end_of_list}")).await;
    client.send_text("new").await;
    browser.read("#timeline-newest", "new").await;
    browser.click("#timeline-newest").await;
    browser.holds("document.getElementById('timeline-newest').hidden").await;
    browser.end().await;
}

#[tokio::test]
async fn the_time_line_can_be_downloaded_as_json() {
    let gateway = raw().start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.connect().await;
    browser.echo("kept").await;
    browser.see(&row("transfer", "ok")).await;
    // What the link would save.
    let script = "window.saved = null; const make = URL.createObjectURL; \
                  URL.createObjectURL = (blob) => { blob.text().then((text) => { window.saved = JSON.parse(text); }); return make(blob); }";
    browser.client.execute(script, Vec::new()).await.expect("a script");
    browser.click("#save").await;
    browser.holds("window.saved !== null").await;
    let saved = browser.value("window.saved").await;
    assert_eq!(saved["figures"]["invocations"], 2, "{saved}");
    let records = saved["records"].as_array().expect("records");
    assert!(
        records.iter().any(|record| record["role"] == "transfer" && record["outcome"] == "ok"),
        "{saved}"
    );
    browser.end().await;
}

/// The files may not run a script that came from elsewhere, and are for this machine only.
#[tokio::test]
async fn the_files_of_the_page_are_strict() {
    let gateway = raw().start();
    for path in ["/", "/page/main.js", "/page/style.css"] {
        let file = request(gateway.addr(), "GET", path, &[], b"").await;
        assert_eq!(file.status, 200);
        assert!(file.head.contains("script-src 'self'") && !file.head.contains("unsafe"), "{}", file.head);
        let foreign = request(gateway.addr(), "GET", path, &[("Host", "rebound.example")], b"").await;
        assert_eq!(foreign.status, 403);
    }
}
