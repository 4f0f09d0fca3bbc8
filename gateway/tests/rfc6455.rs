//! What RFC 6455 demands of a server, section by section, byte by byte.

use scf_websocket_test_harness::InProcess;
use serde_json::json;

use crate::raw::{BINARY, CLOSE, CONTINUATION, FIN, MASK, PING, PONG, Raw, TEXT, close, frame, masked};

/// Each of these streams fails its connection with this code, no frame of it becomes an event, and the connection is
/// cleaned up.
async fn fail<const N: usize>(streams: [Vec<u8>; N], code: u16) {
    let gateway = InProcess::echo().start().await;
    for stream in streams {
        let mut client = Raw::connect(&gateway).await;
        client.send(stream).await;
        client.closed_with(code).await;
    }
    gateway.wait_for_events("cleanup", N).await;
    assert!(gateway.events("transfer").is_empty());
}

#[tokio::test]
async fn section_1_4_and_5_5_1_what_follows_a_close_frame_is_ignored() {
    let gateway = InProcess::echo().start().await;
    let mut client = Raw::connect(&gateway).await;
    client.send([close(1000, b""), frame(FIN | TEXT, "late"), frame(FIN | PING, "late")].concat()).await;
    client.closed_with(1000).await;
    gateway.wait_for_events("cleanup", 1).await;
    assert!(gateway.events("transfer").is_empty());
}

#[tokio::test]
async fn section_4_2_2_the_handshake_is_answered_with_the_accept_key() {
    let gateway = InProcess::echo().start().await;
    let client = Raw::connect(&gateway).await;
    let head = client.head.to_ascii_lowercase();
    assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{head}");
    for header in ["upgrade: websocket\r\n", "connection: upgrade\r\n"] {
        assert!(head.contains(header), "{head}");
    }
    assert!(!head.contains("sec-websocket-extensions"), "{head}");
}

#[tokio::test]
async fn section_5_1_a_frame_without_a_mask_fails_the_connection() {
    fail(
        [b"\x81\x01x".to_vec(), b"\x89\x00".to_vec(), b"\x88\x02\x03\xe8".to_vec(), b"\x82\x7e".to_vec()],
        1002,
    )
    .await;
}

#[tokio::test]
async fn section_5_2_reserved_bits_fail_the_connection() {
    let frames = [0x40, 0x20, 0x10, 0x70].map(|bits| frame(FIN | bits | TEXT, "x"));
    fail(frames, 1002).await;
    fail([frame(FIN | 0x40 | PING, "")], 1002).await;
}

