//! Skips JSON values, which takes a tenth of a short invocation less than with `serde_json` (`benches/NOTES.md`).
//!
//! A [`Scanner`] accepts nothing that `serde_json` would not, and gives up with `None` on what is malformed or unusual, so that
//! the caller can leave it to `serde_json`, which also says what is wrong.

use serde::de::IgnoredAny;

use super::limits::MAX_DEPTH;

/// What is left of a text.
pub(super) struct Scanner<'e> {
    text: &'e str,
    rest: &'e [u8],
    depth: usize,
}

impl<'e> Scanner<'e> {
    pub(super) fn new(text: &'e str) -> Self {
        Self { text, rest: text.as_bytes(), depth: 0 }
    }

    /// Reads an object; `entry` reads the value of each key. Keys with escapes are unusual.
    pub(super) fn object(&mut self, entry: impl FnMut(&mut Self, &'e str) -> Option<()>) -> Option<()> {
        self.expect(b'{')?;
        self.entries(entry)
    }

    /// Skips a value and returns it as it stands in the text.
    pub(super) fn value(&mut self) -> Option<&'e str> {
        let first = self.token()?;
        let start = self.at() - 1;
        match first {
            b'"' => self.string()?,
            b'[' => self.sequence(b']', |scanner| scanner.value().map(drop))?,
            b'{' => self.entries(|scanner, _| scanner.value().map(drop))?,
            _ => self.scalar(start)?,
        }
        self.text.get(start..self.at())
    }

    /// Whether nothing but white space is left.
    pub(super) fn is_at_end(&self) -> bool {
        self.rest.iter().all(|byte| is_white_space(*byte))
    }

    fn at(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    /// The next byte that is not white space.
    fn token(&mut self) -> Option<u8> {
        loop {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            if !is_white_space(*byte) {
                return Some(*byte);
            }
        }
    }

    fn expect(&mut self, wanted: u8) -> Option<()> {
        (self.token()? == wanted).then_some(())
    }

    fn entries(&mut self, mut entry: impl FnMut(&mut Self, &'e str) -> Option<()>) -> Option<()> {
        self.sequence(b'}', |scanner| {
            scanner.expect(b'"')?;
            let start = scanner.at();
            let key = (scanner.special()? == b'"').then(|| scanner.text.get(start..scanner.at() - 1))??;
            scanner.expect(b':')?;
            entry(scanner, key)
        })
    }

    /// The rest of an object or array after its first bracket.
    fn sequence(&mut self, end: u8, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let rest = self.rest;
        if self.token()? != end {
            self.rest = rest;
            loop {
                item(self)?;
                match self.token()? {
                    b',' => {}
                    byte if byte == end => break,
                    _ => return None,
                }
            }
        }
        self.depth -= 1;
        Some(())
    }

    /// The rest of a string after its first quote.
    fn string(&mut self) -> Option<()> {
        loop {
            match (self.special()?, self.rest) {
                (b'"', _) => return Some(()),
                (b'\\', [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', rest @ ..]) => {
                    self.rest = rest;
                }
                (b'\\', [b'u', a, b, c, d, rest @ ..])
                    if [a, b, c, d].into_iter().all(u8::is_ascii_hexdigit) =>
                {
                    self.rest = rest;
                }
                _ => return None,
            }
        }
    }

    /// The next quote, backslash or control character.
    ///
    /// Eight bytes at a time, as `serde_json` does it: of a word's bytes, those that are less than a limit (zero, after an
    /// exclusive or with the wanted byte) borrow from their highest bit.
    fn special(&mut self) -> Option<u8> {
        const EACH: u64 = u64::MAX / 255;
        let less_than = |word: u64, limit: u8| word.wrapping_sub(EACH * u64::from(limit)) & !word;
        while let Some((word, rest)) = self.rest.split_first_chunk() {
            let word = u64::from_le_bytes(*word);
            let quote = less_than(word ^ (EACH * u64::from(b'"')), 1);
            let backslash = less_than(word ^ (EACH * u64::from(b'\\')), 1);
            let found = (less_than(word, b' ') | quote | backslash) & (EACH << 7);
            if found != 0 {
                let position = found.trailing_zeros() / 8;
                self.rest = &self.rest[position as usize + 1..];
                return Some(word.to_le_bytes()[position as usize]);
            }
            self.rest = rest;
        }
        loop {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            if matches!(byte, b'"' | b'\\' | 0..b' ') {
                return Some(*byte);
            }
        }
    }

    /// A number, `true`, `false` or `null`.
    fn scalar(&mut self, start: usize) -> Option<()> {
        let ends = |byte: &u8| matches!(byte, b',' | b']' | b'}') || is_white_space(*byte);
        let length = self.rest.iter().position(ends)?;
        self.rest = &self.rest[length..];
        serde_json::from_str::<IgnoredAny>(&self.text[start..self.at()]).ok().map(drop)
    }
}

fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\t' | b'\r')
}
