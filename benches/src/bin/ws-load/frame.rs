//! Frames of RFC 6455: a client's are masked, a server's are not.

pub const TEXT: u8 = 1;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// Any key will do: nothing here is between the client and the server.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
/// Set where the payload is compressed.
const RSV1: u8 = 0x40;

/// A whole frame of a client.
pub fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![FIN | opcode];
    // The shortest form, as the protocol demands.
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ 0..126), _) => frame.push(MASKED | length),
        (_, Ok(length)) => {
            frame.push(MASKED + 126);
            frame.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            frame.push(MASKED + 127);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A whole frame of a server at the start of some bytes.
pub struct Frame<'b> {
    pub opcode: u8,
    pub is_compressed: bool,
    pub payload: &'b [u8],
    /// Of the frame with its header.
    pub length: usize,
}

/// `None`: the frame is not whole yet. An error: what the server sends is no frame that the bench expects.
pub fn parse(bytes: &[u8]) -> Result<Option<Frame<'_>>, &'static str> {
    let [first, second, ..] = bytes else { return Ok(None) };
    if first & 0xf0 & !RSV1 != FIN || second & 0x80 != 0 {
        return Err("the server sent a fragmented or masked frame");
    }
    let (header, length): (usize, _) = match second {
        126 => match bytes.get(2..4) {
            Some(length) => (4, usize::from(length[0]) << 8 | usize::from(length[1])),
            None => return Ok(None),
        },
        127 => match bytes.get(2..10) {
            Some(length) => (10, length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))),
            None => return Ok(None),
        },
        length => (2, usize::from(*length)),
    };
    let end = header.checked_add(length).ok_or("the server sent a frame of an impossible length")?;
    let payload = bytes.get(header..end);
    Ok(payload.map(|payload| Frame {
        opcode: first & 0x0f,
        is_compressed: first & RSV1 != 0,
        payload,
        length: end,
    }))
}