#[tokio::test]
async fn section_5_2_reserved_opcodes_fail_the_connection() {
    fail([3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map(|opcode| frame(FIN | opcode, "")), 1002).await;
}

#[tokio::test]
async fn section_5_2_lengths_are_minimal_and_below_two_to_the_63() {
    fail(
        [
            b"\x82\xfe\x00\x7d".to_vec(),
            b"\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff".to_vec(),
            b"\x82\xff\x80\x00\x00\x00\x00\x01\x00\x00".to_vec(),
        ]
        .map(|header| [&header[..], &MASK].concat()),
        1002,
    )
    .await;
}

#[tokio::test]
async fn section_5_2_each_form_of_a_length_is_read_and_written() {
    let gateway = InProcess::echo().start().await;
    let mut client = Raw::connect(&gateway).await;
    for length in [0, 1, 125, 126, 127, 0xffff, 0x1_0000, 0x1_0001] {
        let text = "x".repeat(length);
        client.send(frame(FIN | TEXT, &text)).await;
        client.receives(FIN | TEXT, &text).await;
    }
}

#[tokio::test]
async fn section_5_3_each_frame_has_its_own_mask() {
    let gateway = InProcess::echo().start().await;
    let mut client = Raw::connect(&gateway).await;
    for mask in [[0; 4], [0xff; 4], [1, 2, 3, 4]] {
        let text = "unmasked where it is, in words of eight bytes";
        let header = [FIN | TEXT, 0x80 | u8::try_from(text.len()).expect("short")];
        client.send([&header[..], &mask, &masked(text.as_bytes(), mask)].concat()).await;
        client.receives(FIN | TEXT, text).await;
    }
}

#[tokio::test]
async fn section_5_4_fragments_are_one_message_and_control_frames_come_in_between() {
    let gateway = InProcess::echo().start().await;
    let mut client = Raw::connect(&gateway).await;
    let fragments = [
        frame(TEXT, "one "),
        frame(FIN | PING, "between"),
        frame(CONTINUATION, ""),
        frame(FIN | PONG, "unasked"),
        frame(CONTINUATION, "two "),
        frame(FIN | CONTINUATION, "three"),
    ];
    client.send(fragments.concat()).await;
    client.receives(FIN | PONG, "between").await;
    client.receives(FIN | TEXT, "one two three").await;
    client.send([frame(BINARY, [1, 2]), frame(FIN | CONTINUATION, [3])].concat()).await;
    client.receives(FIN | BINARY, [1, 2, 3]).await;
    client.send([frame(TEXT, ""), frame(FIN | CONTINUATION, "")].concat()).await;
    client.receives(FIN | TEXT, "").await;
    assert_eq!(gateway.events("transfer").len(), 3);
}

#[tokio::test]
async fn section_5_4_a_stream_may_be_cut_anywhere() {
    let gateway = InProcess::echo().start().await;
    let mut client = Raw::connect(&gateway).await;
    client.stream.set_nodelay(true).expect("an option");
    let stream = [frame(TEXT, "ü"), frame(FIN | PING, "between"), frame(FIN | CONTINUATION, "€")].concat();
    for byte in stream {
        client.send([byte]).await;
        tokio::task::yield_now().await;
    }
    client.receives(FIN | PONG, "between").await;
    client.receives(FIN | TEXT, "ü€").await;
}

#[tokio::test]
async fn section_5_4_messages_neither_begin_in_the_middle_nor_within_another() {
    fail(
        [
            frame(FIN | CONTINUATION, "x"),
            frame(CONTINUATION, "x"),
            [frame(TEXT, "x"), frame(FIN | TEXT, "y")].concat(),
            [frame(TEXT, "x"), frame(BINARY, "y")].concat(),
        ],
        1002,
    )
    .await;
}

#[tokio::test]
async fn section_5_5_control_frames_are_short_and_whole() {
    fail(
        [
            frame(FIN | PING, [0; 126]),
            frame(FIN | PONG, [0; 126]),
            frame(FIN | CLOSE, [3; 126]),
            frame(PING, "x"),
            frame(PONG, "x"),
            frame(CLOSE, [3, 232]),
        ],
        1002,
    )
    .await;
}

#[tokio::test]
async fn section_5_5_1_a_close_frame_is_answered_and_the_connection_ends() {
    let gateway = InProcess::echo().start().await;
    let mut without_code = Raw::connect(&gateway).await;
    without_code.send(frame(FIN | CLOSE, "")).await;
    without_code.receives(FIN | CLOSE, "").await;
    without_code.ended().await;
    let mut with_reason = Raw::connect(&gateway).await;
    with_reason.send(close(3001, "auf Wiedersehen, ü€😀".as_bytes())).await;
    with_reason.closed_with(3001).await;
    let mut longest = Raw::connect(&gateway).await;
    longest.send(close(1001, &[b'x'; 123])).await;
    longest.closed_with(1001).await;
    fail([frame(FIN | CLOSE, [3])], 1002).await;
}

#[tokio::test]
async fn section_5_5_1_within_a_message_a_close_frame_ends_it_unfinished() {
    let gateway = InProcess::echo().start().await;
    let mut client = Raw::connect(&gateway).await;
    client.send([frame(TEXT, "begun"), close(1000, b"")].concat()).await;
    client.closed_with(1000).await;
    gateway.wait_for_events("cleanup", 1).await;
    assert!(gateway.events("transfer").is_empty());
}

#[tokio::test]
async fn section_5_5_2_each_ping_is_answered_with_its_payload() {
    let gateway = InProcess::echo().start().await;
    let mut client = Raw::connect(&gateway).await;
    let payloads = [vec![], vec![0, 255, 254], vec![b'x'; 125]];
    client.send(payloads.iter().flat_map(|payload| frame(FIN | PING, payload)).collect::<Vec<_>>()).await;
    for payload in payloads {
        client.receives(FIN | PONG, payload).await;
    }
}

#[tokio::test]
async fn section_5_5_3_of_several_pings_only_the_last_needs_an_answer_and_what_follows_them_is_read() {
    let gateway =
        InProcess::echo().clients(|clients| clients.limits.send_queue_bytes = 100_000_000).start().await;
    let mut client = Raw::connect(&gateway).await;
    let id = gateway.events("register")[0]["websocket"]["secConnectionID"].clone();
    let data = "x".repeat(1 << 20);
    let push = json!({"action": "data send", "secConnectionID": id, "dataType": "text", "data": data});
    // More than the operating system's buffers hold, so that no answer can be written.
    for _ in 0..20 {
        assert_eq!(gateway.push_json(push.clone()).await.err_no(), 0);
    }
    let pings = (0_u8..100).flat_map(|number| frame(FIN | PING, [number]));
    client.send(pings.chain(frame(FIN | TEXT, "drop it")).collect::<Vec<_>>()).await;
    gateway.wait_for_events("transfer", 1).await;
    let mut answers = Vec::new();
    while answers.last() != Some(&99) {
        let (first, payload) = client.next().await;
        if first == FIN | PONG {
            answers.extend(payload);
        }
    }
    assert!(answers.is_sorted(), "{answers:?}");
}

#[tokio::test]
async fn section_5_5_3_a_pong_that_was_not_asked_for_has_no_answer() {
    let gateway = InProcess::echo().start().await;
    let mut client = Raw::connect(&gateway).await;
    client.send([frame(FIN | PONG, "unasked"), frame(FIN | TEXT, "next")].concat()).await;
    client.receives(FIN | TEXT, "next").await;
}

#[tokio::test]
async fn section_7_1_7_nothing_is_processed_once_the_connection_has_failed() {
    let gateway = InProcess::echo().start().await;
    let mut client = Raw::connect(&gateway).await;
    client.send([frame(FIN | 3, ""), frame(FIN | TEXT, "late"), frame(FIN | PING, "late")].concat()).await;
    client.closed_with(1002).await;
    // What came before is.
    let mut client = Raw::connect(&gateway).await;
    client.send([frame(FIN | TEXT, "drop it"), frame(FIN | 3, "")].concat()).await;
    client.closed_with(1002).await;
    gateway.wait_for_events("cleanup", 2).await;
    assert_eq!(gateway.events("transfer").len(), 1);
}

#[tokio::test]
async fn section_7_4_codes_that_are_never_sent_or_not_registered_fail_the_connection() {
    let codes = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535];
    fail(codes.map(|code| close(code, b"")), 1002).await;
    let gateway = InProcess::echo().start().await;
    for code in
        [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
    {
        let mut client = Raw::connect(&gateway).await;
        client.send(close(code, b"")).await;
        client.closed_with(code).await;
    }
}

#[tokio::test]
async fn section_8_1_a_character_may_be_split_between_fragments() {
    let gateway = InProcess::echo().start().await;
    let mut client = Raw::connect(&gateway).await;
    let text = "aü€😀";
    for cut in 0..=text.len() {
        let (left, right) = text.as_bytes().split_at(cut);
        client.send([frame(TEXT, left), frame(FIN | CONTINUATION, right)].concat()).await;
        client.receives(FIN | TEXT, text).await;
    }
}

#[tokio::test]
async fn section_8_1_text_that_is_not_utf_8_fails_the_connection_as_soon_as_it_shows() {
    let euro = "€".as_bytes();
    fail(
        [
            frame(FIN | TEXT, b"\xff"),
            // An overlong form, a surrogate, beyond the last character.
            frame(FIN | TEXT, b"\xc0\xaf"),
            frame(FIN | TEXT, b"\xed\xa0\x80"),
            frame(FIN | TEXT, b"\xf4\x90\x80\x80"),
            frame(FIN | TEXT, &euro[..2]),
            [frame(TEXT, &euro[..1]), frame(FIN | CONTINUATION, "x")].concat(),
            [frame(TEXT, &euro[..1]), frame(FIN | CONTINUATION, &euro[1..2])].concat(),
            // The message is not over.
            frame(TEXT, b"\xff"),
            // Nor is the frame.
            frame(TEXT, [&[0xff][..], &[b'x'; 50]].concat())[..20].to_vec(),
        ],
        1007,
    )
    .await;
    let gateway = InProcess::echo().start().await;
    let mut client = Raw::connect(&gateway).await;
    client.send(frame(FIN | BINARY, b"\xff")).await;
    client.receives(FIN | BINARY, b"\xff").await;
}

#[tokio::test]
async fn section_8_1_the_reason_of_a_close_frame_is_utf_8_too() {
    fail([close(1000, b"\xff"), close(1000, &"€".as_bytes()[..2])], 1007).await;
    let gateway = InProcess::echo().start().await;
    let mut client = Raw::connect(&gateway).await;
    client.send(close(1000, b"\xff")).await;
    let text = [&1007_u16.to_be_bytes()[..], b"the reason of a close frame is not UTF-8"].concat();
    client.receives(FIN | CLOSE, text).await;
}

#[tokio::test]
async fn section_10_4_a_message_is_limited_in_one_frame_or_in_many() {
    let limit = 6 << 20;
    let half = vec![b'x'; limit / 2];
    fail(
        [
            // Nothing of it has to arrive.
            [&[FIN | BINARY, 0xff][..], &(limit as u64 + 1).to_be_bytes(), &MASK].concat(),
            [&[FIN | BINARY, 0xff][..], &(u64::MAX >> 1).to_be_bytes(), &MASK].concat(),
            [frame(BINARY, &half), frame(CONTINUATION, &half), frame(CONTINUATION, "x")].concat(),
        ],
        1009,
    )
    .await;
}
