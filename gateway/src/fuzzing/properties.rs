//! Streams of frames as clients send them, and broken ones.

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;

/// A frame: its first byte, its payload, its mask.
type Sketch = (u8, Vec<u8>, [u8; 4]);

fn written((first, payload, mask): &Sketch) -> Vec<u8> {
    let mut bytes = vec![*first];
    match payload.len() {
        len @ ..126 => bytes.push(0x80 | u8::try_from(len).expect("short")),
        len => {
            bytes.push(0xfe);
            bytes.extend(u16::try_from(len).expect("medium").to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

fn stream(frames: &[Sketch]) -> Vec<u8> {
    frames.iter().flat_map(written).collect()
}

fn control() -> impl Strategy<Value = Sketch> {
    (prop_oneof![Just(0x89), Just(0x8a)], vec(any::<u8>(), 0..=125), any::<[u8; 4]>())
}

/// A message in one to five fragments, with control frames in between, and what it comes to.
fn message() -> impl Strategy<Value = (Vec<Sketch>, Vec<Message<'static>>)> {
    let payload = prop_oneof![
        "\\PC{0,200}".prop_map(|text| (1, text.into_bytes())),
        vec(any::<u8>(), 0..400).prop_map(|bytes| (2, bytes)),
    ];
    let fragments = vec((any::<Index>(), any::<[u8; 4]>(), vec(control(), 0..2)), 0..5);
    (payload, fragments, any::<[u8; 4]>()).prop_map(|((opcode, payload), fragments, mask)| {
        let mut cuts: Vec<_> = fragments
            .into_iter()
            .map(|(at, mask, controls)| (at.index(payload.len() + 1), mask, controls))
            .collect();
        cuts.sort_by_key(|cut| cut.0);
        let (mut frames, mut messages, mut begin) = (Vec::new(), Vec::new(), 0);
        let mut next = opcode;
        for (end, mask, controls) in cuts {
            frames.push((next, payload[begin..end].to_vec(), mask));
            messages.extend(controls.iter().map(|(first, payload, _)| {
                let payload = payload.clone().into();
                if *first == 0x89 { Message::Ping(payload) } else { Message::Pong(payload) }
            }));
            frames.extend(controls);
            (begin, next) = (end, 0);
        }
        frames.push((0x80 | next, payload[begin..].to_vec(), mask));
        messages.push(match String::from_utf8(payload) {
            Ok(text) if opcode == 1 => Message::Text(text.into()),
            Ok(text) => Message::Binary(text.into_bytes().into()),
            Err(error) => Message::Binary(error.into_bytes().into()),
        });
        (frames, messages)
    })
}

proptest! {
    #[test]
    fn a_sound_stream_yields_its_messages_wherever_it_is_cut(
        messages in vec(message(), 0..6),
        part_bytes in 1_usize..300,
    ) {
        let (frames, expected): (Vec<_>, Vec<_>) = messages.into_iter().unzip();
        let stream = stream(&frames.concat());
        prop_assert_eq!(decode(&stream, part_bytes, false), (expected.concat(), None));
    }

    #[test]
    fn a_broken_stream_is_to_another_implementation_the_same(
        messages in vec(message(), 0..6),
        changes in vec((any::<Index>(), any::<u8>()), 0..4),
        end in any::<Index>(),
        part_bytes in any::<u8>(),
    ) {
        let frames: Vec<_> = messages.into_iter().flat_map(|(frames, _)| frames).collect();
        let mut stream = stream(&frames);
        for (at, byte) in changes {
            if !stream.is_empty() {
                let at = at.index(stream.len());
                stream[at] = byte;
            }
        }
        stream.truncate(end.index(stream.len() + 1));
        super::frames(&[&[part_bytes][..], &stream].concat());
    }

    #[test]
    fn frames_of_any_kind_are_to_another_implementation_the_same(
        frames in vec((any::<u8>(), vec(any::<u8>(), 0..130), any::<[u8; 4]>()), 0..6),
        part_bytes in any::<u8>(),
    ) {
        super::frames(&[&[part_bytes][..], &stream(&frames)].concat());
    }
}

proptest! {
    /// Messages that are compressed, and such as only say so.
    #[test]
    fn a_compressed_message_is_the_same_wherever_it_is_cut(
        payload in prop_oneof!["[a-c]{0,2000}".prop_map(String::into_bytes), vec(any::<u8>(), 0..600)],
        change in any::<(Index, u8)>(),
        is_changed in any::<bool>(),
        cut in any::<Index>(),
        part_bytes in any::<u8>(),
    ) {
        let agreed = negotiate("permessage-deflate").expect("accepted");
        let mut compressed = compress(&payload, 6, agreed).map_or_else(|| vec![0], Vec::from);
        let sound = inflate(&compressed, LIMIT_BYTES, |_| true);
        prop_assert!(compressed == [0] || sound == Ok(payload));
        if is_changed {
            let at = change.0.index(compressed.len());
            compressed[at] = change.1;
        }
        let (begin, end) = compressed.split_at(cut.index(compressed.len() + 1));
        let frames = [(0x41, begin.to_vec(), [1, 2, 3, 4]), (0x80, end.to_vec(), [5, 6, 7, 8])];
        super::frames(&[&[part_bytes][..], &stream(&frames)].concat());
    }
}

/// Shorter than what proptest would need to find them.
#[test]
fn the_corners_are_to_another_implementation_the_same() {
    let mask = [1, 2, 3, 4];
    for frames in [
        vec![(0x88, vec![3], mask)],
        vec![(0x88, vec![3, 232], mask)],
        vec![(0x88, vec![3, 232, 0xff], mask)],
        vec![(0x88, vec![3, 237], mask)],
        vec![(0x88, vec![3, 0xf6], mask)],
        vec![(0x88, vec![0, 0], mask)],
        vec![(0x89, vec![0; 126], mask)],
        vec![(0x09, vec![], mask)],
        vec![(0x81, "x€".as_bytes()[..3].to_vec(), mask)],
        vec![(0x01, "€".as_bytes()[..1].to_vec(), mask), (0x80, "€".as_bytes()[1..].to_vec(), mask)],
        vec![(0x01, vec![], mask), (0x81, vec![], mask)],
        vec![(0x80, vec![], mask)],
        vec![(0x02, vec![0; 60_000], mask), (0x80, vec![0; 10_001], mask)],
        vec![(0x02, vec![0; 60_000], mask), (0x80, vec![0; 10_000], mask)],
    ] {
        for part_bytes in [1, 3, 255] {
            super::frames(&[&[part_bytes][..], &stream(&frames)].concat());
        }
    }
    // What no sketch can say: a length that is longer than it needs to be, within a control frame too.
    for stream in
        [&b"\x88\xff\0\0\0\0\0\0\0\0\0\0\0\0"[..], b"\x89\xfe\0\x7d\0\0\0\0", b"\x82\xfe\0\x7d\0\0\0\0"]
    {
        super::frames(&[&[1][..], stream].concat());
    }
}
