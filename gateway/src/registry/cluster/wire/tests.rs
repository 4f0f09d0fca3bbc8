use super::*;

const NODE: NodeId = NodeId::from_bytes([1, 2, 3, 4, 5, 6]);

fn message(records: &[Vec<u8>]) -> Bytes {
    [header(NODE), records.concat()].concat().into()
}

fn each_record() -> (Vec<Vec<u8>>, Vec<WireRecord>) {
    let unreachable = DeliveryError::Unreachable("its node could not deliver to it".to_owned());
    let results = vec![Ok(()), Err(DeliveryError::NotFound), Err(DeliveryError::TooSlow), Err(unreachable)];
    let info = ConnectionInfo {
        path: "/chat".into(),
        source_ip: "2001:db8::1".parse().expect("an address"),
        connected_at_ms: 1,
        last_active_at_ms: u64::MAX,
        waiting_bytes: 3,
        attributes: None,
        traffic: None,
    };
    let attributes = [("user".to_owned(), "ann".to_owned())].into();
    let known = ConnectionInfo { attributes: Some(Arc::new(attributes)), ..info.clone() };
    let deliveries = [
        Delivery::Frame(Frame::text("ä")),
        Delivery::Frame(Frame::binary(vec![0, 255])),
        Delivery::Frame(Frame::text("")),
        Delivery::Close(Close::default()),
        Delivery::Close(Close { code: 4001, reason: "kicked".into(), cleanup: true }),
    ];
    let mut encoded = Vec::new();
    let mut records = Vec::new();
    for (number, delivery) in (0..).zip(deliveries) {
        let suffixes = vec![[u8::MAX; 10], [7; 10]];
        encoded.push(deliver_record(number, u64::MAX - number, &suffixes, &delivery));
        records.push(WireRecord::Request(
            number,
            u64::MAX - number,
            OwnerRequest::Deliver(suffixes, delivery),
        ));
    }
    encoded.push(look_up_record(5, 6, &[1; 10]));
    records.push(WireRecord::Request(5, 6, OwnerRequest::LookUp([1; 10])));
    let delivered = [results, Vec::new()].map(OwnerAnswer::Delivered);
    for answer in delivered.into_iter().chain([info, known].map(OwnerAnswer::Found)) {
        encoded.push(answer_record(u64::MAX, &answer));
        records.push(WireRecord::Answer(u64::MAX, answer));
    }
    encoded.extend([probe_record(9), confirm_record(10)]);
    records.extend([WireRecord::Probe(9), WireRecord::Confirm(10)]);
    (encoded, records)
}

#[test]
fn what_is_written_is_read() {
    let (encoded, records) = each_record();
    assert_eq!(decode(message(&encoded)), Ok(WireMessage::Records(NODE, records)));
    assert_eq!(decode(message(&[])), Ok(WireMessage::Records(NODE, Vec::new())));
}

#[test]
fn another_version_is_not_misread() {
    let mut newer = message(&each_record().0).to_vec();
    newer[0] = 3;
    assert_eq!(decode(newer.into()), Ok(WireMessage::OtherVersion(NODE, 3)));
    assert_eq!(decode(refusal(NODE).into()), Ok(WireMessage::Refusal(NODE, VERSION)));
}

#[test]
fn a_kind_of_record_that_is_unknown_is_passed_over() {
    let unknown = vec![99, 0, 0, 0, 2, 1, 1];
    let read = decode(message(&[unknown, probe_record(1)]));
    assert_eq!(read, Ok(WireMessage::Records(NODE, vec![WireRecord::Probe(1)])));
}

#[test]
fn no_part_of_a_message_and_no_wrong_byte_ends_the_program() {
    let whole = message(&each_record().0);
    for end in 0..whole.len() {
        let _ = decode(whole.slice(..end));
    }
    for index in 0..whole.len() {
        for byte in [0, 1, 2, 3, 127, 128, 255] {
            let mut changed = whole.to_vec();
            changed[index] = byte;
            let _ = decode(changed.into());
        }
    }
    assert_eq!(decode(Bytes::new()), Err(MalformedMessage));
    assert_eq!(decode(whole.slice(..whole.len() - 1)), Err(MalformedMessage));
}
