//! Which rows are shown: check boxes, search, errors only.

use scf_websocket_test_harness::misbehaving;

use crate::harness::{Browser, raw, row};

#[tokio::test]
async fn rows_that_are_all_hidden_are_counted_and_can_be_shown_again() {
    let gateway = raw().start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.connect().await;
    browser.see(&row("register", "ok")).await;
    browser.holds("document.querySelectorAll('#timeline > .row').length === 3").await;
    for value in ["register", "connection"] {
        browser.click(&format!("#filters input[value={value}]")).await;
    }
    browser.read("#all-hidden", "The filters hide all 3 rows.").await;
    browser.click("#show-all").await;
    browser.holds("document.getElementById('all-hidden').hidden").await;
    browser.holds("[...document.querySelectorAll('#timeline > .row')].every((row) => !row.hidden)").await;
    browser.end().await;
}

#[tokio::test]
async fn search_finds_what_stands_in_folded_rows() {
    let gateway = raw().start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.connect().await;
    for text in ["needle", "hay", "more hay"] {
        browser.echo(text).await;
    }
    browser
        .holds("document.querySelectorAll('.row[data-role=transfer][data-outcome=ok]').length === 3")
        .await;
    let shown = "[...document.querySelectorAll('#timeline > .row')].filter((row) => !row.hidden)";
    browser.type_in("#search", "NEEDLE").await;
    browser.holds(&format!("{shown}.length === 1 && {shown}[0].dataset.role === 'transfer'")).await;
    browser.read("#shown", "1 of ").await;
    // A line of the log, which is seen only when the row is unfolded.
    browser
        .client
        .execute("document.getElementById('search').value = ''", Vec::new())
        .await
        .expect("a script");
    browser.type_in("#search", "invocation request_id").await;
    browser.holds(&format!("{shown}.length === 4")).await;
    browser.type_in("#search", " nowhere").await;
    browser.read("#all-hidden", "The filters hide all").await;
    browser.end().await;
}

#[tokio::test]
async fn only_errors_are_shown_when_asked_for() {
    let gateway = misbehaving("error", Some("transfer")).start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.connect().await;
    browser.send("x").await;
    browser.read(&row("transfer", "error"), "it did not work out").await;
    browser.click("#only-errors").await;
    let shown = "[...document.querySelectorAll('#timeline > .row')].filter((row) => !row.hidden)";
    browser.holds(&format!("{shown}.length === 1 && {shown}[0].dataset.outcome === 'error'")).await;
    browser.read("#sum-errors", "1").await;
    browser.end().await;
}

#[tokio::test]
async fn errors_only_shows_rows_with_failed_pushes() {
    let gateway = raw().env("WS_PUSH_TO", "gone").start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.connect().await;
    browser.send("x").await;
    browser.read(&row("transfer", "ok"), "1 of 1 push failed").await;
    browser.click("#only-errors").await;
    let shown = "[...document.querySelectorAll('#timeline > .row')].filter((row) => !row.hidden)";
    browser.holds(&format!("{shown}.length === 1 && {shown}[0].dataset.role === 'transfer'")).await;
    browser.end().await;
}

#[tokio::test]
async fn it_is_said_how_many_rows_are_kept() {
    let gateway = raw().args(&["--page-rows", "4"]).start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.connect().await;
    for text in ["one", "two", "three"] {
        browser.echo(text).await;
    }
    browser.read("#shown", "4 rows; the newest 4 are kept").await;
    browser.holds("document.querySelectorAll('#timeline > .row').length === 4").await;
    browser.end().await;
}
