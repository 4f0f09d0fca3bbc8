//! Frames on their way to the client.

use std::io::IoSlice;

use bytes::{BufMut as _, Bytes, BytesMut};

use super::header::{Opcode, OwnHeader};
use crate::contract::Frame;

/// A frame to be sent. Clients that receive the same share its payload.
#[derive(Debug)]
pub(crate) struct OutgoingFrame {
    header: OwnHeader,
    /// The bytes of a data frame's payload, before they were compressed.
    data_bytes: Option<usize>,
    is_compressed: bool,
    payload: Bytes,
}

impl OutgoingFrame {
    pub(crate) fn data(frame: Frame) -> Self {
        let data_bytes = Some(frame.len());
        Self { data_bytes, ..Self::new(opcode_of(&frame), frame.into_payload()) }
    }

    /// A frame that is sent as this compressed form of its payload.
    pub(crate) fn compressed(frame: &Frame, payload: Bytes) -> Self {
        let header = OwnHeader::new(opcode_of(frame), true, payload.len());
        Self { header, data_bytes: Some(frame.len()), is_compressed: true, payload }
    }

    pub(crate) fn ping() -> Self {
        Self::new(Opcode::Ping, Bytes::new())
    }

    /// The answer to a ping with this payload.
    pub(crate) fn pong(payload: Bytes) -> Self {
        Self::new(Opcode::Pong, payload)
    }

    /// A close frame with this code and text, of which at most 123 bytes fit.
    pub(crate) fn close(code: u16, text: &str) -> Self {
        let mut payload = BytesMut::with_capacity(2 + text.len());
        payload.put_u16(code);
        payload.put_slice(text.as_bytes());
        Self::new(Opcode::Close, payload.freeze())
    }

    /// A close frame that has no code.
    pub(crate) fn close_without_code() -> Self {
        Self::new(Opcode::Close, Bytes::new())
    }

    fn new(opcode: Opcode, payload: Bytes) -> Self {
        let header = OwnHeader::new(opcode, false, payload.len());
        Self { header, data_bytes: None, is_compressed: false, payload }
    }

    /// The bytes of the payload of a data frame, before they were compressed.
    pub(crate) fn data_bytes(&self) -> Option<usize> {
        self.data_bytes
    }

    /// The bytes of a payload that is compressed.
    pub(crate) fn compressed_bytes(&self) -> Option<usize> {
        self.is_compressed.then_some(self.payload.len())
    }

    /// All its bytes, with the header.
    pub(crate) fn len(&self) -> usize {
        self.header.as_bytes().len() + self.payload.len()
    }

    /// Its bytes but the first ones, which have been written: what is left of the header, and of the payload.
    pub(crate) fn slices(&self, written: usize) -> [IoSlice<'_>; 2] {
        let header = self.header.as_bytes();
        let (of_header, of_payload) = (written.min(header.len()), written.saturating_sub(header.len()));
        [IoSlice::new(&header[of_header..]), IoSlice::new(&self.payload[of_payload..])]
    }
}

fn opcode_of(frame: &Frame) -> Opcode {
    if frame.as_text().is_some() { Opcode::Text } else { Opcode::Binary }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(frame: &OutgoingFrame, written: usize) -> Vec<u8> {
        frame.slices(written).iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn the_rest_of_a_frame_is_what_was_not_written() {
        let frame = OutgoingFrame::data(Frame::text("hello"));
        let whole = b"\x81\x05hello";
        assert_eq!(frame.len(), whole.len());
        for written in 0..=whole.len() {
            assert_eq!(bytes(&frame, written), whole[written..], "after {written}");
        }
    }

    #[test]
    fn frames_have_their_opcode_and_a_close_its_code() {
        assert_eq!(bytes(&OutgoingFrame::data(Frame::binary("x")), 0), b"\x82\x01x");
        assert_eq!(bytes(&OutgoingFrame::ping(), 0), b"\x89\x00");
        assert_eq!(bytes(&OutgoingFrame::pong("x".into()), 0), b"\x8a\x01x");
        assert_eq!(bytes(&OutgoingFrame::close(1000, "bye"), 0), b"\x88\x05\x03\xe8bye");
        assert_eq!(bytes(&OutgoingFrame::close_without_code(), 0), b"\x88\x00");
    }
}
