//! A function that says a lot in its error: what the log, the timeline and the memory keep of it.

use std::fs;

use scf_websocket_test_harness::{Gateway, Need, misbehaving, needs};
use tokio_websockets::CloseCode;

const FRAMES: usize = 40;
const FRAME_BYTES: usize = 5_000_000;

/// What a message may fill, with the ids around it.
const MESSAGE_BYTES: usize = 4096 + 200;

/// Frames of 5 MB, each quoted in the error of the function that fails on it.
#[tokio::test]
async fn a_quoted_frame_is_cut_and_its_length_is_said() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = misbehaving("quotes", Some("transfer")).args(&["--timeout", "30000"]).start();
    let frame = "x".repeat(FRAME_BYTES);
    let before = resident_bytes(&gateway);
    for _ in 0..FRAMES {
        let mut client = gateway.connect("/").await;
        client.send_text(&frame).await;
        assert_eq!(client.closed().await.0, CloseCode::INTERNAL_SERVER_ERROR);
    }
    let record = gateway.wait_for_record("a failure", |record| record["outcome"] == "error").await;
    let message = record["message"].as_str().expect("a message");
    let cut = "… (the first 4096 of 5000011 bytes)";
    assert!(message.starts_with("cannot use xxx") && message.ends_with(cut), "{} bytes", message.len());
    gateway.wait_for_log(&format!("x{cut}")).await;
    let log = gateway.log();
    let allowed = 3 * FRAMES * MESSAGE_BYTES;
    assert!(log.len() < allowed, "{} bytes of log, more than {allowed}", log.len());
    // Of the events the timeline keeps 16 MB; some are on their way, and the allocator keeps what was free before.
    let grown = resident_bytes(&gateway).saturating_sub(before);
    assert!(grown < 120 << 20, "the gateway has grown by {} MB", grown >> 20);
}

fn resident_bytes(gateway: &Gateway) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.pid())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    let kilobytes: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes << 10
}
