//! The figures above the timeline.

use crate::harness::{Browser, raw, row};

/// More invocations than the page keeps rows for.
const INVOCATIONS: usize = 520;

#[tokio::test]
async fn the_figures_are_those_of_the_gateway_and_survive_a_reload() {
    let gateway = raw().start();
    let mut client = gateway.connect("/").await;
    for number in 2..INVOCATIONS {
        let text = number.to_string();
        client.send_text(&text).await;
        assert_eq!(client.next_text().await, text);
    }
    client.close().await;
    gateway
        .wait_for_record("the end", |record| record["role"] == "cleanup" && record["outcome"] == "ok")
        .await;
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    for _ in 0..2 {
        browser.read("#sum-invocations", &INVOCATIONS.to_string()).await;
        browser.read("#sum-cold", "3").await;
        browser.read("#sum-errors", "0").await;
        // Its records are no longer kept, but it lives.
        browser.holds("document.querySelectorAll('[data-role=register] .dots i').length === 1").await;
        for figure in ["gateway", "function"] {
            let median = number(&browser, &format!("#sum-{figure}")).await;
            let p95 = number(&browser, &format!("#sum-{figure}-p95")).await;
            assert!(0.0 < median && median <= p95, "{figure}: {median} {p95}");
        }
        browser.see(&row("transfer", "ok")).await;
        browser.reload().await;
    }
    browser.click("#clear").await;
    browser.read("#sum-invocations", &INVOCATIONS.to_string()).await;
    browser.end().await;
}

async fn number(browser: &Browser, css: &str) -> f64 {
    browser.read(css, ".").await.parse().expect("a number")
}
