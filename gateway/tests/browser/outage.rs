//! A gateway that goes away.

use scf_websocket_test_harness::Gateway;

use crate::harness::{Browser, raw, row};

#[tokio::test]
async fn a_gateway_that_is_gone_is_said_to_be_gone_and_leaves_no_stale_state() {
    let gateway = raw().start();
    let listen = gateway.addr().to_owned();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.connect().await;
    browser.read("#clients", "1 connected").await;
    browser.see(&row("register", "ok")).await;
    browser.see("[data-role=register] .dots i").await;
    stop(gateway);
    browser.read("#live", "No answer from the gateway. Is it still running?").await;
    browser.read("#clients", "unknown").await;
    browser.read("#address", "no answer").await;
    browser.holds("document.querySelectorAll('.dots i').length === 0").await;
    browser.holds("document.getElementById('connection-count').textContent === '0'").await;
    // The rows are still there to be read.
    browser.see(&row("register", "ok")).await;
    browser.click("#connect").await;
    browser.read("#status", "Is it still running?").await;
    let again = raw().args(&["--listen", &listen]).start();
    browser.see("#live[data-live=yes]").await;
    browser.read("#live", "live").await;
    browser.read("#clients", "none connected").await;
    drop(again);
    browser.end().await;
}

fn stop(gateway: Gateway) {
    drop(gateway);
}

#[tokio::test]
async fn it_connects_again_when_asked_for_and_not_after_a_disconnection_by_hand() {
    let gateway = raw().start();
    let listen = gateway.addr().to_owned();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.click("#reconnect").await;
    browser.connect().await;
    stop(gateway);
    browser.read("#status[data-state=waiting]", "Connecting again in").await;
    let _again = raw().args(&["--listen", &listen]).start();
    browser.see("#status[data-state=open]").await;
    browser.echo("back").await;
    browser.click("#disconnect").await;
    browser.see("#status[data-state=closed]").await;
    // Longer than the first delay.
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    browser.see("#status[data-state=closed]").await;
    browser.end().await;
}
