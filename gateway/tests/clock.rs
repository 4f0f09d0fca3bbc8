//! The machine's clock is set while the gateway runs: times are measured on the monotonic clock, and nothing happens.

use std::{fs, time::Duration};

use scf_websocket_test_harness::echo;
use tokio::time::sleep;

use crate::debian::debian_file;

#[tokio::test]
async fn a_clock_that_jumps_by_an_hour_cuts_no_client() {
    let library = "usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
    let Some(library) = debian_file("libfaketime", library) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let clock = folder.path().join("clock");
    let set = |offset: &str| fs::write(&clock, format!("{offset}\n")).expect("a file");
    set("+0");
    let gateway = echo()
        .own_env("LD_PRELOAD", &library.display().to_string())
        .own_env("FAKETIME_TIMESTAMP_FILE", &clock.display().to_string())
        .own_env("FAKETIME_NO_CACHE", "1")
        .own_env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        // With an idle time-out of 4 s the heartbeat looks every 2 s.
        .args(&["--idle-timeout", "4", "--log-format", "json", "--trace"])
        .start();
    let mut client = gateway.connect("/").await;
    for offset in ["+3600", "+0", "-3600", "+0"] {
        set(offset);
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
