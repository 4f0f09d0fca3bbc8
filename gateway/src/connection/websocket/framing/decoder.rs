//! From received bytes to messages.

use std::{borrow::Cow, mem};

use super::{
    header::{Header, MAX_HEADER_BYTES, Opcode},
    mask,
    message::Message,
    text::GrowingText,
    violation::{Breach, Violation},
};

/// After so many frames the decoder stops: a message may be in any number of them.
const FRAMES_AT_ONCE: u16 = 64;
/// Room is made for so many times what a message has, if its frame announces as much: a client takes memory by sending,
/// not by announcing, and a large message is moved once or twice.
const GROWTH: usize = 16;

/// Reads the frames of one client. Between two frames that are each received whole it holds no memory beyond its own
/// size.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// For the payload of a message, and so for that of each of its frames.
    limit_bytes: usize,
    may_compress: bool,
    /// The beginning of a header.
    begun: [u8; MAX_HEADER_BYTES],
    begun_len: u8,
    frame: Option<PartialFrame>,
    /// What has arrived of a control frame.
    control: Box<[u8]>,
    /// What has arrived of a message.
    message: Option<Box<Partial>>,
    /// Frames that were complete since they were last taken, and those of them that did not complete a message.
    frames: u16,
    fragments: u16,
}

/// A frame of which only a part has arrived.
#[derive(Debug)]
struct PartialFrame {
    fin: bool,
    is_compressed: bool,
    opcode: Opcode,
    mask: [u8; 4],
    payload_bytes: usize,
    received_bytes: usize,
}

#[derive(Debug)]
enum Partial {
    Text(GrowingText),
    Binary(Vec<u8>),
    Compressed { is_text: bool, bytes: Vec<u8> },
}

impl Decoder {
    /// For messages of at most this many bytes, which may be compressed if that was agreed.
    pub(crate) fn new(limit_bytes: usize, may_compress: bool) -> Self {
        Self {
            limit_bytes,
            may_compress,
            begun: [0; MAX_HEADER_BYTES],
            begun_len: 0,
            frame: None,
            control: Box::default(),
            message: None,
            frames: 0,
            fragments: 0,
        }
    }

    pub(crate) fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    /// How many frames were complete since the last call.
    pub(crate) fn take_frames(&mut self) -> u16 {
        mem::take(&mut self.frames)
    }

    /// How many of the frames since the last call were parts of a message and not its last one.
    pub(crate) fn take_fragments(&mut self) -> u16 {
        mem::take(&mut self.fragments)
    }

    /// Whether the last byte was within a message, or within a frame.
    pub(crate) fn is_within_message(&self) -> bool {
        self.begun_len > 0 || self.frame.is_some() || self.message.is_some()
    }

    /// How many bytes the unfinished message has so far.
    pub(crate) fn unfinished_bytes(&self) -> usize {
        self.message.as_ref().map_or(0, |message| message.len())
    }

    /// Drops what has arrived of a message. Nothing further may be decoded.
    pub(crate) fn forget_message(&mut self) {
        self.message = None;
    }

