//! The page as axe sees it: in light and dark, empty and full.

use std::{fs, path::Path};

use serde_json::Value;

use scf_websocket_test_harness::misbehaving;

use crate::harness::{Browser, Look, row};

#[tokio::test]
async fn axe_finds_nothing_in_light() {
    examine(&Look::default()).await;
}

#[tokio::test]
async fn axe_finds_nothing_in_dark() {
    examine(&Look { dark: true, ..Look::default() }).await;
}

#[tokio::test]
async fn axe_finds_nothing_on_a_phone() {
    examine(&Look { phone: true, ..Look::default() }).await;
}

async fn examine(look: &Look) {
    let gateway = misbehaving("error", Some("cleanup")).start();
    let browser = Browser::looking(look).await;
    browser.open(&gateway).await;
    let dark = browser.value("matchMedia('(prefers-color-scheme: dark)').matches").await;
    assert_eq!(dark, look.dark);
    clean(&browser, "empty").await;
    browser.connect().await;
    browser.send("{\"a\":1}").await;
    browser.read(".frame[data-direction=in]", "\"a\": 1").await;
    let passing = gateway.connect("/").await;
    passing.close().await;
    browser.see(&row("cleanup", "error")).await;
    gateway.push(b"no push").await;
    browser.see(".row[data-kind=push]").await;
    browser.click("#connections > summary").await;
    for shown in [row("transfer", "ok"), row("cleanup", "error")] {
        browser
            .client
            .execute(&format!("document.querySelector('{shown}').open = true"), Vec::new())
            .await
            .expect("a script");
        browser.see(&format!("{shown} .body")).await;
    }
    // A row that has just come is coloured for a moment.
    browser.holds("document.getAnimations().length === 0").await;
    clean(&browser, "full").await;
    browser.type_in("#search", "nowhere to be found").await;
    browser.read("#all-hidden", "The filters hide").await;
    clean(&browser, "filtered").await;
    drop(gateway);
    browser.read("#live", "Is it still running?").await;
    clean(&browser, "without the gateway").await;
    browser.end().await;
}

pub async fn clean(browser: &Browser, state: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/node_modules/axe-core/axe.min.js");
    let axe = fs::read_to_string(path).expect("axe-core: `make test-browser` installs it");
    browser.client.execute(&axe, Vec::new()).await.expect("axe is loaded");
    let script = "const done = arguments[arguments.length - 1]; \
                  axe.run(document, { resultTypes: ['violations'] }).then( \
                    ({ violations, passes }) => done({ passed: passes.length, violations: violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map(({ html, failureSummary }) => [html, failureSummary]) })) }), \
                    (error) => done({ passed: 0, violations: [String(error)] }))";
    let found = browser.client.execute_async(script, Vec::new()).await.expect("axe's result");
    assert!(found["passed"].as_u64().is_some_and(|passed| passed > 10), "axe looked at nothing: {found}");
    let violations = found["violations"].as_array().map_or(&[] as &[Value], Vec::as_slice);
    assert!(violations.is_empty(), "{state}: {}", serde_json::to_string_pretty(violations).expect("JSON"));
}
