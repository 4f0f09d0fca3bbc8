//! Messages that are not complete: how many frames they may have, how long they may take, and what all of them together
//! may hold.

use std::{num::NonZeroU32, time::Duration};

use scf_websocket_gateway::{ClientSettings, limits::Limits};
use scf_websocket_test_harness::Gateway;
use tokio::{io::AsyncWriteExt as _, time::sleep};

use crate::{
    limits::{hits, limited},
    raw::{BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, Raw, TEXT, frame},
};

fn per_second(frames: u32) -> impl FnOnce(&mut Limits) {
    move |limits| limits.frames_per_second = NonZeroU32::new(frames).expect("not 0")
}

/// The close frame's code and text, past the frames before it.
async fn closed(client: &mut Raw) -> (u16, String) {
    loop {
        let (first, payload) = client.next().await;
        if first == FIN | CLOSE {
            let (code, text) = payload.split_first_chunk().expect("a code");
            return (u16::from_be_bytes(*code), String::from_utf8(text.to_vec()).expect("text"));
        }
    }
}

async fn closed_for(gateway: &Gateway, reason: &str, count: f64) {
    gateway
        .wait_for_metric(&format!(r#"scf_gateway_closes_total{{api="/",reason="{reason}"}}"#), count)
        .await;
}

/// So many empty fragments of one message, which does not end.
fn fragments(count: usize) -> Vec<u8> {
    let mut bytes = frame(BINARY, "");
    bytes.extend(frame(CONTINUATION, "").repeat(count - 1));
    bytes
}

#[tokio::test]
async fn fragments_have_a_budget_of_a_hundred_times_the_frames() {
    let gateway = limited(per_second(2)).await;
    let mut sound = Raw::connect(&gateway).await;
    sound.send([fragments(190), frame(FIN | CONTINUATION, "x")].concat()).await;
    sound.receives(FIN | BINARY, "x").await;
    let mut flood = Raw::connect(&gateway).await;
    // It is closed in the middle of this.
    let _ = flood.stream.write_all(&fragments(100_000)).await;
    assert_eq!(closed(&mut flood).await, (1008, "too many frames a second".to_owned()));
    hits(&gateway, "frames_per_second", 1.0).await;
    closed_for(&gateway, "too_fast", 1.0).await;
    sound.send(frame(FIN | TEXT, "still here")).await;
    sound.receives(FIN | TEXT, "still here").await;
}

#[tokio::test]
async fn the_largest_unfinished_messages_give_way_when_all_together_are_too_large() {
    let gateway = limited(|limits| limits.unfinished_bytes = 1 << 20).await;
    let mut small = Raw::connect(&gateway).await;
    small.send(frame(BINARY, vec![b'x'; 100_000])).await;
    let mut large = Raw::connect(&gateway).await;
    large.send(frame(BINARY, vec![b'y'; 600_000])).await;
    let mut next = Raw::connect(&gateway).await;
    // In one frame that does not end, too.
    let whole = frame(FIN | BINARY, vec![b'z'; 500_000]);
    next.send(&whole[..499_000]).await;
    let text = "unfinished messages take too much memory".to_owned();
    assert_eq!(closed(&mut large).await, (1008, text));
    hits(&gateway, "unfinished_bytes", 1.0).await;
    closed_for(&gateway, "unfinished", 1.0).await;
    next.send(&whole[499_000..]).await;
    next.receives(FIN | BINARY, vec![b'z'; 500_000]).await;
    small.send(frame(FIN | CONTINUATION, "x")).await;
    small.receives(FIN | BINARY, vec![b'x'; 100_001]).await;
    // What is complete or closed no longer counts.
    for _ in 0..10 {
        small.send(frame(FIN | BINARY, vec![b'x'; 1_000_000])).await;
        small.receives(FIN | BINARY, vec![b'x'; 1_000_000]).await;
    }
    closed_for(&gateway, "unfinished", 1.0).await;
}

#[tokio::test]
async fn many_clients_of_one_address_hold_no_more_than_the_limit() {
    let gateway = limited(|limits| limits.unfinished_bytes = 4 << 20).await;
    let mut clients = Vec::new();
    for _ in 0..40 {
        let mut client = Raw::connect(&gateway).await;
        client.send(frame(BINARY, vec![0; 1 << 20])).await;
        clients.push(client);
    }
    closed_for(&gateway, "unfinished", 36.0).await;
    let mut other = gateway.connect("/").await;
    assert_eq!(other.ask("hello").await, "hello");
}

#[tokio::test]
async fn a_message_has_a_time_for_its_last_byte_and_a_connection_without_one_has_not() {
    let gateway = limited(|limits| limits.message_seconds = NonZeroU32::MIN).await;
    let mut idle = Raw::connect(&gateway).await;
    let mut endless = Raw::connect(&gateway).await;
    endless.send(frame(TEXT, "begun")).await;
    let mut dripping = Raw::connect(&gateway).await;
    let drips = async {
        let whole = frame(FIN | TEXT, "x".repeat(100));
        for byte in whole.chunks(1) {
            if dripping.stream.write_all(byte).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let text = "the message took too long".to_owned();
    let ends = async {
        // Control frames in between do not prolong it.
        endless.send(frame(FIN | PING, "")).await;
        endless.receives(FIN | PONG, "").await;
        assert_eq!(closed(&mut endless).await, (1008, text.clone()));
    };
    tokio::join!(drips, ends);
    assert_eq!(closed(&mut dripping).await, (1008, text));
    hits(&gateway, "message_seconds", 2.0).await;
    closed_for(&gateway, "message_timed_out", 2.0).await;
    idle.send(frame(FIN | TEXT, "hello")).await;
    idle.receives(FIN | TEXT, "hello").await;
}

#[tokio::test]
async fn settings_of_the_defaults() {
    let limits = ClientSettings::default().limits;
    assert_eq!((limits.unfinished_bytes, limits.message_seconds.get()), (256 << 20, 30));
}