    /// Takes bytes from the front of the input until a message is complete or there were many frames. Returns how many
    /// it took, and unmasks them where they are. After an error the connection has failed, and nothing further may be
    /// decoded.
    pub(crate) fn decode<'i>(
        &mut self,
        input: &'i mut [u8],
    ) -> Result<(usize, Option<Message<'i>>), Violation> {
        let all = input.len();
        let mut rest = input;
        for _ in 0..FRAMES_AT_ONCE {
            let mut frame = if let Some(frame) = self.frame.take() {
                frame
            } else {
                let (header, count) = self.header(rest)?;
                rest = &mut rest[count..];
                let Some(header) = header else { return Ok((all, None)) };
                self.begin(header)?
            };
            let missing = frame.payload_bytes - frame.received_bytes;
            let available = missing.min(rest.len());
            let (payload, behind) = mem::take(&mut rest).split_at_mut(available);
            rest = behind;
            mask::apply(payload, frame.mask, frame.received_bytes);
            if payload.len() < missing {
                if !payload.is_empty() {
                    self.keep(&frame, payload)?;
                }
                frame.received_bytes += payload.len();
                self.frame = Some(frame);
                return Ok((all, None));
            }
            self.frames += 1;
            if let Some(message) = self.complete(&frame, payload)? {
                return Ok((all - rest.len(), Some(message)));
            }
            self.fragments += 1;
        }
        Ok((all - rest.len(), None))
    }

    /// The header that is complete with these bytes, if it is, and how many of them it takes.
    fn header(&mut self, input: &[u8]) -> Result<(Option<Header>, usize), Violation> {
        let before = usize::from(self.begun_len);
        let available = input.len().min(MAX_HEADER_BYTES - before);
        let len = before + available;
        self.begun[before..len].copy_from_slice(&input[..available]);
        if let Some((header, header_bytes)) = Header::parse(&self.begun[..len], self.may_compress)? {
            self.begun_len = 0;
            return Ok((Some(header), header_bytes - before));
        }
        // At most the length of a header.
        self.begun_len = u8::try_from(len).unwrap_or(u8::MAX);
        Ok((None, available))
    }

    /// Checks what depends on the frames before, and on the limit.
    fn begin(&self, header: Header) -> Result<PartialFrame, Violation> {
        let Header { fin, is_compressed, opcode, mask, payload_bytes } = header;
        let before = match (&self.message, opcode) {
            (None, Opcode::Continuation) => return Err(Breach::NothingToContinue.into()),
            (Some(_), Opcode::Text | Opcode::Binary) => return Err(Breach::InterleavedMessage.into()),
            (Some(message), Opcode::Continuation) => message.len(),
            _ => 0,
        };
        let payload_bytes = usize::try_from(payload_bytes).map_err(|_| Violation::TooBig)?;
        // The limit is one of messages; control frames are bounded by the protocol.
        let limit_bytes = self.payload_limit(is_compressed);
        if !opcode.is_control() && payload_bytes > limit_bytes.saturating_sub(before) {
            return Err(Violation::TooBig);
        }
        Ok(PartialFrame { fin, is_compressed, opcode, mask, payload_bytes, received_bytes: 0 })
    }

    /// A message that cannot be compressed grows a little when it is, by the headers of its blocks.
    fn payload_limit(&self, is_compressed: bool) -> usize {
        if is_compressed || matches!(self.message.as_deref(), Some(Partial::Compressed { .. })) {
            return self.limit_bytes.saturating_add(self.limit_bytes / 1024).saturating_add(64);
        }
        self.limit_bytes
    }

    fn keep(&mut self, frame: &PartialFrame, payload: &[u8]) -> Result<(), Violation> {
        if frame.opcode.is_control() {
            self.keep_control(payload);
            return Ok(());
        }
        let message = self.message.get_or_insert_with(|| Box::new(Partial::new(frame))).as_mut();
        if message.free_bytes() < payload.len() {
            message.reserve((frame.payload_bytes - frame.received_bytes).min(message.len() * GROWTH));
        }
        match message {
            Partial::Text(text) => text.push(payload),
            Partial::Binary(bytes) | Partial::Compressed { bytes, .. } => {
                bytes.extend_from_slice(payload);
                Ok(())
            }
        }
    }

    fn keep_control(&mut self, payload: &[u8]) {
        self.control = [&self.control, payload].concat().into();
    }

    /// The last bytes of a frame have arrived.
    fn complete<'i>(
        &mut self,
        frame: &PartialFrame,
        payload: &'i [u8],
    ) -> Result<Option<Message<'i>>, Violation> {
        let is_whole = frame.received_bytes == 0;
        if frame.opcode.is_control() {
            let payload = if is_whole {
                Cow::Borrowed(payload)
            } else {
                self.keep_control(payload);
                Cow::Owned(mem::take(&mut self.control).into())
            };
            return Message::control(frame.opcode, payload).map(Some);
        }
        if is_whole && frame.fin && frame.opcode != Opcode::Continuation {
            return Message::data(frame.opcode, frame.is_compressed, payload).map(Some);
        }
        self.keep(frame, payload)?;
        if !frame.fin {
            return Ok(None);
        }
        self.message.take().map(|message| message.finish()).transpose()
    }
}

