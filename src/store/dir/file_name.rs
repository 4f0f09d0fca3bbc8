//! File names for connection ids: a distinct name for each id, which cannot lead out of its folder.
//!
//! Letters, digits and a few other characters are kept; every other byte becomes `%` and two hexadecimal digits, so a
//! name contains neither `/` nor `.`. The name of an id that is too long is `~` and its SHA-256, and the file contains the
//! id.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// The name of a connection's file.
pub(super) enum FileName {
    /// The id can be read from the name.
    Whole(String),
    /// The file contains the id.
    Digest(String),
}

/// What a file name stands for.
pub(super) enum Decoded {
    /// The connection id.
    Id(String),
    /// The file contains the id.
    InFile,
}

/// The longest file name that common file systems allow.
const MAX_BYTES: usize = 255;

/// The name of the empty id; no other id is encoded as a lone `%`.
const EMPTY: &str = "%";

impl FileName {
    pub(super) fn of(id: &str) -> Self {
        if id.is_empty() {
            return Self::Whole(EMPTY.into());
        }
        let mut name = String::with_capacity(id.len() + 8);
        for byte in id.bytes() {
            if is_kept(byte) {
                name.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(name, "%{byte:02X}");
            }
        }
        if name.len() <= MAX_BYTES {
            return Self::Whole(name);
        }
        let mut digest = String::from("~");
        for byte in Sha256::digest(id.as_bytes()) {
            let _ = write!(digest, "{byte:02x}");
        }
        Self::Digest(digest)
    }

    /// Decodes the name of a file; `None` for a name that [`FileName::of`] gives to no id.
    pub(super) fn decode(name: &str) -> Option<Decoded> {
        if name.starts_with('~') {
            return Some(Decoded::InFile);
        }
        let id = if name == EMPTY { String::new() } else { percent_decode(name)? };
        (Self::of(&id).as_str() == name).then_some(Decoded::Id(id))
    }

    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Whole(name) | Self::Digest(name) => name,
        }
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) fn check(id: &str) {
    let name = FileName::of(id);
    assert!(
        !name.as_str().is_empty() && name.as_str().len() <= MAX_BYTES,
        "a name of a file: {:?}",
        name.as_str()
    );
    assert!(!name.as_str().contains(['/', '.', '\0']), "it stays in its folder: {:?}", name.as_str());
    match FileName::decode(name.as_str()) {
        Some(Decoded::Id(decoded)) => assert_eq!(decoded, id),
        Some(Decoded::InFile) => assert!(matches!(name, FileName::Digest(_))),
        None => panic!("{:?} is not read back", name.as_str()),
    }
    // No file name causes a panic, whichever program created it.
    FileName::decode(id);
}

fn percent_decode(name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            bytes.push(hex_digit(rest.next()?)? << 4 | hex_digit(rest.next()?)?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The characters of Base64, which most ids consist of, except `/`.
fn is_kept(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'=')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Decoded, FileName};

    proptest! {
        #[test]
        fn a_name_stays_in_its_folder_and_tells_its_id(id in any::<String>()) {
            super::check(&id);
        }

        #[test]
        fn no_two_names_for_one_id(name in "[%~a-zA-Z0-9+=._/-]{0,12}") {
            if let Some(Decoded::Id(id)) = FileName::decode(&name) {
                let canonical = FileName::of(&id);
                prop_assert_eq!(canonical.as_str(), name);
            }
        }
    }

    #[test]
    fn long_ids_differ_in_their_names() {
        let (a, b) = ("你".repeat(200), format!("{}好", "你".repeat(199)));
        assert_ne!(FileName::of(&a).as_str(), FileName::of(&b).as_str());
    }
}
