//! From received bytes to messages.

use std::{borrow::Cow, mem};

use super::{
    header::{Header, MAX_HEADER_BYTES, Opcode},
    mask,
    message::Message,
    text::GrowingText,
    violation::{Breach, Violation},
};

/// Reads the frames of one client. Between two frames that are each received whole it holds no memory beyond its own
/// size.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// For the payload of a message, and so for that of each of its frames.
    limit_bytes: usize,
    /// The beginning of a header.
    begun: [u8; MAX_HEADER_BYTES],
    begun_len: usize,
    frame: Option<Current>,
    /// What has arrived of a control frame.
    control: Vec<u8>,
    /// What has arrived of a message.
    message: Option<Box<Partial>>,
}

/// A frame of which only a part has arrived.
#[derive(Debug)]
struct Current {
    fin: bool,
    opcode: Opcode,
    mask: [u8; 4],
    payload_bytes: usize,
    received_bytes: usize,
}

#[derive(Debug)]
enum Partial {
    Text(GrowingText),
    Binary(Vec<u8>),
}

impl Decoder {
    /// For messages of at most this many bytes.
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            begun: [0; MAX_HEADER_BYTES],
            begun_len: 0,
            frame: None,
            control: Vec::new(),
            message: None,
        }
    }

    /// Takes bytes from the front of the input until a message is complete. Returns how many it took, which are all if
    /// there is no message, and unmasks them where they are. After an error the connection has failed, and nothing
    /// further may be decoded.
    pub(crate) fn decode<'i>(
        &mut self,
        input: &'i mut [u8],
    ) -> Result<(usize, Option<Message<'i>>), Violation> {
        let all = input.len();
        let mut rest = input;
        loop {
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
                    self.keep(frame.opcode, payload)?;
                }
                frame.received_bytes += payload.len();
                self.frame = Some(frame);
                return Ok((all, None));
            }
            if let Some(message) = self.complete(&frame, payload)? {
                return Ok((all - rest.len(), Some(message)));
            }
        }
    }

    /// The header that is complete with these bytes, if it is, and how many of them it takes.
    fn header(&mut self, input: &[u8]) -> Result<(Option<Header>, usize), Violation> {
        let before = self.begun_len;
        let available = input.len().min(MAX_HEADER_BYTES - before);
        let len = before + available;
        self.begun[before..len].copy_from_slice(&input[..available]);
        if let Some((header, header_bytes)) = Header::parse(&self.begun[..len])? {
            self.begun_len = 0;
            return Ok((Some(header), header_bytes - before));
        }
        self.begun_len = len;
        Ok((None, available))
    }

    /// Checks what depends on the frames before, and on the limit.
    fn begin(&self, header: Header) -> Result<Current, Violation> {
        let Header { fin, opcode, mask, payload_bytes } = header;
        let before = match (&self.message, opcode) {
            (None, Opcode::Continuation) => return Err(Breach::NothingToContinue.into()),
            (Some(_), Opcode::Text | Opcode::Binary) => return Err(Breach::InterleavedMessage.into()),
            (Some(message), Opcode::Continuation) => message.len(),
            _ => 0,
        };
        let payload_bytes = usize::try_from(payload_bytes).map_err(|_| Violation::TooBig)?;
        // The limit is one of messages; control frames are bounded by the protocol.
        if !opcode.is_control() && payload_bytes > self.limit_bytes.saturating_sub(before) {
            return Err(Violation::TooBig);
        }
        Ok(Current { fin, opcode, mask, payload_bytes, received_bytes: 0 })
    }

    fn keep(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), Violation> {
        if opcode.is_control() {
            self.control.extend_from_slice(payload);
            return Ok(());
        }
        match self.message.get_or_insert_with(|| Box::new(Partial::new(opcode))).as_mut() {
            Partial::Text(text) => text.push(payload),
            Partial::Binary(bytes) => {
                bytes.extend_from_slice(payload);
                Ok(())
            }
        }
    }

    /// The last bytes of a frame have arrived.
    fn complete<'i>(&mut self, frame: &Current, payload: &'i [u8]) -> Result<Option<Message<'i>>, Violation> {
        let is_whole = frame.received_bytes == 0;
        if frame.opcode.is_control() {
            let payload = if is_whole {
                Cow::Borrowed(payload)
            } else {
                self.control.extend_from_slice(payload);
                Cow::Owned(mem::take(&mut self.control))
            };
            return Message::control(frame.opcode, payload).map(Some);
        }
        if is_whole && frame.fin && frame.opcode != Opcode::Continuation {
            return Message::data(frame.opcode, payload).map(Some);
        }
        self.keep(frame.opcode, payload)?;
        if !frame.fin {
            return Ok(None);
        }
        self.message.take().map(|message| message.finish()).transpose()
    }
}

impl Partial {
    fn new(opcode: Opcode) -> Self {
        if opcode == Opcode::Text { Self::Text(GrowingText::default()) } else { Self::Binary(Vec::new()) }
    }

    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    fn finish(self) -> Result<Message<'static>, Violation> {
        Ok(match self {
            Self::Text(text) => Message::Text(text.finish()?.into()),
            Self::Binary(bytes) => Message::Binary(bytes.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_idle(decoder: &Decoder) -> bool {
        decoder.frame.is_none() && decoder.message.is_none() && decoder.control.capacity() == 0
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
        let mut decoder = Decoder::new(100);
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
        let mut decoder = Decoder::new(4);
        let stream = b"\x01\x82\0\0\0\0ab\x89\x85\0\0\0\0hello\x00\x81\0\0\0\0c\x80\x81\0\0\0\0d";
        let messages = decoded(&mut decoder, &[stream]).expect("sound");
        assert_eq!(messages, [Message::Ping(b"hello"[..].into()), Message::Text("abcd".into())]);
        assert!(is_idle(&decoder));
        let too_long = b"\x02\x83\0\0\0\0abc\x80\x82\0\0\0\0";
        assert_eq!(decoded(&mut decoder, &[too_long]), Err(Violation::TooBig));
    }

    #[test]
    fn an_announced_length_allocates_nothing() {
        let mut decoder = Decoder::new(usize::MAX);
        let header = b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0x";
        assert_eq!(decoded(&mut decoder, &[header]), Ok(Vec::new()));
        assert!(matches!(decoder.message.as_deref(), Some(Partial::Binary(bytes)) if bytes.capacity() < 64));
    }
}
