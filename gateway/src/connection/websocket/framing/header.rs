//! The header of a frame (RFC 6455, section 5.2).

use super::violation::{Breach, Violation};

/// Two bytes, eight of length, four of mask.
pub(super) const MAX_HEADER_BYTES: usize = 14;
/// A server's frame has no mask.
const MAX_OWN_HEADER_BYTES: usize = 10;
const MAX_CONTROL_BYTES: u64 = 125;
const FIN: u8 = 0x80;
/// The first reserved bit; of a message's first frame it says that the message is compressed.
const COMPRESSED: u8 = 0x40;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

/// The kind of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

impl TryFrom<u8> for Opcode {
    type Error = Breach;

    fn try_from(opcode: u8) -> Result<Self, Breach> {
        Ok(match opcode {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            reserved => return Err(Breach::ReservedOpcode(reserved)),
        })
    }
}

/// The header of a client's frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) fin: bool,
    pub(super) is_compressed: bool,
    pub(super) opcode: Opcode,
    pub(super) mask: [u8; 4],
    pub(super) payload_bytes: u64,
}

impl Header {
    /// The header at the beginning of these bytes, and its own length; `None` as long as bytes are missing. What the
    /// first two bytes show to be wrong is an error at once. Whether messages may be compressed was agreed.
    pub(super) fn parse(bytes: &[u8], may_compress: bool) -> Result<Option<(Self, usize)>, Violation> {
        let &[first, second, ..] = bytes else { return Ok(None) };
        let opcode = Opcode::try_from(first & 0x0f)?;
        let is_compressed = match first & RESERVED {
            0 => false,
            COMPRESSED if may_compress && matches!(opcode, Opcode::Text | Opcode::Binary) => true,
            _ => return Err(Breach::ReservedBits.into()),
        };
        if second & MASKED == 0 {
            return Err(Breach::Unmasked.into());
        }
        let fin = first & FIN != 0;
        let short = second & !MASKED;
        if opcode.is_control() && !fin {
            return Err(Breach::FragmentedControlFrame.into());
        }
        let Some((payload_bytes, length_bytes)) = length(short, &bytes[2..])? else { return Ok(None) };
        if opcode.is_control() && payload_bytes > MAX_CONTROL_BYTES {
            return Err(Breach::LongControlFrame.into());
        }
        let Some(&mask) = bytes[2 + length_bytes..].first_chunk() else { return Ok(None) };
        let header = Self { fin, is_compressed, opcode, mask, payload_bytes };
        Ok(Some((header, 2 + length_bytes + mask.len())))
    }
}

/// The length of the payload, and how many bytes it takes beyond the short one.
fn length(short: u8, bytes: &[u8]) -> Result<Option<(u64, usize)>, Breach> {
    let (length, length_bytes, shortest) = match short {
        126 => {
            let Some(&length) = bytes.first_chunk() else { return Ok(None) };
            (u64::from(u16::from_be_bytes(length)), 2, 126)
        }
        127 => {
            let Some(&length) = bytes.first_chunk() else { return Ok(None) };
            (u64::from_be_bytes(length), 8, 1 << 16)
        }
        _ => (u64::from(short), 0, 0),
    };
    if length >> 63 != 0 {
        return Err(Breach::LengthTopBit);
    }
    if length < shortest {
        return Err(Breach::LengthNotMinimal);
    }
    Ok(Some((length, length_bytes)))
}

/// The header of a frame of the server's own: final, and without a mask.
#[derive(Debug, Clone, Copy)]
pub(super) struct OwnHeader {
    bytes: [u8; MAX_OWN_HEADER_BYTES],
    len: u8,
}

impl OwnHeader {
    pub(super) fn new(opcode: Opcode, is_compressed: bool, payload_bytes: usize) -> Self {
        let mut bytes = [0; MAX_OWN_HEADER_BYTES];
        bytes[0] = FIN | if is_compressed { COMPRESSED } else { 0 } | opcode as u8;
        let len = if let Ok(short) = u8::try_from(payload_bytes)
            && u64::from(short) <= MAX_CONTROL_BYTES
        {
            bytes[1] = short;
            2
        } else if let Ok(medium) = u16::try_from(payload_bytes) {
            bytes[1] = 126;
            bytes[2..4].copy_from_slice(&medium.to_be_bytes());
            4
        } else {
            bytes[1] = 127;
            bytes[2..].copy_from_slice(&(payload_bytes as u64).to_be_bytes());
            10
        };
        Self { bytes, len }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_once_it_is_complete() {
        for (length, header) in [
            (125, &[0x82, 0xfd, 1, 2, 3, 4][..]),
            (126, &[0x82, 0xfe, 0, 126, 1, 2, 3, 4]),
            (65_536, &[0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4]),
        ] {
            for cut in 0..header.len() {
                assert_eq!(Header::parse(&header[..cut], false), Ok(None), "{cut} of {header:?}");
            }
            let expected = Header {
                fin: true,
                is_compressed: false,
                opcode: Opcode::Binary,
                mask: [1, 2, 3, 4],
                payload_bytes: length,
            };
            let with_payload = [header, b"payload"].concat();
            assert_eq!(Header::parse(&with_payload, false), Ok(Some((expected, header.len()))));
        }
    }

    #[test]
    fn only_the_first_frame_of_a_message_is_marked_as_compressed_and_only_if_that_was_agreed() {
        for opcode in [0, 1, 2, 8, 9, 10] {
            for reserved in 1..8 {
                let header = [0x80 | reserved << 4 | opcode, 0x80, 0, 0, 0, 0];
                let is_allowed = reserved == 4 && matches!(opcode, 1 | 2);
                let parsed = Header::parse(&header, true);
                assert_eq!(parsed.is_ok(), is_allowed, "{header:x?}");
                assert_eq!(Header::parse(&header[..2], true).is_ok(), is_allowed, "at once");
                assert_eq!(Header::parse(&header, false), Err(Breach::ReservedBits.into()));
            }
        }
    }

    #[test]
    fn lengths_are_minimal_and_below_two_to_the_63() {
        for (header, breach) in [
            (&[0x82, 0xfe, 0, 125][..], Breach::LengthNotMinimal),
            (&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], Breach::LengthNotMinimal),
            (&[0x82, 0xff, 0x80, 0, 0, 0, 0, 1, 0, 0], Breach::LengthTopBit),
        ] {
            assert_eq!(Header::parse(header, false), Err(breach.into()));
        }
    }

    #[test]
    fn an_own_header_is_as_short_as_possible() {
        for (payload_bytes, header) in [
            (0, &[0x81, 0][..]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (65_535, &[0x81, 126, 0xff, 0xff]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            assert_eq!(OwnHeader::new(Opcode::Text, false, payload_bytes).as_bytes(), header);
        }
    }
}
