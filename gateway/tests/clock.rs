//! The machine's clock is set while the gateway runs: times are measured on the monotonic clock, and nothing happens.

use std::time::Duration;

use scf_websocket_test_harness::{Clock, echo};
use tokio::time::sleep;

#[tokio::test]
async fn a_clock_that_jumps_by_an_hour_cuts_no_client() {
    let Some(clock) = Clock::new() else { return };
    let variables = clock.env();
    let gateway = variables
        .iter()
        .fold(echo(), |api, (name, value)| api.own_env(name, value))
        // With an idle time-out of 4 s the heartbeat looks every 2 s.
        .args(&["--idle-timeout", "4", "--log-format", "json", "--trace"])
        .start();
    let mut client = gateway.connect("/").await;
    for offset in ["+3600", "+0", "-3600", "+0"] {
        clock.set(offset);
        for _ in 0..6 {
            client.send_text("hello").await;
            assert_eq!(client.next_text().await, "hello", "at {offset}");
            sleep(Duration::from_millis(500)).await;
        }
    }
    client.close().await;
    gateway.wait_for_log("trace role=cleanup").await;
    let log = gateway.log();
    // The clock really was set: the traces are of three different hours.
    let mut hours: Vec<_> = log
        .lines()
        .filter(|line| line.contains("trace role=transfer"))
        .filter_map(|line| line.split("\"time\":\"").nth(1)?.get(..13))
        .collect();
    hours.sort_unstable();
    hours.dedup();
    assert!(hours.len() >= 3, "{hours:?}");
    assert!(!log.contains("idle for") && !log.contains("timed out") && !log.contains("WARN"), "{log}");
}
