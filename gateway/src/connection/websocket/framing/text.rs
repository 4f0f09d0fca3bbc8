//! Text that arrives in parts, which may be cut within a character.

use std::str::{Utf8Error, from_utf8};

use super::violation::Violation;

/// The longest character has four bytes.
const MAX_CHARACTER_BYTES: usize = 4;

/// A text that grows. What cannot become UTF-8 any more is an error at once.
#[derive(Debug, Default)]
pub(super) struct GrowingText {
    text: String,
    /// The beginning of a character.
    begun: [u8; MAX_CHARACTER_BYTES],
    begun_len: usize,
}

impl GrowingText {
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), Violation> {
        while self.begun_len > 0
            && let Some((&byte, rest)) = bytes.split_first()
        {
            bytes = rest;
            self.push_to_character(byte)?;
        }
        let Err(error) = from_utf8(bytes).map(|text| self.text.push_str(text)) else { return Ok(()) };
        let (whole, begun) = bytes.split_at(error.valid_up_to());
        only_incomplete(error)?;
        // Valid up to here.
        self.text.push_str(from_utf8(whole).unwrap_or_default());
        self.begun[..begun.len()].copy_from_slice(begun);
        self.begun_len = begun.len();
        Ok(())
    }

    fn push_to_character(&mut self, byte: u8) -> Result<(), Violation> {
        let len = self.begun_len + 1;
        self.begun[len - 1] = byte;
        match from_utf8(&self.begun[..len]) {
            Ok(character) => {
                self.text.push_str(character);
                self.begun_len = 0;
            }
            Err(error) => {
                only_incomplete(error)?;
                self.begun_len += 1;
            }
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.text.len() + self.begun_len
    }

    pub(super) fn free_bytes(&self) -> usize {
        self.text.capacity() - self.text.len()
    }

    pub(super) fn reserve(&mut self, more_bytes: usize) {
        self.text.reserve(more_bytes);
    }

    /// The text, unless it ends within a character.
    pub(super) fn finish(self) -> Result<String, Violation> {
        if self.begun_len == 0 { Ok(self.text) } else { Err(Violation::NotUtf8) }
    }
}

fn only_incomplete(error: Utf8Error) -> Result<(), Violation> {
    error.error_len().map_or(Ok(()), |_| Err(Violation::NotUtf8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_may_be_cut_anywhere() {
        let text = "aü€😀z";
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let mut growing = GrowingText::default();
                let bytes = text.as_bytes();
                for part in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                    growing.push(part).expect("UTF-8");
                }
                assert_eq!(growing.len(), text.len());
                assert_eq!(growing.finish().as_deref(), Ok(text), "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn what_cannot_become_utf_8_is_found_with_its_first_wrong_byte() {
        for wrong in [&b"\xff"[..], b"\xc0", b"\xed\xa0", b"\xf4\x90", b"\xe2\x82\x28", b"a\x80"] {
            let mut growing = GrowingText::default();
            let (last, before) = wrong.split_last().expect("bytes");
            for byte in before {
                growing.push(&[*byte]).expect("may still become UTF-8");
            }
            assert_eq!(growing.push(&[*last]), Err(Violation::NotUtf8), "{wrong:?}");
            assert_eq!(GrowingText::default().push(wrong), Err(Violation::NotUtf8), "{wrong:?}");
        }
    }

    #[test]
    fn a_text_does_not_end_within_a_character() {
        let mut growing = GrowingText::default();
        growing.push("x€".as_bytes().split_last().expect("bytes").1).expect("a beginning");
        assert_eq!(growing.len(), 3);
        assert_eq!(growing.finish(), Err(Violation::NotUtf8));
    }
}
