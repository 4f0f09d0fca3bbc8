//! permessage-deflate: what is agreed, what is sent and received with it, and that a push is compressed once.

use std::path::Path;

use flate2::{Compress, Compression as Level, Decompress, FlushCompress, FlushDecompress};
use scf_websocket_gateway::{ClientSettings, Compression};
use scf_websocket_test_harness::{Gateway, InProcess, Need, Redis, needs};
use serde_json::{Value, json};

use crate::{
    cluster::node::in_process,
    limits::hits,
    raw::{BINARY, CONTINUATION, FIN, PING, PONG, RSV1, Raw, TEXT, frame},
};

const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
const SMALL_WINDOW: &str = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n";
const COMPRESSIONS: &str = r#"scf_gateway_compressions_total{api="/"}"#;
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

async fn compressing(change: impl FnOnce(&mut ClientSettings)) -> Gateway {
    let settings = |clients: &mut ClientSettings| {
        clients.compression = Some(Compression::default());
        change(clients);
    };
    InProcess::echo().clients(settings).start().await
}

fn limited(change: impl FnOnce(&mut Compression)) -> impl FnOnce(&mut ClientSettings) {
    move |settings| change(settings.compression.as_mut().expect("set"))
}

fn deflated(payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut bytes = Vec::with_capacity(payload.len() + 1000);
    Compress::new(Level::new(6), false)
        .compress_vec(payload, &mut bytes, FlushCompress::Sync)
        .expect("compressed");
    assert!(bytes.ends_with(&TAIL));
    bytes.truncate(bytes.len() - TAIL.len());
    bytes
}

fn inflated(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 << 20);
    Decompress::new(false)
        .decompress_vec(&[payload, &TAIL].concat(), &mut bytes, FlushDecompress::Sync)
        .expect("sound");
    bytes
}

fn extensions(client: &Raw) -> Option<&str> {
    client.head.lines().find_map(|line| line.strip_prefix("sec-websocket-extensions: "))
}

/// JSON of about so many bytes.
fn text(bytes: usize) -> String {
    (0..).map(|number| format!("{{\"user\":{number},\"text\":\"hello\"}},")).take(bytes / 28).collect()
}

/// The connection's id, from the event of a frame that is echoed.
async fn id(client: &mut Raw, gateway: &Gateway) -> Value {
    client.send(frame(FIN | TEXT, "who")).await;
    client.receives(FIN | TEXT, "who").await;
    let event = gateway.events("transfer").pop().expect("an event");
    event["websocket"]["secConnectionID"].clone()
}

async fn receives_compressed(client: &mut Raw, first: u8, payload: &str) -> usize {
    let (received, compressed) = client.next().await;
    assert_eq!(received, first | RSV1);
    assert!(compressed.len() < payload.len(), "{} bytes", compressed.len());
    assert!(inflated(&compressed) == payload.as_bytes(), "another payload");
    compressed.len()
}

#[tokio::test]
async fn it_is_agreed_with_a_client_that_offers_it_where_it_is_on() {
    let gateway = compressing(|_| ()).await;
    let accepted = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assert_eq!(extensions(&Raw::connect_with(&gateway, OFFER).await), Some(accepted));
    let small = Raw::connect_with(&gateway, SMALL_WINDOW).await;
    assert_eq!(extensions(&small), Some(format!("{accepted}; server_max_window_bits=10").as_str()));
    assert_eq!(extensions(&Raw::connect(&gateway).await), None);
    let impossible = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8\r\n";
    assert_eq!(extensions(&Raw::connect_with(&gateway, impossible).await), None);
    let off = compressing(|settings| settings.compression = None).await;
    let mut client = Raw::connect_with(&off, OFFER).await;
    assert_eq!(extensions(&client), None);
    client.send(frame(FIN | RSV1 | TEXT, deflated("hello"))).await;
    client.closed_with(1002).await;
}

#[tokio::test]
async fn an_api_can_do_without_it() {
    let gateway = InProcess::echo()
        .api(|api| api.settings.compression = false)
        .clients(|clients| clients.compression = Some(Compression::default()))
        .start()
        .await;
    assert_eq!(extensions(&Raw::connect_with(&gateway, OFFER).await), None);
}