impl Partial {
    /// The message that begins with this frame.
    fn new(first: &PartialFrame) -> Self {
        match (first.is_compressed, first.opcode == Opcode::Text) {
            (true, is_text) => Self::Compressed { is_text, bytes: Vec::new() },
            (false, true) => Self::Text(GrowingText::default()),
            (false, false) => Self::Binary(Vec::new()),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) | Self::Compressed { bytes, .. } => bytes.len(),
        }
    }

    fn free_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.free_bytes(),
            Self::Binary(bytes) | Self::Compressed { bytes, .. } => bytes.capacity() - bytes.len(),
        }
    }

    fn reserve(&mut self, more_bytes: usize) {
        match self {
            Self::Text(text) => text.reserve(more_bytes),
            Self::Binary(bytes) | Self::Compressed { bytes, .. } => bytes.reserve(more_bytes),
        }
    }

    fn finish(self) -> Result<Message<'static>, Violation> {
        Ok(match self {
            Self::Text(text) => Message::Text(text.finish()?.into()),
            Self::Binary(bytes) => Message::Binary(bytes.into()),
            Self::Compressed { is_text, bytes } => Message::Compressed { is_text, payload: bytes.into() },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_idle(decoder: &Decoder) -> bool {
        !decoder.is_within_message() && decoder.control.is_empty()
    }

    fn decoded(decoder: &mut Decoder, parts: &[&[u8]]) -> Result<Vec<Message<'static>>, Violation> {
        let mut messages = Vec::new();
        for part in parts {
            let mut part = part.to_vec();
            let mut rest = &mut part[..];
            while !rest.is_empty() {
                let (count, message) = decoder.decode(rest)?;
                messages.extend(message.map(Message::into_owned));
                rest = &mut rest[count..];
            }
        }
        Ok(messages)
    }

    #[test]
    fn a_payload_may_come_after_its_header() {
        let mut decoder = Decoder::new(100, false);
        let header = b"\x81\x82\0\0\0\0";
        let parts = [&header[..], b"ab", header, b"cd", b"\x89\x81\0\0", b"\0\0", b"p"];
        let messages = decoded(&mut decoder, &parts).expect("sound");
        let expected =
            [Message::Text("ab".into()), Message::Text("cd".into()), Message::Ping(b"p"[..].into())];
        assert_eq!(messages, expected);
        assert!(is_idle(&decoder));
    }

    #[test]
    fn control_frames_come_between_fragments_and_count_towards_no_limit() {
        let mut decoder = Decoder::new(4, false);
        let stream = b"\x01\x82\0\0\0\0ab\x89\x85\0\0\0\0hello\x00\x81\0\0\0\0c\x80\x81\0\0\0\0d";
        let messages = decoded(&mut decoder, &[stream]).expect("sound");
        assert_eq!(messages, [Message::Ping(b"hello"[..].into()), Message::Text("abcd".into())]);
        assert!(is_idle(&decoder));
        let too_long = b"\x02\x83\0\0\0\0abc\x80\x82\0\0\0\0";
        assert_eq!(decoded(&mut decoder, &[too_long]), Err(Violation::TooBig));
    }

    #[test]
    fn many_fragments_are_decoded_some_at_a_time_and_counted() {
        let mut decoder = Decoder::new(100, false);
        let mut stream = b"\x01\x80\0\0\0\0".to_vec();
        stream.extend(b"\x00\x80\0\0\0\0".repeat(99));
        stream.extend(b"\x89\x80\0\0\0\0");
        let first = decoder.decode(&mut stream).expect("sound");
        assert_eq!(first, (6 * usize::from(FRAMES_AT_ONCE), None));
        assert_eq!((decoder.take_frames(), decoder.take_fragments()), (FRAMES_AT_ONCE, FRAMES_AT_ONCE));
        let rest = 100 - FRAMES_AT_ONCE;
        let message = decoder.decode(&mut stream[6 * usize::from(FRAMES_AT_ONCE)..]).expect("sound").1;
        assert_eq!(message, Some(Message::Ping(b""[..].into())));
        assert_eq!((decoder.take_frames(), decoder.take_fragments()), (rest + 1, rest));
        assert!(decoder.is_within_message());
    }

    #[test]
    fn an_announced_length_allocates_nothing() {
        let mut decoder = Decoder::new(usize::MAX, false);
        let header = b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0x";
        assert_eq!(decoded(&mut decoder, &[header]), Ok(Vec::new()));
        assert!(matches!(decoder.message.as_deref(), Some(Partial::Binary(bytes)) if bytes.capacity() < 64));
    }

    #[test]
    fn a_large_message_is_moved_twice_at_most() {
        const PART_BYTES: usize = 64 << 10;
        for opcode in [0x81, 0x82] {
            let mut decoder = Decoder::new(usize::MAX, false);
            let header = [opcode, 0xff, 0, 0, 0, 0, 0, 0x60, 0, 0, 0, 0, 0, 0];
            let mut sizes = Vec::new();
            decoder.decode(&mut header.clone()).expect("sound");
            for sent_bytes in (0..6 << 20).step_by(PART_BYTES) {
                decoder.decode(&mut vec![b'x'; PART_BYTES]).expect("sound");
                let Some(message) = &decoder.message else { break };
                let bytes = message.len() + message.free_bytes();
                assert!(bytes <= (GROWTH + 1) * (sent_bytes + PART_BYTES), "{bytes} after {sent_bytes}");
                sizes.push(bytes);
            }
            sizes.dedup();
            assert_eq!(sizes.len(), 3, "{sizes:?}");
            assert!(!decoder.is_within_message());
        }
    }
}
