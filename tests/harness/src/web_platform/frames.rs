//! The frames of one direction of a WebSocket, as bytes pass by.

/// A frame that has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Passed {
    /// A whole message of so many bytes.
    Message(u64),
    /// A close frame, with its code if it has one.
    Close(Option<u16>),
    Control,
}

/// Finds frames in bytes that come in any pieces.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: Vec<u8>,
    current: Option<Current>,
    /// Of the message whose last frame has not passed.
    message_bytes: u64,
}

#[derive(Debug)]
struct Current {
    is_last: bool,
    opcode: u8,
    mask: Option<[u8; 4]>,
    bytes: u64,
    left: u64,
    /// The first two bytes of the payload: a close frame's code.
    first: Vec<u8>,
}

impl Frames {
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Vec<Passed> {
        let mut passed = Vec::new();
        loop {
            if let Some(current) = &mut self.current {
                let taken = usize::try_from(current.left).unwrap_or(usize::MAX).min(bytes.len());
                let (payload, rest) = bytes.split_at(taken);
                let wanted = 2_usize.saturating_sub(current.first.len()).min(payload.len());
                current.first.extend_from_slice(&payload[..wanted]);
                current.left -= taken as u64;
                bytes = rest;
                if current.left > 0 {
                    return passed;
                }
                passed.extend(self.current.take().and_then(|frame| self.finish(&frame)));
            }
            let Some((first, rest)) = bytes.split_first() else { return passed };
            self.head.push(*first);
            bytes = rest;
            self.current = header(&self.head);
            if self.current.is_some() {
                self.head.clear();
            }
        }
    }

    fn finish(&mut self, frame: &Current) -> Option<Passed> {
        match frame.opcode {
            8 => Some(Passed::Close(frame.code())),
            9 | 10 => Some(Passed::Control),
            _ => {
                self.message_bytes += frame.bytes;
                frame.is_last.then(|| Passed::Message(std::mem::take(&mut self.message_bytes)))
            }
        }
    }
}

impl Current {
    fn code(&self) -> Option<u16> {
        let mask = self.mask.unwrap_or_default();
        let [high, low] = self.first.as_slice() else { return None };
        Some(u16::from_be_bytes([high ^ mask[0], low ^ mask[1]]))
    }
}

/// The header, once all of it is there.
fn header(head: &[u8]) -> Option<Current> {
    let [flags, length, rest @ ..] = head else { return None };
    let extended = match length & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mask = if length & 0x80 == 0 { 0 } else { 4 };
    if rest.len() < extended + mask {
        return None;
    }
    let bytes = match extended {
        0 => u64::from(length & 0x7f),
        _ => rest[..extended].iter().fold(0, |bytes, byte| bytes << 8 | u64::from(*byte)),
    };
    let mask = (mask > 0).then(|| rest[extended..].try_into().expect("four bytes"));
    Some(Current {
        is_last: flags & 0x80 != 0,
        opcode: flags & 0xf,
        mask,
        bytes,
        left: bytes,
        first: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_however_the_bytes_come() {
        let mut bytes = vec![0x01, 3];
        bytes.extend(b"abc");
        bytes.extend([0x89, 0]);
        bytes.extend([0x80, 126, 1, 0]);
        bytes.extend([0; 256]);
        bytes.extend([0x88, 0x82, 1, 2, 3, 4, 0x03 ^ 1, 0xe8 ^ 2]);
        bytes.extend([0x88, 0]);
        let expected =
            [Passed::Control, Passed::Message(259), Passed::Close(Some(1000)), Passed::Close(None)];
        for piece in [1, 2, 7, 1000] {
            let mut frames = Frames::default();
            let passed: Vec<_> = bytes.chunks(piece).flat_map(|piece| frames.feed(piece)).collect();
            assert_eq!(passed, expected, "in pieces of {piece}");
        }
    }
}