#[tokio::test]
async fn a_frame_is_compressed_if_it_is_long_enough_and_gets_smaller() {
    let gateway = compressing(|_| ()).await;
    let mut client = Raw::connect_with(&gateway, OFFER).await;
    let (short, long) = (text(400), text(5000));
    client.send(frame(FIN | TEXT, &short)).await;
    client.receives(FIN | TEXT, &short).await;
    client.send(frame(FIN | TEXT, &long)).await;
    let compressed = receives_compressed(&mut client, FIN | TEXT, &long).await;
    let mut noise = vec![0; 5000];
    getrandom::fill(&mut noise).expect("random bytes");
    client.send(frame(FIN | BINARY, &noise)).await;
    client.receives(FIN | BINARY, &noise).await;
    client.send(frame(FIN | PING, "x".repeat(125))).await;
    client.receives(FIN | PONG, "x".repeat(125)).await;
    for (when, bytes) in [("before", long.len()), ("after", compressed)] {
        let series =
            format!(r#"scf_gateway_compressed_frame_bytes_total{{api="/",direction="out",when="{when}"}}"#);
        gateway.wait_for_metric(&series, to_f64(bytes)).await;
    }
    // The noise was tried.
    gateway.wait_for_metric(COMPRESSIONS, 2.0).await;
}

fn to_f64(bytes: usize) -> f64 {
    f64::from(u32::try_from(bytes).expect("few"))
}

#[tokio::test]
async fn a_push_to_many_is_compressed_once() {
    let gateway = compressing(|_| ()).await;
    let payload = text(20_000);
    let mut clients = Vec::new();
    for headers in [OFFER, "", OFFER, SMALL_WINDOW, OFFER, SMALL_WINDOW] {
        clients.push((headers, Raw::connect_with(&gateway, headers).await));
    }
    let mut ids = Vec::new();
    for (_, client) in &mut clients {
        ids.push(id(client, &gateway).await);
    }
    let push = json!({"action": "data send", "secConnectionIDs": ids, "dataType": "text", "data": payload});
    assert_eq!(gateway.push_json(push).await.status, 200);
    for (headers, client) in &mut clients {
        if headers.is_empty() {
            client.receives(FIN | TEXT, &payload).await;
        } else {
            receives_compressed(client, FIN | TEXT, &payload).await;
        }
    }
    // Once for the full window, and once for all smaller ones.
    gateway.wait_for_metric(COMPRESSIONS, 2.0).await;
}

#[tokio::test]
async fn a_push_that_crosses_redis_is_compressed_once_by_each_node_that_has_clients() {
    if !needs(Need::Redis) {
        return;
    }
    let redis = Redis::start(&[]);
    let compressing = |clients: &mut ClientSettings| clients.compression = Some(Compression::default());
    let node = || in_process(&redis).clients(compressing).start();
    let (here, there) = (node().await, node().await);
    let (mut clients, mut ids) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let mut client = Raw::connect_with(&there, OFFER).await;
        ids.push(id(&mut client, &there).await);
        clients.push(client);
    }
    let payload = text(20_000);
    let push = json!({"action": "data send", "secConnectionIDs": ids, "dataType": "text", "data": payload});
    assert_eq!(here.push_json(push).await.status, 200);
    for client in &mut clients {
        receives_compressed(client, FIN | TEXT, &payload).await;
    }
    there.wait_for_metric(COMPRESSIONS, 1.0).await;
    here.wait_for_metric(COMPRESSIONS, 0.0).await;
}

#[tokio::test]
async fn what_does_not_get_smaller_is_tried_once_for_all() {
    let gateway = compressing(|_| ()).await;
    let mut clients = [Raw::connect_with(&gateway, OFFER).await, Raw::connect_with(&gateway, OFFER).await];
    let mut ids = Vec::new();
    for client in &mut clients {
        ids.push(id(client, &gateway).await);
    }
    let mut noise = vec![0; 6000];
    getrandom::fill(&mut noise).expect("random bytes");
    let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &noise);
    let push = json!({"action": "data send", "secConnectionIDs": ids, "dataType": "binary", "data": data});
    assert_eq!(gateway.push_json(push).await.status, 200);
    for client in &mut clients {
        client.receives(FIN | BINARY, &noise).await;
    }
    gateway.wait_for_metric(COMPRESSIONS, 1.0).await;
}

#[tokio::test]
async fn a_compressed_message_may_be_fragmented_with_control_frames_in_between() {
    let gateway = compressing(|_| ()).await;
    let mut client = Raw::connect_with(&gateway, OFFER).await;
    let compressed = deflated("Hellö".repeat(50));
    let (begin, rest) = compressed.split_at(7);
    let (middle, end) = rest.split_at(1);
    let stream = [
        frame(RSV1 | TEXT, begin),
        frame(FIN | PING, "p"),
        frame(CONTINUATION, middle),
        frame(CONTINUATION, ""),
        frame(FIN | CONTINUATION, end),
    ]
    .concat();
    for part in stream.chunks(3) {
        client.send(part).await;
    }
    client.receives(FIN | PONG, "p").await;
    client.receives(FIN | TEXT, "Hellö".repeat(50)).await;
    // A compressed message may be empty, and one between compressed ones may be plain.
    for (first, payload) in [(RSV1, vec![0]), (RSV1, deflated("")), (0, Vec::new())] {
        client.send(frame(FIN | first | TEXT, payload)).await;
        client.receives(FIN | TEXT, "").await;
    }
}

#[tokio::test]
async fn what_breaks_the_extension_fails_the_connection() {
    let gateway = compressing(|_| ()).await;
    let hello = deflated("hello");
    let not_utf8 = deflated([b'a', 0xff]);
    let cut = &deflated(text(3000))[..200];
    for (stream, code) in [
        ([frame(TEXT, "a"), frame(FIN | RSV1 | CONTINUATION, &hello)].concat(), 1002),
        ([frame(RSV1 | TEXT, &hello), frame(FIN | RSV1 | CONTINUATION, "")].concat(), 1002),
        (frame(FIN | RSV1 | PING, "a"), 1002),
        (frame(FIN | 0x20 | TEXT, "a"), 1002),
        (frame(FIN | RSV1 | 0x10 | TEXT, &hello), 1002),
        (frame(FIN | RSV1 | TEXT, b"\xff\xff\xff"), 1002),
        (frame(FIN | RSV1 | BINARY, cut), 1002),
        (frame(FIN | RSV1 | TEXT, &not_utf8), 1007),
    ] {
        let mut client = Raw::connect_with(&gateway, OFFER).await;
        client.send(stream).await;
        client.closed_with(code).await;
    }
    gateway.wait_for_events("cleanup", 8).await;
    assert!(gateway.events("transfer").is_empty());
}

#[tokio::test]
async fn a_bomb_is_closed_at_the_limit_of_a_frame_or_of_all_unfinished_messages() {
    let bomb = deflated(vec![0; 5 << 20]);
    let gateway = compressing(|settings| settings.limits.frame_bytes = 1 << 20).await;
    let mut client = Raw::connect_with(&gateway, OFFER).await;
    client.send(frame(FIN | RSV1 | BINARY, &bomb)).await;
    client.closed_with(1009).await;
    hits(&gateway, "frame_bytes", 1.0).await;
    let gateway = compressing(|settings| settings.limits.unfinished_bytes = 1 << 20).await;
    let mut client = Raw::connect_with(&gateway, OFFER).await;
    client.send(frame(FIN | RSV1 | BINARY, &bomb)).await;
    client.closed_with(1008).await;
    hits(&gateway, "unfinished_bytes", 1.0).await;
}

/// Another implementation, in both directions; the seed is in the message if it fails.
#[tokio::test]
async fn pythons_websockets_understands_it_and_is_understood() {
    if !needs(Need::PythonWebsockets) {
        return;
    }
    let gateway = compressing(limited(|compression| compression.min_bytes = 1)).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/deflate.py");
    for _ in 0..12 {
        let seed = getrandom::u32().expect("a random number");
        let run = tokio::process::Command::new("/usr/bin/python3")
            .args([script.as_os_str(), gateway.clients.as_ref(), seed.to_string().as_ref()])
            .output()
            .await
            .expect("/usr/bin/python3 starts");
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "seed {seed}: {said}");
        assert_eq!(String::from_utf8_lossy(&run.stdout), "same 1000\n", "seed {seed}");
    }
}

/// What the page shows of a compressed frame and of a compressed push; the page reads these fields.
#[tokio::test]
async fn the_time_line_has_the_bytes_before_and_after() {
    let gateway = compressing(|_| ()).await;
    let mut client = Raw::connect_with(&gateway, OFFER).await;
    let payload = text(5000);
    let compressed = deflated(&payload);
    client.send(frame(FIN | RSV1 | TEXT, &compressed)).await;
    let pushed = receives_compressed(&mut client, FIN | TEXT, &payload).await;
    let is = |record: &Value, after: usize| {
        record["frame_bytes"] == payload.len() && record["compressed_bytes"] == after
    };
    gateway.wait_for_record("the frame", |record| is(record, compressed.len())).await;
    gateway.wait_for_record("the push", |record| is(&record["pushes"][0], pushed)).await;
}
